"""Another directory takes the place of a drive's root, and is adopted."""
import json
import os
import shutil
import subprocess
import unittest

from connection import PATIENCE
from harness import DaemonCase, program
from workload import make_tree, run


class AdoptCase(DaemonCase):
    settings = {"scrub": "off"}
    directories, files = 8, 8

    def setUp(self):
        super().setUp()
        self.known = self.directories * (2 + self.files + 1)
        make_tree(self.root, self.directories, self.files)
        self.daemon.start()
        self.replica_ = self.replica().from_snapshot()
        self.before = self.replica_.tree.states()
        self.copy = self.root.with_name("copy")
        run("cp", "-a", self.root, self.copy)

    def swap(self):
        """The copy takes the root's place; the old root is kept beside it."""
        self.root.rename(self.root.with_name("old"))
        self.copy.rename(self.root)
        self.wait_for("offline", "another directory")

    def wait_for(self, state, why=""):
        """Waiting is what asking does: the daemon looks at a root that is offline every five seconds."""
        while True:
            status = self.daemon.status(self.drive)
            if status["state"] == state and why in status.get("why", ""):
                return status

    def adopt(self, *options, check=True):
        return self.daemon.command("drive", "adopt", self.drive, "--state", str(self.daemon.state), *options,
                                   check=check)

    def count(self):
        result = self.adopt("--json", check=False)
        self.assertEqual(result.returncode, 1)
        counts = json.loads(result.stdout)
        return [counts[key] for key in ("entries", "found", "kept", "changed", "new", "missing")]

    def adopt_and_wait(self):
        number = json.loads(self.adopt("--yes", "--json").stdout)["run"]
        return self.replica_.until(lambda item: item["event"] == "sync.completed" and item["run"] == number)

    def file_events(self):
        return [(item["event"].rpartition(".")[2], item["path"]) for item in self.replica_.log
                if item["event"].startswith("drive.file.")]


class CopyTest(AdoptCase):
    def test_announces_nothing(self):
        nodes = {node.path(): number for number, node in self.replica_.tree.nodes.items()}
        self.swap()
        self.assertEqual(self.count(), [self.known, self.known, self.known, 0, 0, 0])
        self.assertEqual(self.daemon.status(self.drive)["state"], "offline")
        done = self.adopt_and_wait()
        self.assertEqual((done["trigger"], done["changes"]), ("adopt", 0))
        self.assertEqual(self.file_events(), [])
        self.wait_for("live")
        again = self.replica().from_snapshot()
        self.assertEqual({node.path(): number for number, node in again.tree.nodes.items()}, nodes)

    def test_is_watched_afterwards(self):
        self.swap()
        self.adopt_and_wait()
        (self.root / "album 1" / "new").touch()
        (self.root / "album 2" / "disc").rename(self.root / "album 1" / "disc 2")
        self.replica_.settle()
        self.assertEqual(sorted(self.file_events()), [("created", "album 1/new"), ("moved", "album 1/disc 2")])

    def test_stays_adopted_after_a_restart(self):
        self.swap()
        self.adopt_and_wait()
        self.daemon.stop()
        self.daemon.start()
        self.replica_.resume(self.daemon.connect())
        done = self.replica_.until(lambda item: item["event"] == "sync.completed" and item["trigger"] == "start")
        self.assertEqual((done["changes"], done["entries"]), (0, self.known))
        self.assertEqual(self.file_events(), [])

    def test_with_differences_announces_those(self):
        """A write, a chmod, a new file, a new tree, a file and a tree that are not there, another kind."""
        copy = self.copy
        (copy / "album 1" / "disc" / "track 1").write_text("other\n")
        (copy / "album 1" / "disc" / "track 2").chmod(0o600)
        (copy / "album 2" / "new").touch()
        make_tree(copy / "album 3" / "more", 1, 1)
        (copy / "album 4" / "disc" / "track 3").unlink()
        shutil.rmtree(copy / "album 5")
        shutil.rmtree(copy / "album 6")
        (copy / "album 6").write_text("a file")
        self.swap()
        self.assertEqual(self.count(), [self.known, self.known - 1 - 11 - 10 + 1 + 5, self.known - 1 - 1 - 11 - 11,
                                        2, 6, 1 + 11 + 10])
        self.adopt_and_wait()
        self.assert_truth(self.replica_)
        self.assertEqual(sorted(self.file_events()), sorted([
            ("updated", "album 1/disc/track 1"), ("updated", "album 1/disc/track 2"),
            ("created", "album 2/new"), ("created", "album 3/more"), ("created", "album 3/more/album 0"),
            ("created", "album 3/more/album 0/disc"), ("created", "album 3/more/album 0/disc/track 0"),
            ("created", "album 3/more/album 0/disc/first"), ("deleted", "album 4/disc/track 3"),
            ("deleted", "album 5"), ("deleted", "album 6"), ("created", "album 6")]))

    def test_an_identity_of_the_old_root_is_no_move_on_the_new_one(self):
        """As if the new file system gave another file what the old one gave a file that is missing now."""
        self.swap()
        os.link(self.root.with_name("old") / "album 1" / "disc" / "track 1", self.root / "other")
        os.link(self.root.with_name("old") / "album 2" / "disc" / "track 1", self.root / "another")
        (self.root / "album 1" / "disc" / "track 1").unlink()
        shutil.rmtree(self.root / "album 2")
        self.adopt_and_wait()
        self.assert_truth(self.replica_)
        self.assertEqual(sorted(self.file_events()), [("created", "another"), ("created", "other"),
                                                      ("deleted", "album 1/disc/track 1"), ("deleted", "album 2")])

    def test_on_another_file_system(self):
        """tmpfs gives inode numbers of its own, the first of them again and again."""
        self.copy = self.make_root_on("/dev/shm") / "copy"
        run("cp", "-a", self.root, self.copy)
        self.daemon.stop()
        shutil.move(self.root, self.root.with_name("old"))
        other = self.daemon.drives[self.drive] = self.copy
        self.daemon.write_config()
        self.daemon.start()
        self.replica_.resume(self.daemon.connect())
        self.wait_for("offline", "another directory")
        self.assertEqual(self.count(), [self.known, self.known, self.known, 0, 0, 0])
        self.adopt_and_wait()
        (other / "new").touch()
        self.assert_truth(self.replica_)
        self.assertEqual(self.file_events(), [("created", "new")])


