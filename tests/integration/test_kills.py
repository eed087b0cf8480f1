"""The daemon and the watcher are killed at random moments, while processes work on the drive.  The journal goes on without
a gap, the tree ends as the file system's, and once nothing happens any more a restart has nothing to say."""
import os
import random
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from harness import LONG, DaemonCase, descendants, test_program
from replica import FILE_EVENTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "generator"))

from draw import churn  # noqa: E402

KILLS = 100 if LONG else 8
KILLS_AT_WORK = 8           # then the work ends, and tree and file system are compared
BETWEEN_S = 0.15            # at most, so that every state of every process is met


class Work:
    """Processes that change the drive without a pause until the block ends."""

    def __init__(self, root, outside, seed):
        self._arguments = [test_program("generator_perform"), root, outside]
        self._seed = seed
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0

    def _run(self):
        while not self._end.is_set():
            self._seed += 1
            result = subprocess.run(self._arguments, input=str(churn(self._seed)), check=True, stdout=subprocess.PIPE,
                                    text=True)
            self.done += int(result.stdout.split()[0])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


class KillsTest(DaemonCase):
    def test_at_random_moments(self):
        outside = self.work / "outside"
        outside.mkdir()
        moments = random.Random(1)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        killed = 0
        while killed < KILLS:
            with Work(self.root, outside, 1000 * killed) as work:
                for _ in range(min(KILLS_AT_WORK, KILLS - killed)):
                    time.sleep(moments.uniform(0, BETWEEN_S))
                    self.kill(moments, replica)
                    killed += 1
            self.assertGreater(work.done, 0)
            self.assert_truth(replica)
            self.assert_restart_says_nothing(replica)

    def kill(self, moments, replica):
        below = descendants(self.daemon.pid)
        if moments.random() < 0.5 and len(below) > 1:
            os.kill(moments.choice(below[1:]), signal.SIGKILL)      # a watcher or a file helper
            return
        self.daemon.kill()
        self.drain(replica)
        self.daemon.check()
        self.daemon.start()
        replica.resume(self.daemon.connect())

    @staticmethod
    def drain(replica):
        """Take what was sent before the end: that much, at least, must be in the store."""
        replica.connection.wait_closed()
        while any(frame.get("sub") == replica.sub for frame in replica.connection.kept()):
            replica.step()

    def assert_restart_says_nothing(self, replica):
        self.daemon.stop()
        self.drain(replica)
        self.daemon.check()
        told = len(replica.events(*FILE_EVENTS))
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        invented = [item for item in replica.events(*FILE_EVENTS)[told:] if not replica.is_last_word(item)]
        self.assertEqual(invented, [], "a restart invented changes")


if __name__ == "__main__":
    unittest.main()
