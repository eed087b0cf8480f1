"""The clock of the machine is stepped by a day, either way: order, waiting times and epochs do not depend on it."""
import datetime
import glob
import shutil
import unittest

from harness import DaemonCase
from replica import FILE_EVENTS, parse_cursor
from truth import parse_time
from workload import make_tree

DAY = 86400


def faketime():
    """The library that shows a program another clock."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise unittest.SkipTest("faketime is not installed")
    return found[0]


class ClockTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.clock = self.work / "clock"
        self.step(0)
        self.daemon.environment = {
            "LD_PRELOAD": faketime(), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def step(self, seconds):
        """Set the daemon's clock so many seconds off."""
        self.clock.with_name("new").write_text(f"{seconds:+d}\n")
        self.clock.with_name("new").replace(self.clock)

    def assert_told(self, replica, name, offset):
        """A file that is made now is told, with the time that the daemon's clock shows."""
        (self.root / name).write_text(name)
        self.assert_truth(replica)
        item = next(item for item in replica.log if item.get("path") == name)
        now = datetime.datetime.now(datetime.timezone.utc).timestamp() + offset
        self.assertLess(abs(parse_time(item["at"]) / 1e9 - now), 600)

    def test_while_it_runs(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assert_told(replica, "now", 0)
        self.step(-DAY)
        self.assert_told(replica, "yesterday", -DAY)
        self.step(DAY)
        self.assert_told(replica, "tomorrow", DAY)
        self.step(0)
        self.assert_told(replica, "today", 0)

    def test_while_it_is_down(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        self.step(-DAY)
        (self.root / "while down").touch()
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        self.assertEqual([item["path"] for item in replica.events(*FILE_EVENTS)], ["while down"])

    def test_a_new_epoch_is_greater_though_the_clock_went_back(self):
        self.daemon.start()
        before = self.replica().from_snapshot().cursor
        self.daemon.stop()
        shutil.move(self.daemon.state, self.work / "moved")
        shutil.copytree(self.work / "moved", self.daemon.state)
        self.step(-DAY)
        self.daemon.start()
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "x", "stream": f"drive:{self.drive}", "from": before})
        self.assertEqual(connection.expect("reset")["reason"], "epoch")
        after = self.replica(connection).from_snapshot().cursor
        self.assertGreater(parse_cursor(after)[0], parse_cursor(before)[0])


if __name__ == "__main__":
    unittest.main()
