"""More directories than inotify may watch: the drive says so and how to mend it, misses nothing, and recovers.

The daemon runs in a user namespace of its own, which has a limit of its own: nobody else is touched."""
import os
import shutil
import subprocess
import unittest

from harness import DaemonCase
from workload import Churn, make_tree

SYSCTL = "/proc/sys/user/max_inotify_watches"


class LimitTest(DaemonCase):
    settings = {"read_only": "yes", "watch": "inotify", "poll_interval": "200ms"}

    def begin(self, limit):
        namespace = ["unshare", "--user", "--map-root-user"]
        if subprocess.run([*namespace, "sh", "-c", f"echo {limit} > {SYSCTL}"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("no user namespace with a limit of its own can be made here")
        self.daemon.prefix = [*namespace, "sh", "-c", f'echo {limit} > {SYSCTL}; exec "$0" "$@"']
        self.daemon.start()
        return self.replica().from_snapshot()

    def raise_limit(self, limit):
        subprocess.run(["nsenter", "--user", "--preserve-credentials", "--target", str(self.daemon.pid), "sh", "-c",
                        f"echo {limit} > {SYSCTL}"], check=True)

    def until_status(self, match):
        while True:
            status = self.daemon.status(self.drive)
            if match(status):
                return status

    def until_state(self, state):
        return self.until_status(lambda status: status["state"] == state)

    def write_everywhere(self, name):
        folders = [folder for folder, _, _ in os.walk(self.root)]
        for folder in folders:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(name)
        return [os.path.relpath(os.path.join(folder, name), self.root) for folder in folders]

    def await_paths(self, replica, paths):
        missing = set(paths)
        replica.until(lambda item: missing.discard(item.get("path")) or not missing)

    def test_status_names_the_sysctl_and_a_value(self):
        make_tree(self.root, 40, 1)
        self.begin(20)
        status = self.until_status(lambda status: status.get("why", "").startswith("61 of 81 "))
        self.assertEqual(status["state"], "degraded")
        self.assertEqual((status["backend"], status["weak_barrier"]), ("inotify", True))
        self.assertEqual(status["why"],
                         "61 of 81 directories are compared now and then instead of watched, because the limit of "
                         "inotify watches (20) is reached; raise it: sysctl user.max_inotify_watches=8192")

    def test_nothing_is_lost_where_nothing_is_watched(self):
        make_tree(self.root, 40, 1)
        replica = self.begin(20)
        self.until_state("degraded")
        self.await_paths(replica, self.write_everywhere("new"))
        shutil.rmtree(self.root / "album 7")
        os.rename(self.root / "album 8", self.root / "album 9" / "inside")
        self.assert_truth(replica)
        Churn(self.root, seed=5).run(500)
        self.assert_truth(replica)

    def test_without_a_single_watch(self):
        make_tree(self.root, 3, 1)
        replica = self.begin(0)
        self.until_state("degraded")
        self.await_paths(replica, self.write_everywhere("new"))
        self.assert_truth(replica)

    def test_a_barrier_looks_where_nothing_is_watched(self):
        self.daemon.settings[self.drive] = {"read_only": "yes", "watch": "inotify", "poll_interval": "24h"}
        self.daemon.write_config()
        make_tree(self.root, 40, 1)
        replica = self.begin(20)
        self.until_state("degraded")
        self.write_everywhere("new")
        self.assert_truth(replica)

    def test_it_recovers_when_the_limit_is_raised(self):
        make_tree(self.root, 40, 1)
        replica = self.begin(20)
        self.until_state("degraded")
        self.raise_limit(1000)
        status = self.until_state("live")
        self.assertNotIn("why", status)
        self.assertNotIn("weak_barrier", status)
        self.assert_truth(replica)

    def test_once_recovered_it_is_watched(self):
        self.daemon.settings[self.drive] = {"read_only": "yes", "watch": "inotify", "poll_interval": "24h"}
        self.daemon.write_config()
        make_tree(self.root, 40, 1)
        replica = self.begin(20)
        self.until_state("degraded")
        self.raise_limit(1000)
        replica.settle()        # a barrier makes a pass, and that places the watches
        self.until_state("live")
        self.await_paths(replica, self.write_everywhere("seen by events alone"))

    def test_directories_beyond_the_limit_come_and_go(self):
        make_tree(self.root, 10, 1)
        replica = self.begin(30)
        replica.settle()
        self.assertEqual(self.daemon.status(self.drive)["state"], "live")
        make_tree(self.root / "more", 40, 2)
        self.until_state("degraded")
        self.await_paths(replica, self.write_everywhere("new"))
        self.assert_truth(replica)
        shutil.rmtree(self.root / "more")
        self.until_state("live")
        self.assert_truth(replica)


class InstancesTest(DaemonCase):
    """No inotify instance can be had at all, nor fanotify."""
    sysctl = "/proc/sys/user/max_inotify_instances"
    settings = {"read_only": "yes", "poll_interval": "200ms"}

    def begin(self, limit):
        namespace = ["unshare", "--user", "--map-root-user"]
        if subprocess.run([*namespace, "sh", "-c", f"echo {limit} > {self.sysctl}"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("no user namespace with a limit of its own can be made here")
        self.daemon.prefix = [*namespace, "sh", "-c", f'echo {limit} > {self.sysctl}; exec "$0" "$@"']
        make_tree(self.root, 5, 2)
        self.daemon.start()

    def test_the_drive_is_polled_and_says_why(self):
        self.begin(0)
        replica = self.replica().from_snapshot()
        status = self.daemon.status(self.drive)
        self.assertEqual((status["backend"], status["state"], status["weak_barrier"]), ("poll", "live", True))
        self.assertRegex(status["why"], "not by fanotify: the capabilities .* needed; and not by inotify: its limit of "
                         r"instances \(0\) is reached; raise it: sysctl user.max_inotify_instances=256, and start again")
        Churn(self.root, seed=9).run(200)
        self.assert_truth(replica)

    def test_with_the_limit_raised_it_is_watched(self):
        self.begin(20)
        self.replica().from_snapshot()
        self.assertEqual(self.daemon.status(self.drive)["backend"], "inotify")

    def test_inotify_that_is_configured_is_not_replaced(self):
        self.daemon.settings[self.drive] = {"watch": "inotify"}
        self.daemon.write_config()
        self.begin(0)
        while True:
            status = self.daemon.status(self.drive)
            if "inotify" in status.get("why", ""):
                break
        self.assertEqual(status["state"], "offline")
        self.assertIn("with inotify: its limit of instances (0) is reached; raise it: sysctl", status["why"])


if __name__ == "__main__":
    unittest.main()
