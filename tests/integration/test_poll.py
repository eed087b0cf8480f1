"""Drives that are polled: no events come, and all the same nothing is missed for longer than poll_interval."""
import os
import shutil
import subprocess
import unittest

from harness import DaemonCase
from workload import Churn, make_tree


class PollScenarios:
    settings = {"watch": "poll", "poll_interval": "200ms"}
    churn_steps = 1500

    def begin(self):
        self.daemon.start()
        return self.replica().from_snapshot()

    def events(self, replica):
        return [(item["event"].rpartition(".")[2], item["path"]) for item in replica.log
                if item["event"].startswith("drive.file.")]

    def test_status_says_so(self):
        self.begin().settle()
        status = self.daemon.status(self.drive)
        self.assertEqual((status["backend"], status["state"], status["weak_barrier"]), ("poll", "live", True))

    def test_a_change_is_found_without_being_asked_for(self):
        replica = self.begin()
        (self.root / "song").write_text("one\n")
        replica.until(lambda item: item.get("path") == "song")
        (self.root / "song").unlink()
        replica.until(lambda item: item["event"] == "drive.file.deleted" and item["path"] == "song")

    def test_truth_after_all_kinds_of_changes(self):
        make_tree(self.root, 10, 10)
        replica = self.begin()
        shutil.copytree("/usr/include/linux", self.root / "linux")
        self.assert_truth(replica)
        os.rename(self.root / "linux" / "netfilter", self.root / "moved")
        (self.root / "linux" / "types.h").write_text("changed\n")
        (self.root / "linux" / "fs.h").chmod(0o600)
        os.symlink("moved", self.root / "link")
        self.assert_truth(replica)
        shutil.rmtree(self.root / "linux")
        self.assert_truth(replica)

    def test_truth_after_a_churn(self):
        replica = self.begin()
        Churn(self.root, seed=7).run(self.churn_steps)
        self.assert_truth(replica)

    def test_passes_are_no_runs(self):
        replica = self.begin()
        for name in ("one", "two", "three"):
            (self.root / name).touch()
            replica.until(lambda item, name=name: item.get("path") == name)
        runs = self.daemon.http("GET", f"/api/sync/history?drive={self.drive}").body["runs"]
        self.assertEqual([run["trigger"] for run in runs], ["first_index"])
        self.assertEqual([item for item in replica.log if item["event"].startswith("sync.")], [])

    def test_a_run_is_served_between_passes(self):
        replica = self.begin()
        answer = self.daemon.http("POST", "/api/sync/trigger", {"drive": self.drive},
                                  token=self.daemon.token("read", "admin"))
        run = answer.body["run"]
        replica.until(lambda item: item["event"] == "sync.completed" and item["run"] == run)
        self.assert_truth(replica)


class RootScenarios(PollScenarios):
    def test_a_root_that_goes_and_comes_back(self):
        (self.root / "song").write_text("one\n")
        replica = self.begin()
        replica.settle()
        away = self.root.with_name("away")
        os.rename(self.root, away)
        while self.daemon.status(self.drive)["state"] != "offline":
            pass
        self.assertEqual(self.events(replica), [])
        os.rename(away, self.root)
        while self.daemon.status(self.drive)["state"] != "live":
            pass
        (self.root / "other").touch()
        self.assert_truth(replica)
        self.assertEqual(self.events(replica), [("created", "other")])


class OnDiskTest(RootScenarios, DaemonCase):
    def test_a_move_keeps_its_node(self):
        make_tree(self.root, 2, 3)
        replica = self.begin()
        node = replica.tree.find(b"album 1").number
        os.rename(self.root / "album 1", self.root / "renamed")
        self.assert_truth(replica)
        self.assertEqual(self.events(replica), [("moved", "renamed")])
        self.assertEqual(replica.tree.find(b"renamed").number, node)

    def test_a_barrier_does_not_wait_for_the_interval(self):
        self.daemon.settings[self.drive] = {"watch": "poll", "poll_interval": "24h"}
        self.daemon.write_config()
        replica = self.begin()
        (self.root / "song").touch()
        self.assert_truth(replica)
        self.assertEqual(self.events(replica), [("created", "song")])


class OnTmpfsTest(RootScenarios, DaemonCase):
    def make_root(self):
        return self.make_root_on("/dev/shm") / "drive"

    def setUp(self):
        super().setUp()
        self.root.mkdir()


class OnBindfsTest(PollScenarios, DaemonCase):
    """What is done below, behind the mount, raises no event that anybody could see."""

    churn_steps = 300

    def make_root(self):
        self.below = self.work / "below"
        root = self.work / "drive"
        self.below.mkdir()
        root.mkdir()
        if shutil.which("bindfs") is None or subprocess.run(["bindfs", self.below, root], check=False,
                                                            stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("bindfs cannot mount here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", root], check=False)
        return root

    def test_changes_below_the_mount_are_found(self):
        replica = self.begin()
        make_tree(self.below, 3, 3)
        replica.until(lambda item: item.get("path") == "album 2")
        self.assert_truth(replica)


if __name__ == "__main__":
    unittest.main()
