"""Who asked for a part of a drive, or may see no more, sees exactly that part, live, replayed and in a snapshot."""
import json
import unittest

from harness import DaemonCase
from replica import Ledger, Replica, parse_cursor
from truth import walk
from workload import Churn, exchange, make_tree


class PrefixCase(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()

    def part(self, *prefixes, connection=None):
        """A client of these prefixes.  What it sees of a seq is not what others see, so it has a ledger of its own."""
        return Replica(connection or self.daemon.connect(), "music", Ledger()).within(*prefixes)

    def begin(self, *prefixes, connection=None):
        """The same, level with the drive; what came until then is forgotten.  A snapshot may be a second old."""
        replica = self.part(*prefixes, connection=connection).from_snapshot().settle()
        replica.log, replica.frames, replica.resets = [], [], 0
        return replica

    def assert_part(self, replica):
        replica.settle()
        there = {path: state for path, state in walk(self.root).items() if replica.fits(path)}
        self.assertEqual({path for path in replica.tree.states()}, set(there))
        self.assertEqual(replica.tree.states(), there)

    def files(self, replica):
        return [(item["event"].rpartition(".")[2], item["path"], item.get("from"), item.get("recursive"))
                for item in replica.log if item["event"].startswith("drive.file.")]


class PrefixTest(PrefixCase):
    def test_whole_components_only(self):
        for name in ("a/foo", "a/foobar", "a/fo", "b"):
            (self.root / name).mkdir(parents=True)
            (self.root / name / "before").touch()
        replica = self.begin(b"a/foo")
        self.assertEqual(set(replica.tree.states()), {b"a/foo", b"a/foo/before"})
        for name in ("a/foo", "a/foobar", "a/fo", "b"):
            (self.root / name / "after").touch()
        (self.root / "a" / "foo ").touch()
        self.assert_part(replica)
        self.assertEqual([path for _, path, _, _ in self.files(replica)], ["a/foo/after"])

    def test_a_prefix_that_is_no_utf8(self):
        odd = self.root / b"caf\xe9".decode(errors="surrogateescape")
        odd.mkdir()
        (self.root / "caf\ufffd").mkdir()
        replica = self.begin(b"caf\xe9")
        (odd / "in").touch()
        (self.root / "caf\ufffd" / "out").touch()
        self.assert_part(replica)

    def test_a_prefix_that_is_not_there_yet(self):
        replica = self.begin(b"new/part")
        self.assertEqual(replica.tree.states(), {})
        (self.root / "new" / "part").mkdir(parents=True)
        (self.root / "new" / "part" / "file").touch()
        (self.root / "new" / "file").touch()
        self.assert_part(replica)

    def test_equal_sets_are_one_class(self):
        connection = self.daemon.connect()
        subs = []
        for prefixes in ([b"a", b"b"], [b"b", b"a/x", b"a", b"a"]):
            subs.append(self.begin(*prefixes).sub)
        self.assertEqual(len(set(subs)), 1)
        self.part(b"a", connection=connection).from_now("one")
        connection.send({"type": "subscribe", "id": "two", "stream": "drive:music", "prefix": ["a/b", "a"]})
        self.assertEqual(connection.expect("error", id="two")["code"], "already")
        connection.send({"type": "subscribe", "id": "all", "stream": "drive:music", "prefix": ["", "a"]})
        connection.expect("subscribed", id="all")
        connection.send({"type": "subscribe", "id": "three", "stream": "drive:music"})
        self.assertEqual(connection.expect("error", id="three")["code"], "already")

    def test_a_move_out_names_no_target(self):
        make_tree(self.root / "in", 2)
        (self.root / "secret").mkdir()
        replica = self.begin(b"in")
        (self.root / "in" / "album 0" / "disc" / "first").rename(self.root / "secret" / "first")
        replica.settle()
        (self.root / "in" / "album 0").rename(self.root / "secret" / "album")
        self.assert_part(replica)
        self.assertEqual(self.files(replica), [("deleted", "in/album 0/disc/first", None, None),
                                               ("deleted", "in/album 0", None, True)])
        self.assertFalse([frame for frame in replica.frames if "secret" in frame.raw])

    def test_a_file_moved_in_is_created(self):
        (self.root / "in").mkdir()
        (self.root / "secret").write_text("x")
        replica = self.begin(b"in")
        (self.root / "secret").rename(self.root / "in" / "file")
        self.assert_part(replica)
        self.assertEqual(self.files(replica), [("created", "in/file", None, None)])
        self.assertFalse([frame for frame in replica.frames if "secret" in frame.raw])

    def test_a_directory_moved_in_is_seen_whole(self):
        (self.root / "in").mkdir()
        make_tree(self.root / "secret")
        replica = self.begin(b"in")
        away = self.begin(b"in")
        away.connection.kill()
        (self.root / "in" / "before").touch()
        replica.settle()
        (self.root / "secret").rename(self.root / "in" / "open")
        self.assert_part(replica)
        self.assertEqual(replica.resets, 1)
        away.resume(self.daemon.connect())
        self.assert_part(away)
        self.assertEqual(away.resets, 1)
        self.assertEqual(self.files(away), [("created", "in/before", None, None)])

    def test_what_comes_and_goes_with_the_directories_above(self):
        make_tree(self.root / "up" / "in", 2)
        replica = self.begin(b"up/in")
        (self.root / "up").rename(self.root / "away")
        self.assert_part(replica)
        self.assertEqual(replica.tree.states(), {})
        (self.root / "away").rename(self.root / "up")
        self.assert_part(replica)
        (self.root / "up").rename(self.work / "outside")
        self.assert_part(replica)
        self.assertEqual(replica.tree.states(), {})

    def test_moves_between_two_prefixes_stay_moves(self):
        make_tree(self.root / "a", 1)
        (self.root / "b").mkdir()
        both, first, second = [self.begin(*names) for names in ([b"a", b"b"], [b"a"], [b"b"])]
        (self.root / "a" / "album 0").rename(self.root / "b" / "album")
        for replica in (both, first, second):
            self.assert_part(replica)
        self.assertEqual(self.files(both), [("moved", "b/album", "a/album 0", None)])
        self.assertEqual(self.files(first), [("deleted", "a/album 0", None, True)])

    def test_exchanged_over_the_border(self):
        (self.root / "in").mkdir()
        (self.root / "in" / "x").write_text("inside")
        (self.root / "y").write_text("outside, longer")
        replica = self.begin(b"in")
        exchange(self.root / "in" / "x", self.root / "y")
        self.assert_part(replica)

    def test_what_is_filtered_out_moves_the_cursor(self):
        (self.root / "in").mkdir()
        replica = self.begin(b"in")
        make_tree(self.root / "out")
        replica.settle()
        self.assertEqual({frame["type"] for frame in replica.frames}, {"mark"})

    def test_bad_prefixes_are_refused(self):
        connection = self.daemon.connect()
        for prefix in (["/a"], ["a/"], ["a//b"], [".."], ["a\0"], [7], "a"):
            connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "prefix": prefix})
            self.assertEqual(connection.expect("error")["code"], "bad_frame", prefix)


