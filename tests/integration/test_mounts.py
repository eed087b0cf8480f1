"""Drives that are mounts, come and go, and have others inside."""
import os
import re
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from harness import DaemonCase


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise unittest.SkipTest(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout.strip()


class MountCase(DaemonCase):
    """Mounts what it likes below its directory; at the end all of it is unmounted again."""

    def setUp(self):
        if os.getuid() != 0:
            raise unittest.SkipTest("mounting needs root")
        super().setUp()

    def forget(self, path):
        subprocess.run(["umount", "--lazy", path], capture_output=True)      # fails where the test did it

    def image(self, name, kind="ext4", *options):
        """A file system in a file."""
        if not shutil.which(f"mkfs.{kind}"):
            raise unittest.SkipTest(f"there is no mkfs.{kind}")
        path = self.work / name
        with open(path, "wb") as file:
            file.truncate((320 if kind == "xfs" else 64) << 20)
        run(f"mkfs.{kind}", "-q", *options, str(path))
        return path

    def mount(self, *arguments):
        run("mount", *map(str, arguments))
        self.addCleanup(self.forget, str(arguments[-1]))        # before the directory goes

    def unmount(self, path, *options):
        """Whoever is just looking at it makes it busy for a moment."""
        while True:
            result = subprocess.run(["umount", *options, str(path)], capture_output=True, text=True)
            if result.returncode == 0:
                return
            assert "busy" in result.stderr, result.stderr

    def await_status(self, match, drive="music"):
        """Ask until the status is as it should be; what it is then."""
        live = self.daemon.connect()
        while True:
            status = self.daemon.status(drive)
            if match(status):
                return status
            live.ping()

    def await_state(self, state, drive="music"):
        return self.await_status(lambda status: status["state"] == state, drive)


class AwayCase(MountCase):
    """A drive goes, and comes back."""

    patience = 3        # a mount is noticed at once

    def begin(self):
        (self.root / "album").mkdir()
        (self.root / "album" / "song").write_text("la")
        self.daemon.start()
        self.live = self.replica().from_snapshot().settle()
        self.before = self.live.tree.states()

    def assert_frozen(self):
        """Nothing is told of a drive that is not there."""
        now = self.replica(self.daemon.connect()).from_snapshot()
        self.assertEqual(now.tree.states(), self.before)

    def assert_recovers(self):
        """It is live again, all that happened is told, and nothing else."""
        began = time.monotonic()
        (self.root / "news").write_text("x")
        self.await_state("live")
        self.assertLess(time.monotonic() - began, self.patience)
        self.assert_truth(self.live)
        self.assertEqual([item["path"] for item in self.live.events("drive.file.created")], ["news"])
        self.assertEqual(self.live.events("drive.file.deleted", "drive.file.moved"), [])


class MountedAgain:
    """What holds of every root that is a mount of its own: mount_root() mounts it."""

    def test_unmounted_and_mounted_again(self):
        self.begin()
        self.unmount(self.root)
        status = self.await_state("offline")
        self.assertIn("path", status["why"])
        self.assert_frozen()
        self.mount_root()
        self.assert_recovers()

    def test_unmounted_lazily(self):
        self.begin()
        with open(self.root / "album" / "song"):
            self.unmount(self.root, "--lazy")
            self.await_state("offline")
            self.assert_frozen()
        self.mount_root()
        self.assert_recovers()

    def test_another_mount_over_it(self):
        self.begin()
        self.mount("-t", "tmpfs", "none", self.root)
        (self.root / "foreign").touch()
        self.await_status(lambda status: "another" in status.get("why", ""))
        self.assert_frozen()
        self.unmount(self.root)
        self.assert_recovers()

    def test_mounted_read_only_and_back(self):
        """Whoever only reads has nothing to do with that."""
        self.begin()
        self.remount("ro")
        self.live.settle()
        self.assertEqual(self.daemon.status("music")["state"], "live")
        self.remount("rw")
        (self.root / "news").write_text("x")
        self.assert_truth(self.live)
        self.assertEqual(len(self.live.log), 1)

    def remount(self, how):
        run("mount", "-o", f"remount,bind,{how}", str(self.root))


class OfflineBindTest(AwayCase, MountedAgain):
    def make_root(self):
        self.root = self.work / "drive"
        self.root.mkdir()
        (self.work / "shown").mkdir()
        self.mount_root()
        return self.root

    def mount_root(self):
        self.mount("--bind", self.work / "shown", self.root)


class OfflineTest(AwayCase, MountedAgain):
    """A file system of its own."""

    kind, options = "ext4", ()

    def make_root(self):
        self.root = self.work / "drive"
        self.root.mkdir()
        self.disk = self.image("disk", self.kind, *self.options)
        self.mount_root()
        return self.root

    def mount_root(self):
        self.mount("-o", "loop", self.disk, self.root)

    def remount(self, how):
        run("mount", "-o", f"remount,{how}", str(self.root))

    def test_another_file_system_with_the_same_inode_numbers_in_its_place(self):
        other = self.image("other", self.kind, *self.options)
        self.begin()
        self.unmount(self.root)
        self.await_state("offline")
        self.mount("-o", "loop", other, self.root)
        self.await_status(lambda status: "another file system" in status.get("why", ""))
        self.assert_frozen()
        self.unmount(self.root)
        self.mount_root()
        self.assert_recovers()

    def test_swapped_while_the_daemon_was_down(self):
        other = self.image("other", self.kind, *self.options)
        self.begin()
        self.daemon.stop()
        self.unmount(self.root)
        self.mount("-o", "loop", other, self.root)
        self.daemon.start()
        self.live.resume(self.daemon.connect())
        self.await_status(lambda status: "another file system" in status.get("why", ""))
        self.assert_frozen()
        self.unmount(self.root)
        self.mount_root()
        self.assert_recovers()


class OfflineWithoutBirthTimeTest(OfflineTest):
    """All roots of such file systems look alike, but for the file system's UUID."""

    options = ("-I", "128")


class OfflineXfsTest(OfflineTest):
    kind = "xfs"


class RenamedTest(AwayCase):
    """A drive that is a directory like others."""

    patience = 15       # no event tells that it is back: it is asked for every 5 s

    def make_root(self):
        root = self.work / "parent" / "drive"
        root.mkdir(parents=True)
        return root

    def test_renamed_away_and_back(self):
        self.begin()
        away = self.root.with_name("away")
        self.root.rename(away)
        self.assertIn("renamed", self.await_state("offline")["why"])
        self.assert_frozen()
        away.rename(self.root)
        self.assert_recovers()

    def test_renamed_and_another_made_in_its_place(self):
        self.begin()
        away = self.root.with_name("away")
        self.root.rename(away)
        self.root.mkdir()
        (self.root / "foreign").touch()
        self.await_status(lambda status: "another directory" in status.get("why", ""))
        self.assert_frozen()
        (self.root / "foreign").unlink()
        self.root.rmdir()
        away.rename(self.root)
        self.assert_recovers()

    def test_its_parent_renamed(self):
        self.begin()
        away = self.root.parent.with_name("away")
        self.root.parent.rename(away)
        self.await_state("offline")
        self.assert_frozen()
        away.rename(self.root.parent)
        self.assert_recovers()

    def test_deleted_and_made_anew(self):
        self.begin()
        shutil.rmtree(self.root)
        self.await_state("offline")
        self.root.mkdir()
        status = self.await_status(lambda status: "another directory" in status.get("why", ""))
        self.assertEqual(status["state"], "offline")

    def test_a_neighbour_on_the_same_file_system_goes_on(self):
        other = self.work / "other"
        other.mkdir()
        (other / "kept").touch()
        self.daemon.drives["other"] = other
        self.daemon.write_config()
        self.begin()
        neighbour = self.replica(drive="other").from_snapshot().settle()
        self.root.rename(self.root.with_name("away"))
        self.await_state("offline")
        (other / "more").touch()
        self.assert_truth(neighbour)
        self.assertEqual(self.daemon.status("other")["state"], "live")
        self.assertEqual([item["event"] for item in neighbour.log], ["drive.file.created"])


class NestedTest(MountCase):
    """Other file systems inside a drive."""

    def begin(self):
        for name in ("kept", "changed", "removed"):
            (self.root / "inner" / "deep").mkdir(parents=True, exist_ok=True)
            (self.root / "inner" / "deep" / name).write_text(name)
        self.mount("--bind", self.root, self.way())     # by which what is covered can still be reached
        self.daemon.start()
        self.live = self.replica().from_snapshot().settle()

    def way(self):
        way = self.work / "way"
        way.mkdir(exist_ok=True)
        return way

    def cover(self):
        self.mount("-t", "tmpfs", "none", self.root / "inner")
        (self.root / "inner" / "foreign").write_text("x")
        self.live.until(lambda item: item.get("mount") and item["path"] == "inner")
        self.live.settle()

    def test_a_mount_over_a_directory_freezes_what_was_in_it(self):
        self.begin()
        before = set(self.live.tree.states())
        self.cover()
        self.assertEqual(set(self.live.tree.states()), before)
        self.assertEqual([(item["event"], item["path"]) for item in self.live.log],
                         [("drive.file.updated", "inner")])
        warnings = self.await_status(lambda status: status["warnings"])["warnings"]
        self.assertIn("mounted at inner", warnings[0])

    def test_after_its_end_only_real_differences_are_told(self):
        self.begin()
        self.cover()
        deep = self.way() / "inner" / "deep"
        seen = len(self.live.log)
        (deep / "changed").write_text("another")        # a file may also be told by its handle
        (deep / "removed").unlink()
        (deep / "added").touch()
        self.live.settle()
        self.unmount(self.root / "inner")
        self.live.until(lambda item: item["event"] == "drive.file.created")
        self.live.until(lambda item: item["event"] == "drive.file.deleted")
        self.assert_truth(self.live)
        told = {(item["event"].rpartition(".")[2], item["path"]) for item in self.live.log[seen:]
                if item["event"].startswith("drive.")}
        self.assertEqual(told, {("updated", "inner"), ("updated", "inner/deep/changed"),
                                ("deleted", "inner/deep/removed"), ("created", "inner/deep/added")})
        self.await_status(lambda status: not status["warnings"])

    def test_a_mount_that_ends_while_the_daemon_is_down(self):
        self.begin()
        self.cover()
        self.daemon.stop()
        self.unmount(self.root / "inner")
        (self.root / "inner" / "deep" / "removed").unlink()
        seen = len(self.live.log)
        self.daemon.start()
        self.live.resume(self.daemon.connect())
        self.assert_truth(self.live)
        told = {(item["event"].rpartition(".")[2], item["path"]) for item in self.live.log[seen:]
                if item["event"].startswith("drive.")}
        self.assertEqual(told, {("updated", "inner"), ("deleted", "inner/deep/removed")})

    def test_a_mount_that_begins_while_the_daemon_is_down(self):
        self.begin()
        self.daemon.stop()
        self.mount("-t", "tmpfs", "none", self.root / "inner")
        before = set(self.live.tree.states())
        self.daemon.start()
        self.live.resume(self.daemon.connect())
        self.live.settle()
        self.assertEqual(set(self.live.tree.states()), before)
        self.assertEqual(self.live.events("drive.file.deleted", "drive.file.moved", "drive.file.created"), [])

    def test_a_run_deletes_nothing_that_a_mount_covers(self):
        self.begin()
        self.cover()
        before = set(self.live.tree.states())
        self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=self.daemon.token("read", "admin"))
        self.live.until(lambda item: item["event"] == "sync.completed" and item["trigger"] == "manual")
        self.assertEqual(set(self.live.tree.states()), before)


class NestedInotifyTest(NestedTest):
    settings = {"backend": "inotify"}


class StateDirectoryTest(DaemonCase):
    def test_its_own_commits_do_not_wake_the_watcher(self):
        """The watcher was told to ignore them: the kernel shows the marks (the unit test shows that they work)."""
        if os.getuid() != 0:
            raise unittest.SkipTest("fanotify needs root")
        self.daemon.start()
        self.replica().from_snapshot()
        ignored = set()
        for info in Path(f"/proc/{self.daemon.processes('wakeline-watch')[-1]}/fdinfo").iterdir():
            for inode, mask in re.findall(r"fanotify ino:([0-9a-f]+).*ignored_mask:([0-9a-f]+)", info.read_text()):
                if int(mask, 16):
                    ignored.add(int(inode, 16))
        self.assertEqual(ignored, {self.daemon.state.stat().st_ino, (self.daemon.state / "store").stat().st_ino})


if __name__ == "__main__":
    unittest.main()
