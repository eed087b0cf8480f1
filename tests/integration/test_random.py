"""Random operations by several processes at once, on a drive that three daemons watch: live by fanotify, live by inotify,
and not at all until everything is done.  All end in the same tree, the file system's; a restart then has nothing to say.

A seed that fails is shrunk; tests/generator/run plays single seeds and the shortest scripts.
"""
import sys
import unittest
from pathlib import Path

from harness import LONG, test_program
from test_tree import may_use_fanotify

GENERATOR = Path(__file__).resolve().parents[1] / "generator"
sys.path.insert(0, str(GENERATOR))

from campaign import Campaign  # noqa: E402
from draw import draw  # noqa: E402
from script import Script  # noqa: E402

CHUNK = 100
SHRINK_S = 100      # the runner ends a test after 300


class RandomCase(unittest.TestCase):
    where = None

    def setUp(self):
        test_program("generator_perform")
        if not may_use_fanotify():
            self.skipTest("fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH")

    def play(self, scripts):
        campaign = Campaign(where=self.where, shrink_seconds=SHRINK_S)
        failures = campaign.run(scripts)
        if failures:
            self.fail(failures[0])
        self.assertGreater(campaign.done, campaign.scripts, campaign.summary())     # something happened at all


class RandomTest(RandomCase):
    def test_scripts_that_failed_once(self):
        for path in sorted((GENERATOR / "scripts").glob("*.txt")):
            with self.subTest(path.name):
                script = Script.parse(path.read_text())
                script.title = path.name
                self.play([script] * 20)


class RandomOnTmpfsTest(RandomCase):
    where = "/dev/shm"


def add_seeds(case, first, last):
    def test(self):
        self.play([draw(seed) for seed in range(first, last)])
    setattr(case, f"test_seeds_{first}_to_{last - 1}", test)


for start in range(0, 1500 if LONG else 100, CHUNK):
    add_seeds(RandomTest, start, start + CHUNK)
for start in range(1500, 2000, CHUNK) if LONG else [1500]:
    add_seeds(RandomOnTmpfsTest, start, start + CHUNK)


if __name__ == "__main__":
    unittest.main()
