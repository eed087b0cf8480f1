"""A directory of a million entries (of twenty thousand where time is short): listed, changed, moved and removed as any other."""
import os
import unittest

from harness import LONG, DaemonCase
from replica import FILE_EVENTS
from workload import run

FILES = 1_000_000 if LONG else 20_000


class HugeDirectoryTest(DaemonCase):
    def make_root(self):
        return self.make_root_on("/dev/shm")

    def setUp(self):
        super().setUp()
        self.huge = self.root / "huge"
        self.huge.mkdir()
        folder = os.open(self.huge, os.O_RDONLY)
        for i in range(FILES):
            os.close(os.open(f"{i}", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.close(folder)

    def told(self, replica):
        """What was told since the last time, without what belongs to runs."""
        seen = len(replica.log)
        replica.settle()
        return [(item["event"].rpartition(".")[2], item["path"]) for item in replica.log[seen:]
                if item["event"] in FILE_EVENTS]

    def test_is_like_any_other(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assertEqual(len(replica.tree.nodes), FILES + 1)
        (self.huge / "7").write_text("changed\n")
        (self.huge / "8").unlink()
        self.assertEqual(sorted(self.told(replica)), [("deleted", "huge/8"), ("updated", "huge/7")])
        self.huge.rename(self.root / "moved")
        self.assertEqual(self.told(replica), [("moved", "moved")])
        self.daemon.stop()
        (self.root / "moved" / "9").unlink()
        (self.root / "moved" / "new").touch()
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assertEqual(sorted(self.told(replica)), [("created", "moved/new"), ("deleted", "moved/9")])
        run("rm", "-r", self.root / "moved")
        self.assert_truth(replica)
        self.assertEqual(replica.tree.states(), {})


if __name__ == "__main__":
    unittest.main()
