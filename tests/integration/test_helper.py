"""The file helper: the epoch that the drive holds, the probe, and what becomes of all that when it dies."""
import os
import shutil
import signal
import subprocess
import time
import unittest

from connection import PATIENCE
from harness import DaemonCase, wait_for_end
from replica import parse_cursor


class HelperCase(DaemonCase):
    """Waits for what the helper does by watching the drive or the log."""

    def epoch_file(self):
        return self.root / ".wakeline" / "epoch"

    def wait(self, condition, what):
        """Let the daemon do something between two looks: it answers a status."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"never seen: {what}\n{self.daemon.log_tail()}")
            self.daemon.status(self.drive)

    def held_epoch(self):
        """The epoch of the stream, once the drive holds it."""
        self.wait(lambda: self.epoch_file().exists() and
                  self.epoch_file().read_text() == f"{self.daemon.status(self.drive)['epoch']}\n", "the epoch on the drive")
        return int(self.epoch_file().read_text())

    def wait_for_log(self, text, count=1):
        self.wait(lambda: self.daemon.log.read_text().count(text) >= count, text)


class EpochTest(HelperCase):
    def test_the_drive_holds_the_epoch_and_nobody_sees_that(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.held_epoch()
        status = self.epoch_file().parent.stat()
        self.assertEqual(status.st_mode & 0o7777, 0o700)
        (self.root / "seen").touch()
        self.assert_truth(replica)
        self.assertEqual([item["path"] for item in replica.log if "path" in item], ["seen"])

    def test_a_lost_store_begins_above_what_the_drive_holds(self):
        (self.root / "f").touch()
        self.daemon.start()
        before = self.held_epoch() + (1 << 40)
        self.daemon.stop()
        shutil.rmtree(self.daemon.state)
        self.daemon.tokens.clear()
        self.epoch_file().write_text(f"{before}\n")
        self.daemon.start()
        self.wait_for_log("served with a later epoch before")
        self.assertGreater(self.held_epoch(), before)
        replica = self.replica().from_snapshot()
        self.assertGreater(parse_cursor(replica.cursor)[0], before)
        self.assert_truth(replica)

    def test_clients_of_the_epoch_before_are_reset(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        held = self.held_epoch()
        self.daemon.stop()
        self.epoch_file().write_text(f"{held + (1 << 40)}\n")
        self.daemon.start()
        self.wait_for_log("served with a later epoch before")
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "x", "stream": replica.stream, "from": replica.cursor})
        self.assertEqual(connection.expect("reset")["reason"], "epoch")

    def test_nonsense_is_replaced(self):
        self.daemon.start()
        before = self.held_epoch()
        self.daemon.stop()
        self.epoch_file().write_text("nonsense\n")
        self.daemon.start()
        self.wait_for_log("holds no epoch; it is written anew")
        self.assertEqual(self.held_epoch(), before)


class ReadOnlyTest(HelperCase):
    settings = {"read_only": "yes"}

    def test_nothing_is_written(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.wait(lambda: self.daemon.processes("wakeline-files"), "the helper")
        (self.root / "f").touch()
        self.assert_truth(replica)
        self.assertEqual(os.listdir(self.root), ["f"])


class ReadOnlyFileSystemTest(HelperCase):
    def make_root(self):
        root = super().make_root()
        subprocess.run(["mount", "-t", "tmpfs", "wakeline-test", root], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", root], check=True)
        (root / "f").touch()
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        return root

    def test_it_is_watched_all_the_same(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.wait(lambda: self.daemon.processes("wakeline-files"), "the helper")
        self.assert_truth(replica)
        self.assertEqual(self.daemon.status(self.drive)["state"], "live")
        self.assertEqual(os.listdir(self.root), ["f"])
        self.daemon.stop()
        self.assertNotIn(".wakeline", self.daemon.log.read_text())


class ForeignRootTest(HelperCase):
    """The root belongs to somebody else, and the daemon may write there all the same."""

    def make_root(self):
        root = super().make_root()
        os.chown(root, 1000, 1000)
        root.chmod(0o755)
        return root

    def test_the_epoch_is_held(self):
        self.daemon.start()
        self.held_epoch()


class ProbeTest(HelperCase):
    settings = {"self_probe": "50ms"}

    def probes(self):
        path = self.root / ".wakeline" / "probe"
        return path.stat().st_mtime_ns if path.exists() else 0

    def assert_probed(self, times=3):
        for _ in range(times):
            before = self.probes()
            self.wait(lambda before=before: self.probes() > before, "the next probe")
        self.assertNotIn("does not hear", self.daemon.log.read_text())

    def test_a_watcher_that_hears_goes_on(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        watcher = self.daemon.processes("wakeline-watch")
        self.assert_probed()
        self.assertEqual(self.daemon.processes("wakeline-watch"), watcher)
        self.assert_truth(replica)
        self.assertEqual(replica.log, [])

    def test_what_was_removed_comes_back(self):
        self.daemon.start()
        self.replica().from_snapshot()
        self.assert_probed(1)
        shutil.rmtree(self.root / ".wakeline")
        self.assert_probed()

    def test_a_dead_helper_is_replaced_and_nothing_is_lost(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assert_probed(1)
        helper = self.daemon.processes("wakeline-files")[0]
        os.kill(helper, signal.SIGKILL)
        wait_for_end(helper)
        (self.root / "meanwhile").touch()
        self.assert_truth(replica)
        self.assert_probed()
        self.assertNotEqual(self.daemon.processes("wakeline-files"), [helper])
        self.assertEqual(len(replica.log), 1)


class InotifyProbeTest(ProbeTest):
    settings = {"self_probe": "50ms", "watch": "inotify"}


class UnmountTest(HelperCase):
    settings = {"self_probe": "50ms"}

    def make_root(self):
        root = super().make_root()
        subprocess.run(["mount", "-t", "tmpfs", "wakeline-test", root], check=True)
        self.addCleanup(subprocess.run, ["umount", "-q", root])
        return root

    def test_the_helper_keeps_no_drive_busy(self):
        self.daemon.start()
        self.replica().from_snapshot()
        self.held_epoch()
        for _ in range(1000):   # it may be in the middle of a probe
            if subprocess.run(["umount", self.root], capture_output=True).returncode == 0:
                break
        self.assertFalse(os.path.ismount(self.root))
        self.wait(lambda: self.daemon.status(self.drive)["state"] == "offline", "offline")


if __name__ == "__main__":
    unittest.main()
