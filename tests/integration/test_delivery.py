"""The stream as clients see it: one order for all, shared frames, filters, notes and marks."""
import unittest

from connection import Closed
from harness import DaemonCase
from replica import parse_cursor
from workload import Churn, make_tree


class OrderTest(DaemonCase):
    def test_two_clients_and_a_late_third_see_the_same(self):
        self.daemon.start()
        first, second = self.replica().from_snapshot(), self.replica().from_snapshot()
        churn = Churn(self.root, 3)
        churn.run(150)
        third = self.replica().from_snapshot()
        joined = parse_cursor(third.cursor)[1]
        churn.run(150)
        for replica in (first, second, third):
            self.assert_truth(replica)
        end = max((replica.cursor for replica in (first, second, third)), key=parse_cursor)
        for replica in (first, second, third):
            replica.advance_to(end)
        self.assertEqual(first.log, second.log)
        self.assertEqual(third.log, [item for item in first.log if item["seq"] > joined])

    def test_frames_of_a_class_are_the_same_bytes(self):
        self.daemon.start()
        clients = [self.replica().from_now() for _ in range(5)]
        Churn(self.root, 4).run(200)
        end = clients[0].connection.barrier(clients[0].stream)
        for client in clients:
            client.advance_to(end)
        self.assertEqual(len({client.sub for client in clients}), 1)
        for client in clients[1:]:
            self.assertEqual([frame.raw for frame in client.frames], [frame.raw for frame in clients[0].frames])

    def test_who_joins_in_the_middle_soon_shares_the_frames(self):
        self.daemon.start()
        old = self.replica().from_snapshot()
        churn = Churn(self.root, 5)
        for _ in range(5):
            churn.run(40)
            new = self.replica().from_now()
            start = new.cursor
            churn.run(40)
            end = old.connection.barrier(old.stream)
            old.advance_to(end)
            new._whole = False
            new.advance_to(end)
            self.assertEqual(new.log, [item for item in old.log if item["seq"] > parse_cursor(start)[1]
                                       and item["seq"] <= parse_cursor(new.cursor)[1]])
            shared = {frame.raw for frame in old.frames}
            self.assertTrue(all(frame.raw in shared for frame in new.frames[1:]), "more than the first was private")

    def test_hello_and_subscribe_pipelined(self):
        self.daemon.start()
        self.replica().from_snapshot()          # a subscription is answered when the first index is done
        connection = self.daemon.connect(token="")
        connection.send({"type": "hello", "token": self.daemon.token(), "client": "pipeliner"})
        connection.send({"type": "subscribe", "id": "1", "stream": "drive:music"})
        connection.send({"type": "ping"})
        self.assertEqual([connection.next_frame()["type"] for _ in range(3)], ["welcome", "subscribed", "pong"])

    def test_a_token_in_the_request_header(self):
        self.daemon.start()
        connection = self.daemon.connect(token="", headers={"Authorization": "Bearer " + self.daemon.token()})
        connection.send({"type": "hello", "client": "header"})
        self.assertEqual(connection.expect("welcome")["client"], "header")

    def test_without_a_subprotocol(self):
        self.daemon.start()
        connection = self.daemon.connect(subprotocols=())
        connection.ping()

    def test_welcome_says_who_is_who(self):
        self.daemon.start()
        named, unnamed = self.daemon.connect(client="desk"), self.daemon.connect()
        self.assertEqual(named.welcome["client"], "desk")
        self.assertRegex(unnamed.welcome["client"], r"^[A-Za-z0-9._-]{1,64}$")
        self.assertNotEqual(named.welcome["session"], unnamed.welcome["session"])
        self.assertEqual(unnamed.welcome["online"], 2)
        self.assertTrue({"server", "version", "mids"} <= unnamed.welcome.keys())


class SubscriptionTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()
        self.connection = self.daemon.connect()

    def test_a_filter_by_event(self):
        everything = self.replica().from_snapshot()
        moves = self.replica(self.connection).from_now(events=["drive.file.moved"])
        make_tree(self.root)
        everything.settle()
        for i in range(8):
            (self.root / f"album {i}").rename(self.root / f"record {i}")
        everything.settle()
        moves.until(lambda item: item["path"] == "record 7")
        self.assertEqual(moves.log, everything.events("drive.file.moved"))

    def test_a_filtered_cursor_is_marked_on(self):
        moves = self.replica(self.connection).from_now(events=["drive.file.moved"])
        make_tree(self.root)
        goal = self.connection.barrier(moves.stream)
        moves.advance_to(goal)
        self.assertEqual(moves.log, [])
        self.assertEqual({frame["type"] for frame in moves.frames}, {"mark"})

    def test_sync_events_by_pattern(self):
        runs = self.replica(self.connection).from_now(events=["sync.*"])
        (self.root / "file").touch()
        # The run finds nothing new only when the change was journalled before it began.
        self.daemon.http("POST", "/api/sync/barrier", {"stream": "drive:music"}, token=self.admin())
        answer = self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=self.admin())
        self.assertEqual(answer.status, 202)
        done = runs.until(lambda item: item["event"] == "sync.completed" and item["run"] == answer.body["run"])
        started = next(item for item in runs.log if item["event"] == "sync.started")
        self.assertEqual((started["run"], started["trigger"]), (done["run"], "manual"))
        self.assertEqual((done["entries"], done["changes"]), (1, 0))
        self.assertFalse([item for item in runs.log if not item["event"].startswith("sync.")])

    def admin(self):
        return self.daemon.token("read", "admin")

    def test_progress_of_a_long_run_is_noted(self):
        """A stopped watcher makes any run long."""
        make_tree(self.root)
        runs = self.replica(self.connection).from_now(events=["sync.*"])
        with self.daemon.blind():
            run = self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=self.admin()).body["run"]
            item = self.connection.expect("note", stream="drive:music")["items"][0]
        self.assertEqual((item["event"], item["run"]), ("sync.progress", run))
        self.assertTrue({"entries", "changes", "seconds"} <= item.keys())
        runs.until(lambda item: item["event"] == "sync.completed" and item["run"] == run)

    def test_clients_come_and_go_on_the_bus(self):
        self.connection.send({"type": "subscribe", "id": "1", "stream": "bus"})
        self.connection.expect("subscribed")
        guest = self.daemon.connect(client="guest", name="A guest")
        came = self.bus_item("client.connected")
        self.assertEqual((came["client"], came["name"], came["session"]),
                         ("guest", "A guest", guest.welcome["session"]))
        guest.kill()
        gone = self.bus_item("client.disconnected")
        self.assertEqual(gone["session"], came["session"])

    def bus_item(self, event):
        while True:
            for item in self.connection.expect("note", stream="bus")["items"]:
                if item["event"] == event and item["client"] == "guest":
                    return item

    def test_unsubscribed_means_silence(self):
        replica = self.replica(self.connection).from_snapshot(identifier="one")
        self.connection.send({"type": "unsubscribe", "id": "one"})
        self.connection.expect("unsubscribed", id="one", sub=replica.sub)
        (self.root / "file").touch()
        self.connection.barrier("drive:music")
        self.connection.ping()
        self.assertEqual([frame["type"] for frame in self.connection.kept()], [])

    def test_the_same_class_twice_on_a_connection(self):
        self.replica(self.connection).from_snapshot(identifier="one")
        self.connection.send({"type": "subscribe", "id": "two", "stream": "drive:music"})
        self.assertEqual(self.connection.expect("error", id="two")["code"], "already")
        other = self.replica(self.connection).from_now("three", events=["drive.file.deleted"])
        self.assertNotEqual(other.sub, "one")

    def test_a_barrier_is_after_the_writer(self):
        """BARRIER: what was done before it is at or before its cursor, each time."""
        replica = self.replica(self.connection).from_snapshot()
        for i in range(200):
            name = f"file {i}"
            (self.root / name).write_text(name)
            goal = self.connection.barrier("drive:music", identifier=f"b{i}")
            replica.advance_to(goal)
            self.assertIsNotNone(replica.tree.find(name.encode()), f"barrier {i} came before its file")
            self.assertLessEqual(replica.log[-1]["seq"], parse_cursor(goal)[1])

    def test_a_barrier_over_http(self):
        replica = self.replica(self.connection).from_snapshot()
        (self.root / "file").touch()
        answer = self.daemon.http("POST", "/api/sync/barrier", {"stream": "drive:music"})
        self.assertEqual(answer.status, 200)
        replica.advance_to(answer.body["cursor"])
        self.assertIsNotNone(replica.tree.find(b"file"))

    def test_a_stop_says_bye(self):
        self.daemon.stop()
        self.assertEqual(self.connection.expect("bye")["code"], 1001)
        with self.assertRaises(Closed) as end:
            self.connection.next_frame()
        self.assertEqual(end.exception.code, 1001)


class SeveralDrivesTest(DaemonCase):
    def setUp(self):
        super().setUp()
        other = self.work / "films"
        other.mkdir()
        self.daemon = self.new_daemon({"music": self.root, "films": other})
        self.daemon.start()

    def test_on_one_connection(self):
        connection = self.daemon.connect()
        music = self.replica(connection).from_snapshot("m")
        films = self.replica(connection, "films").from_snapshot("f")
        make_tree(self.daemon.drives["films"])
        make_tree(self.root, 2)
        (self.root / "album 0").rename(self.daemon.drives["films"] / "from music")
        self.assert_truth(music)
        self.assert_truth(films)


if __name__ == "__main__":
    unittest.main()