class ChangedTest(PrefixCase):
    def test_only_the_changes_asked_for(self):
        (self.root / "file").touch()
        everything = self.begin()
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "c", "stream": "drive:music", "changed": ["content"]})
        connection.expect("subscribed", id="c")
        (self.root / "file").chmod(0o600)
        everything.settle()
        (self.root / "file").write_text("more")
        everything.settle()
        (self.root / "file").chmod(0o640)
        (self.root / "new").touch()
        everything.settle()
        seen = []
        while not seen or seen[-1]["path"] != "new":
            seen += connection.expect("ev")["items"]
        self.assertEqual(seen, [item for item in everything.log if item.get("changed") != ["meta"]])
        self.assertTrue(any("content" in item.get("changed", []) for item in seen))


class TokenTest(PrefixCase):
    def setUp(self):
        super().setUp()
        for name in ("in", "in/side", "out"):
            (self.root / name).mkdir()
            (self.root / name / "file").touch()
        self.token = self.daemon.new_token(prefixes=["in", "up/on"])["token"]

    def test_it_sees_its_part_alone(self):
        replica = self.part(b"in", b"up/on")
        replica.connection = self.daemon.connect(self.token)
        asked = replica.connection.send
        replica.connection.send = lambda frame: asked({key: value for key, value in frame.items() if key != "prefix_b64"})
        replica.from_snapshot()
        churn = Churn(self.root, 11)
        for _ in range(4):
            churn.run(40)
            (self.root / "in" / "side").mkdir(parents=True, exist_ok=True)
            self.assert_part(replica)

    def test_what_it_asks_for_is_cut_down(self):
        inside = self.part(b"in/side")
        inside.connection = self.daemon.connect(self.token)
        inside.from_snapshot()
        (self.root / "in" / "new").touch()
        (self.root / "in" / "side" / "new").touch()
        self.assert_part(inside)
        self.assertEqual([path for _, path, _, _ in self.files(inside) if path.endswith("new")], ["in/side/new"])
        connection = self.daemon.connect(self.token)
        for prefix in (["out"], ["inn"], ["u", "in "]):
            connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "prefix": prefix})
            self.assertEqual(connection.expect("error")["code"], "forbidden")
        connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "prefix": [""]})
        self.assertEqual(connection.expect("subscribed")["type"], "subscribed")

    def test_it_is_one_class_with_who_asked_for_that_part(self):
        asked = self.part(b"up/on", b"in").from_snapshot()
        limited = self.part()
        limited.connection = self.daemon.connect(self.token)
        self.assertEqual(limited._subscribe("s", "now")["sub"], asked.sub)

    def test_the_rest_is_denied(self):
        for scopes in (("read",), ("read", "write", "admin")):
            token = self.daemon.new_token(*scopes, prefixes=["in"])["token"]
            for method, path in (("GET", "/api/sync/status"), ("GET", "/api/sync/history?drive=music"),
                                 ("POST", "/api/sync/barrier"), ("POST", "/api/sync/trigger"), ("GET", "/api/tokens"),
                                 ("POST", "/api/tokens")):
                self.assertEqual(self.daemon.http(method, path, token=token).status, 403, path)

    def test_runs_tell_no_path(self):
        connection = self.daemon.connect(self.token)
        connection.send({"type": "subscribe", "id": "s", "stream": "drive:music", "events": ["sync.*"]})
        connection.expect("subscribed")
        self.daemon.http("POST", "/api/sync/barrier", {"stream": "drive:music"})    # a path that is not known is 404
        answer = self.daemon.http("POST", "/api/sync/trigger", {"drive": "music", "path": "out"},
                                  token=self.daemon.token("read", "admin"))
        self.assertEqual(answer.status, 202)
        frames = [connection.expect("ev")]
        while not any(item["event"] == "sync.completed" for item in frames[-1]["items"]):
            frames.append(connection.expect("ev"))
        self.assertFalse([frame for frame in frames if '"out' in frame.raw])

    def test_it_outlives_a_restart(self):
        self.daemon.stop()
        self.daemon.start()
        connection = self.daemon.connect(self.token)
        connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "prefix": ["out"]})
        self.assertEqual(connection.expect("error")["code"], "forbidden")

    def test_the_command_makes_one(self):
        made = self.daemon.command("token", "create", "--state", str(self.daemon.state), "--name", "part", "--prefix", "in",
                                   "--prefix", "in/side", "--json")
        self.assertEqual(json.loads(made.stdout)["prefixes"], ["in"])
        listed = self.daemon.command("token", "list", "--state", str(self.daemon.state)).stdout
        self.assertIn("* in part", listed)

    def test_bad_ones_are_refused(self):
        for prefixes in (["/a"], ["a/"], [7], "a", [".."], ["a" * 5000], [str(i) for i in range(65)]):
            answer = self.daemon.control("POST", "/api/tokens", {"name": "x", "scopes": ["read"], "drives": ["*"],
                                                                 "prefixes": prefixes})
            self.assertEqual(answer.status, 400, prefixes)


