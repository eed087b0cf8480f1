"""LOSS: the watcher is stopped while far more happens than its queue holds.  It says so until a run has made it good; nothing
is missing afterwards and nothing was told twice.  With an unlimited queue there is no loss to speak of."""
import contextlib
import os
import subprocess
import threading
import unittest
from pathlib import Path

from harness import LONG, DaemonCase, test_program
from replica import FILE_EVENTS
from test_tree import may_use_fanotify

QUEUE = 1000
WRITERS = 4
ROUNDS = 12500 if LONG else 1250        # of six operations by each writer: 300,000 or 30,000 together
OLD = 200                               # entries of each writer that are there before


@contextlib.contextmanager
def queue_limit(backend):
    """New groups have a small queue inside; the kernel copies the limit when it makes one."""
    path = Path(f"/proc/sys/fs/{backend}/max_queued_events")
    if not os.access(path, os.W_OK):
        raise unittest.SkipTest(f"{path} cannot be written to: be root")
    before = path.read_text()
    path.write_text(str(QUEUE))
    try:
        yield
    finally:
        path.write_text(before)


class States(threading.Thread):
    """Asks for the drive's state all the time; `seen` are the different answers in order."""

    def __init__(self, daemon, drive):
        super().__init__(daemon=True)
        self._ask = lambda: daemon.status(drive)["state"]
        self._end = threading.Event()
        self.seen = [self._ask()]

    def run(self):
        while not self._end.is_set():
            state = self._ask()
            if state != self.seen[-1]:
                self.seen.append(state)

    def end(self):
        self._end.set()
        self.join()
        last = self._ask()
        return self.seen if self.seen[-1] == last else self.seen + [last]


class OverflowTest(DaemonCase):
    def storm(self):
        """(a script, the changes that it amounts to: {path: event})"""
        lines, expected = [], {}
        for w in range(1, WRITERS + 1):
            for i in range(OLD // 4):
                lines += [f"{w} append w{w}/written{i} 10", f"{w} rename w{w}/old{i} w{w}/moved{i}",
                          f"{w} unlink w{w}/removed{i}"]
                expected.update({f"w{w}/written{i}": "updated", f"w{w}/moved{i}": "moved",
                                 f"w{w}/removed{i}": "deleted"})
            for i in range(ROUNDS):
                folder = f"w{w}/d{i // 100}"
                if i % 100 == 0:
                    lines.append(f"{w} mkdir {folder}")
                    expected[folder] = "created"
                lines += [f"{w} write {folder}/t{i} 10", f"{w} rename {folder}/t{i} {folder}/f{i}",
                          f"{w} append {folder}/f{i} 10", f"{w} truncate {folder}/f{i} 15",
                          f"{w} chmod {folder}/f{i} 600", f"{w} chmod {folder}/f{i} 640"]
                if i % 50 == 0:
                    lines += [f"{w} create {folder}/g{i}", f"{w} unlink {folder}/g{i}"]
                expected[f"{folder}/f{i}"] = "created"
        return "\n".join(lines) + "\n", expected

    def prepare(self):
        for w in range(1, WRITERS + 1):
            (self.root / f"w{w}").mkdir()
            for kind in ("written", "old", "removed", "kept"):
                for i in range(OLD // 4):
                    (self.root / f"w{w}" / f"{kind}{i}").write_text("before\n")

    def live_through_a_storm(self, limited):
        """The states that were seen after it."""
        self.prepare()
        if limited:
            with queue_limit(self.backend):
                self.daemon.start()
                replica = self.replica().from_snapshot()
        else:
            self.daemon.start()
            replica = self.replica().from_snapshot()
        self.assertEqual(self.daemon.status(self.drive)["backend"], self.backend)
        replica.settle()
        script, expected = self.storm()
        with self.daemon.blind():
            counts = subprocess.run([test_program("generator_perform"), self.root, self.work], input=script,
                                    capture_output=True, text=True, check=True).stdout.split()
            self.assertEqual(counts[1], "0", "an operation failed")
            states = States(self.daemon, self.drive)
            states.start()
        try:
            self.assert_truth(replica)
        finally:
            seen = states.end()
        events = replica.events(*FILE_EVENTS)
        told = {item["path"]: item["event"].rpartition(".")[2] for item in events}
        wrong = {path: (expected.get(path), told.get(path)) for path in expected.keys() | told.keys()
                 if expected.get(path) != told.get(path)}
        self.assertEqual(wrong, {}, "expected and told")
        self.assertEqual(len(events), len(expected), "a change was told twice")
        return seen

    def runs(self):
        return [run["trigger"] for run in self.daemon.http("GET", f"/api/sync/history?drive={self.drive}").body["runs"]]

    def assert_lost_and_found(self, seen):
        trouble = {"degraded", "reconciling"}
        self.assertEqual((seen[0], seen[-1]), ("live", "live"), seen)
        self.assertTrue(len(seen) > 2 and set(seen[1:-1]) <= trouble, seen)
        self.assertIn("overflow", self.runs())


class FanotifyOverflowTest(OverflowTest):
    backend = "fanotify"
    settings = {"backend": "fanotify"}

    def setUp(self):
        if not may_use_fanotify():
            self.skipTest("fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH")
        super().setUp()

    def test_a_limited_queue(self):
        self.daemon.prefix = [test_program("generator_limited_queue")]
        self.assert_lost_and_found(self.live_through_a_storm(limited=True))

    def test_the_unlimited_queue(self):
        seen = self.live_through_a_storm(limited=False)
        self.assertEqual(seen, ["live"])
        self.assertEqual(self.runs(), ["first_index"])


class InotifyOverflowTest(OverflowTest):
    backend = "inotify"
    settings = {"backend": "inotify"}

    def test_a_limited_queue(self):
        self.assert_lost_and_found(self.live_through_a_storm(limited=True))


if __name__ == "__main__":
    unittest.main()
