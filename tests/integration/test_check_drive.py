"""wakelined --check-drive: index and file system compared with the daemon stopped."""
import os
import shutil
import subprocess
import unittest

from connection import PATIENCE
from harness import DaemonCase, program
from workload import make_tree


class CheckDriveTest(DaemonCase):
    settings = {"scrub": "off"}

    def setUp(self):
        super().setUp()
        make_tree(self.root)
        self.daemon.start()
        self.replica().from_snapshot()

    def check_drive(self, status, name=None):
        """Its lines, the summary last."""
        result = subprocess.run([program("wakelined"), "--config", str(self.daemon.config), "--check-drive",
                                 name or self.drive], capture_output=True, text=True, timeout=PATIENCE,
                                stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr == "", status != 2, result.stderr)
        return (result.stderr if status == 2 else result.stdout).splitlines()

    def test_nothing_changed(self):
        self.daemon.stop()
        self.assertEqual(self.check_drive(0), ["music: 88 entries compared, 0 differences"])

    def test_each_difference_is_a_line(self):
        disc = self.root / "album 1" / "disc"
        os.utime(disc / "track 1", ns=(0, 5))
        self.daemon.stop()
        self.daemon.start()
        self.replica().from_snapshot()
        self.daemon.stop()
        (disc / "track 0").write_text("1/0\n1/0 and more\n")
        os.utime(disc / "track 0", ns=(0, 1_000_000_007))
        os.utime(disc / "track 1", ns=(0, 6))
        (disc / "track 2").chmod(0o600)
        (disc / "first").unlink()
        (disc / "first").symlink_to("track 3")
        shutil.rmtree(self.root / "album 2")
        make_tree(self.root / "new\nname", 1, 1)
        (self.root / "album 3").rename(self.root / "album 4" / "inside")
        (self.root / "album 4" / "inside" / "disc" / "track 5").unlink()
        shutil.rmtree(self.root / "album 5" / "disc")
        (self.root / "album 5" / "disc").touch()
        lines = self.check_drive(1)
        found = {line for line in lines if not line.startswith("differs")}
        gone = ["first"] + [f"track {i}" for i in range(8)]
        self.assertEqual(found, {
            "missing on drive: album 2", "missing on drive: album 2/disc",
            *(f"missing on drive: album 2/disc/{name}" for name in gone),
            "missing in index: new\\x0aname", "missing in index: new\\x0aname/album 0",
            "missing in index: new\\x0aname/album 0/disc", "missing in index: new\\x0aname/album 0/disc/first",
            "missing in index: new\\x0aname/album 0/disc/track 0",
            "moved: album 3 -> album 4/inside", "missing on drive: album 3/disc/track 5",
            "missing on drive: album 5/disc", "missing in index: album 5/disc",
            *(f"missing on drive: album 5/disc/{name}" for name in gone), lines[-1]})
        differs = {line.split(": ")[1]: line.split(": ")[2] for line in lines if line.startswith("differs")}
        self.assertEqual(set(differs), {f"album 1/disc/{name}" for name in ("track 0", "track 1", "track 2", "first")})
        self.assertRegex(differs["album 1/disc/track 0"], r"^size 4 -> 17, mtime \d+\.\d{9} -> 1\.000000007$")
        self.assertEqual(differs["album 1/disc/track 1"], "mtime 0.000000005 -> 0.000000006")
        self.assertEqual(differs["album 1/disc/track 2"], "mode 0644 -> 0600")
        self.assertRegex(differs["album 1/disc/first"], "target")
        self.assertRegex(lines[-1], rf"^music: \d+ entries compared, {len(lines) - 1} differences$")

    def test_what_rules_hide_is_compared_too(self):
        (self.root / ".song.swp").touch()       # vim's
        self.replica().from_now().settle()
        self.daemon.stop()
        (self.root / ".song.swp").chmod(0o600)
        (self.root / ".other.swp").touch()
        self.assertEqual(self.check_drive(1), [
            "missing in index: .other.swp", "differs: .song.swp: mode 0644 -> 0600",
            "music: 90 entries compared, 2 differences"])

    def test_leaves_the_store_as_it_was(self):
        self.daemon.stop()
        (self.root / "new").touch()
        shutil.rmtree(self.root / "album 2")
        first = self.check_drive(1)
        self.assertEqual(self.check_drive(1), first)
        self.daemon.check()
        self.daemon.start()
        replica = self.replica().from_snapshot().settle()
        run = self.daemon.http("GET", f"/api/sync/history?drive={self.drive}").body["runs"][0]
        self.assertEqual((run["trigger"], run["changes"]), ("start", 2))
        self.assert_truth(replica)
        self.daemon.stop()
        self.assertEqual(self.check_drive(0), ["music: 78 entries compared, 0 differences"])

    def test_after_a_kill(self):
        (self.root / "new").touch()
        self.replica().from_now().settle()
        self.daemon.kill()
        result = subprocess.run([program("wakelined"), "--config", str(self.daemon.config), "--check-drive", self.drive],
                                capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual((result.returncode, result.stdout), (0, "music: 89 entries compared, 0 differences\n"))

    def test_what_cannot_be_checked_is_said(self):
        self.assertIn("another wakelined", self.check_drive(2)[-1])
        self.daemon.stop()
        self.assertIn("no drive `films`", self.check_drive(2, "films")[-1])
        self.root.rename(self.root.with_name("old"))
        self.root.mkdir()
        self.assertIn("another directory", self.check_drive(2)[-1])
        self.root.rmdir()
        self.assertIn("cannot open", self.check_drive(2)[-1])

    def test_a_drive_that_was_never_indexed(self):
        fresh = self.new_daemon({"music": self.root})
        result = subprocess.run([program("wakelined"), "--config", str(fresh.config), "--check-drive", "music"],
                                capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("there is no store yet", result.stderr)
        self.assertFalse(fresh.state.exists())


class InotifyTest(CheckDriveTest):
    settings = {"scrub": "off", "backend": "inotify"}


if __name__ == "__main__":
    unittest.main()