class ChurnTest(PrefixCase):
    def churn(self, seed):
        """The border runs through the middle of the churn: names come, leave and change sides all the time."""
        for name in ("n0", "n1"):
            (self.root / name).mkdir()
        left, right, deep = [self.begin(*names) for names in ([b"n0", b"n2", b"n4"], [b"n1", b"n3"],
                                                                           [b"n5/n6", b"n0/n1", b"n7"])]
        churn = Churn(self.root, seed)
        for _ in range(6):
            churn.run(60)
            for replica in (left, right, deep):
                self.assert_part(replica)
                replica.connection.kill()
            churn.run(60)
            for replica in (left, right, deep):
                replica.resume(self.daemon.connect())
                self.assert_part(replica)

    def test_seed_1(self):
        self.churn(1)

    def test_seed_2(self):
        self.churn(2)

    def test_disjoint_parts_without_a_word_of_each_other(self):
        for name in ("a", "b"):
            make_tree(self.root / name, 3)
        parts = [self.begin(name) for name in (b"a", b"b")]
        churns = [Churn(self.root / name, 7) for name in ("a", "b")]
        for _ in range(4):
            for churn in churns:
                churn.run(50)
            for part in parts:
                self.assert_part(part)
        self.assertEqual([part.resets for part in parts], [0, 0])

    def test_resumed_from_every_cursor_it_was_given(self):
        for name in ("a", "b"):
            make_tree(self.root / name, 2)
        live = self.begin(b"a")
        start = live.cursor
        churns = [Churn(self.root / name, 9) for name in ("a", "b")]
        for _ in range(6):
            for churn in churns:
                churn.run(10)
            live.settle()
        for cursor in [start] + [frame["cursor"] for frame in live.frames]:
            late = self.part(b"a")
            late._whole = False
            late.cursor = cursor
            late.resume(self.daemon.connect()).advance_to(live.cursor)
            self.assertEqual(late.log, [item for item in live.log if item["seq"] > parse_cursor(cursor)[1]])


if __name__ == "__main__":
    unittest.main()
