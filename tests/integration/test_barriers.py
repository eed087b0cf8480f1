"""BARRIER: many processes change something and ask for a barrier each time; the change is at or before the cursor."""
import subprocess
import unittest

from harness import LONG, DaemonCase, test_program
from replica import FILE_EVENTS, parse_cursor
from test_tree import may_use_fanotify

WRITERS = 16
CHANGES = 625 if LONG else 63       # by each writer: 10,000 or 1,000 together


class BarrierTest(DaemonCase):
    def after_each_change(self):
        """Each writer reads its own writes: what it did is said no later than in the cursor that it was given."""
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assertEqual(self.daemon.status(self.drive)["backend"], self.settings["backend"])
        result = subprocess.run([test_program("bench_barrier"), str(self.daemon.port), self.daemon.token(), self.drive,
                                 self.root, str(CHANGES), str(WRITERS)], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_truth(replica)
        first = self.first_told(replica)
        answers = [line.split() for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), CHANGES * WRITERS)
        for _, cursor, path, size in answers:
            seq = parse_cursor(cursor)[1]
            self.assertLessEqual(first.get((path, int(size)), float("inf")), seq,
                                 f"{path} with {size} bytes is not before the cursor that was given")

    @staticmethod
    def first_told(replica):
        """{(path, size): the seq that said so first}"""
        first = {}
        for item in replica.events(*FILE_EVENTS):
            if item["kind"] == "file" and "size" in item:
                first.setdefault((item["path"], item["size"]), item["seq"])
        return first


class FanotifyBarrierTest(BarrierTest):
    settings = {"backend": "fanotify"}

    def setUp(self):
        if not may_use_fanotify():
            self.skipTest("fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH")
        super().setUp()

    def test_after_each_change_of_sixteen_processes(self):
        self.after_each_change()


class InotifyBarrierTest(BarrierTest):
    settings = {"backend": "inotify"}

    def test_after_each_change_of_sixteen_processes(self):
        self.after_each_change()


if __name__ == "__main__":
    unittest.main()
