"""Clients and the daemon are killed in the middle of things; nothing is missing, nothing comes twice."""
import os
import subprocess
import unittest

from harness import LONG, DaemonCase, wait_for_end
from replica import parse_cursor
from workload import Churn, make_tree


class ClientTest(DaemonCase):
    def test_killed_in_the_middle_and_resumed(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        copy = subprocess.Popen(["cp", "-a", "/usr/include/linux", str(self.root)])
        for _ in range(20):
            replica.step()
            replica.connection.kill()
            replica.resume(self.daemon.connect())
        copy.wait()
        self.assert_truth(replica)

    def test_what_happened_while_it_was_away(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        replica.connection.kill()
        Churn(self.root, 1).run(300)
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)

    def test_a_replay_is_what_was_live(self):
        self.daemon.start()
        live = self.replica().from_snapshot()
        late = self.replica()
        late.cursor = live.cursor
        Churn(self.root, 2).run(300)
        self.assert_truth(live)
        late.resume(late.connection).advance_to(live.cursor)
        self.assertEqual(late.log, live.log)

    def test_resumed_from_every_cursor_it_was_given(self):
        self.daemon.start()
        live = self.replica().from_snapshot()
        start = live.cursor
        for i in range(20):
            (self.root / f"file {i}").touch()
            live.settle()
        for cursor in [start] + [frame["cursor"] for frame in live.frames]:
            late = self.replica(live.connection)
            late._whole = False         # it has no tree to apply to, only positions to compare
            late.cursor = cursor
            late.resume(self.daemon.connect()).advance_to(live.cursor)
            first = parse_cursor(cursor)[1]
            self.assertEqual(late.log, [item for item in live.log if item["seq"] > first])


class RestartTest(DaemonCase):
    def test_with_nothing_changed_announces_nothing(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        for _ in range(3):
            self.daemon.stop()
            self.daemon.start()
            replica.resume(self.daemon.connect())
            self.assert_truth(replica)
        self.assertFalse(replica.events("drive.file.created", "drive.file.updated", "drive.file.moved",
                                        "drive.file.deleted"))

    def test_changes_while_down_are_reported_as_what_they_were(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        (self.root / "album 1" / "disc" / "track 1").rename(self.root / "track")
        (self.root / "album 2").rename(self.root / "album 3" / "inside")
        (self.root / "album 4" / "disc" / "track 4").unlink()
        with open(self.root / "album 5" / "disc" / "track 5", "a") as file:
            file.write("more\n")
        (self.root / "new").mkdir()
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        seen = sorted((item["event"].rpartition(".")[2], item["path"], item.get("from")) for item in replica.log
                      if item["event"].startswith("drive.file."))
        self.assertEqual(seen, [
            ("created", "new", None),
            ("deleted", "album 4/disc/track 4", None),
            ("moved", "album 3/inside", "album 2"),
            ("moved", "track", "album 1/disc/track 1"),
            ("updated", "album 5/disc/track 5", None),
        ])

    def test_exchanged_and_turned_around_while_down(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        (self.root / "album 1").rename(self.root / "t")
        (self.root / "album 2").rename(self.root / "album 1")
        (self.root / "t").rename(self.root / "album 2")
        (self.root / "album 3" / "disc").rename(self.root / "up")   # album 3/disc becomes up/album 3
        (self.root / "album 3").rename(self.root / "up" / "album 3")
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        self.assertFalse(replica.events("drive.file.created", "drive.file.deleted"))

    def test_a_directory_that_vanished_while_down_is_one_deletion(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        subprocess.run(["rm", "-rf", self.root / "album 1"], check=True)
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        deleted = replica.events("drive.file.deleted")
        self.assertEqual([(item["path"], item["recursive"]) for item in deleted], [("album 1", True)])

    def test_positions_go_on_in_the_same_epoch(self):
        self.daemon.start()
        before = self.replica().from_snapshot()
        self.daemon.stop()
        self.daemon.start()
        after = self.replica().from_snapshot().settle()
        self.assertEqual(parse_cursor(after.cursor)[0], parse_cursor(before.cursor)[0])
        self.assertGreater(parse_cursor(after.cursor)[1], parse_cursor(before.cursor)[1])


class KillTest(DaemonCase):
    ROUNDS = 12 if LONG else 4

    def rounds(self, seed):
        """Kill the daemon in the middle of a burst, change more while it is down, start it, converge; again."""
        make_tree(self.root / "churn")
        (self.root / "kept 0").mkdir()
        self.daemon.start()
        replica = self.replica().from_snapshot()
        churn = Churn(self.root / "churn", seed)
        for round_ in range(self.ROUNDS):
            churn.run(churn.random.randrange(20, 200))
            self.daemon.kill()
            self.drain(replica)
            churn.run(100)
            moved = self.move_one(round_)
            self.daemon.start()
            replica.resume(self.daemon.connect())
            self.assert_truth(replica)
            moves = [(item["from"], item["path"]) for item in replica.events("drive.file.moved")]
            self.assertIn(moved, moves, "a move while it was down is no move in the stream")
        self.daemon.stop()
        self.daemon.check()

    @staticmethod
    def drain(replica):
        """Take what was sent before the kill: that much, at least, must be in the store."""
        end = replica.connection.wait_closed()
        while any(frame.get("sub") == replica.sub for frame in replica.connection.kept()):
            replica.step()
        return end

    def move_one(self, round_):
        """Rename a directory that the churn leaves alone, so the store knows it since the round before."""
        old, new = f"kept {round_}", f"kept {round_ + 1}"
        (self.root / old).rename(self.root / new)
        return old, new

    def test_in_a_burst_seed_1(self):
        self.rounds(1)

    def test_in_a_burst_seed_2(self):
        self.rounds(2)

    def test_in_the_first_index(self):
        make_tree(self.root, 200, 20)
        self.daemon.start()
        self.daemon.kill()
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())

    def test_again_and_again_at_once(self):
        make_tree(self.root)
        for i in range(self.ROUNDS):
            (self.root / f"file {i}").touch()
            self.daemon.start()
            self.daemon.kill()
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())

    def test_leaves_no_process_behind(self):
        self.daemon.start()
        self.daemon.kill()
        for pid in os.listdir("/proc"):
            if pid.isdigit() and self.uses_state(pid):
                wait_for_end(int(pid))

    def uses_state(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsencode(self.daemon.config) in file.read()
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