class InotifyCopyTest(CopyTest):
    settings = {"scrub": "off", "backend": "inotify"}


class RefusedTest(AdoptCase):
    def test_without_yes_nothing_is_changed(self):
        self.swap()
        result = self.adopt(check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{self.known} entries are known", result.stdout)
        self.assertIn("--yes", result.stderr)
        self.root.rename(self.copy)
        self.root.with_name("old").rename(self.root)
        self.wait_for("live")
        self.replica_.settle()
        self.assertEqual(self.file_events(), [])
        self.assertEqual(self.replica_.tree.states(), self.before)

    def test_a_root_that_was_not_replaced(self):
        result = self.adopt("--yes", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("nothing to adopt", result.stderr)

    def test_a_root_that_is_not_there(self):
        self.root.rename(self.root.with_name("old"))
        self.wait_for("offline")
        result = self.adopt("--yes", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no directory at the drive's path", result.stderr)

    def test_what_confirms_counts_of_one_root_adopts_no_other(self):
        self.swap()
        confirm = json.loads(self.adopt("--json", check=False).stdout)["confirm"]
        shutil.rmtree(self.root)
        self.root.mkdir()               # empty: adopting it would delete everything
        (self.root / "another").touch()
        token = self.daemon.token("read", "admin")
        answer = self.daemon.http("POST", f"/api/drives/{self.drive}/adopt", {"confirm": confirm}, token=token)
        self.assertEqual((answer.status, answer.body["error"]["code"]), (409, "mismatch"), answer.text)
        answer = self.daemon.http("POST", f"/api/drives/{self.drive}/adopt", {"confirm": "0" * 16}, token=token)
        self.assertEqual((answer.status, answer.body["error"]["code"]), (409, "mismatch"), answer.text)
        self.assertEqual(self.file_events(), [])

    def test_a_reader_may_not(self):
        answer = self.daemon.http("POST", f"/api/drives/{self.drive}/adopt", {})
        self.assertEqual(answer.status, 403)


class KillTest(AdoptCase):
    directories, files = 120, 100

    def make_root(self):
        return self.make_root_on("/dev/shm") / "drive"

    def test_cut_short_it_can_be_done_again(self):
        self.swap()
        self.count()
        command = subprocess.Popen([program("wakeline"), "drive", "adopt", self.drive, "--yes", "--state",
                                    str(self.daemon.state)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   stdin=subprocess.DEVNULL)
        self.wait_for("reconciling", "being adopted")
        self.daemon.kill()
        self.assertNotEqual(command.wait(PATIENCE), 0)
        self.daemon.start()
        self.replica_.resume(self.daemon.connect())
        self.wait_for("offline", "another directory")
        self.assertEqual(self.count()[2:], [self.known, 0, 0, 0])
        self.adopt_and_wait()
        self.assertEqual(self.file_events(), [])
        self.daemon.stop()
        self.daemon.check()


if __name__ == "__main__":
    unittest.main()
