"""The heart: whatever people and programs do to a drive, a client that applies a snapshot and the events after it ends
equal to the file system, with a valid tree after every event."""
import os
import shutil
import socket
import subprocess
import tarfile
import unittest
from pathlib import Path

from harness import LONG, DaemonCase
from workload import Churn, exchange, git, make_repository, make_tree, run, save_atomically

CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN = 2, 21


def may_use_fanotify():
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return all(effective & 1 << bit for bit in (CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN))


class Scenarios:
    """Run by each class below on its backend and file system."""

    backend = "fanotify"

    def setUp(self):
        if self.backend == "fanotify" and not may_use_fanotify():
            self.skipTest("fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH")
        super().setUp()

    def begin(self):
        """Start, and follow the drive from a snapshot."""
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assertEqual(self.daemon.status(self.drive)["backend"], self.backend)
        return replica

    def file_events(self, replica):
        """(event without its prefix, path) of each change so far."""
        return [(item["event"].rpartition(".")[2], item["path"]) for item in replica.log
                if item["event"].startswith("drive.file.")]

    def test_copy_of_a_large_tree(self):
        replica = self.begin()
        run("cp", "-a", "/usr/include", self.root)
        self.assert_truth(replica)

    def test_tar_extraction(self):
        archive = self.work / "music.tar"
        source = make_tree(self.work / "source", 30, 10)
        with tarfile.open(archive, "w") as tar:
            tar.add(source, "music")
        replica = self.begin()
        run("tar", "-C", self.root, "-xf", archive)
        self.assert_truth(replica)

    def test_git_clone_and_switching_branches(self):
        repository = make_repository(self.work / "repository")
        replica = self.begin()
        run("git", "clone", "-q", repository, self.root / "clone")
        self.assert_truth(replica)
        for branch in ("renamed", "replaced", "main", "replaced", "renamed"):
            git(self.root / "clone", "checkout", "-q", branch)
        self.assert_truth(replica)

    def test_atomic_save_is_one_update_of_the_same_node(self):
        song = self.root / "song"
        song.write_text("one\n")
        replica = self.begin()
        node = replica.tree.find(b"song").number
        save_atomically(song, "one\ntwo\n")
        self.assert_truth(replica)
        self.assertEqual(self.file_events(replica), [("updated", "song")])
        self.assertEqual(replica.log[0]["changed"], ["content"])
        self.assertEqual(replica.tree.find(b"song").number, node)

    def test_files_in_fresh_directories(self):
        replica = self.begin()
        for i in range(200):
            folder = self.root / f"a{i}" / "b" / "c"
            folder.mkdir(parents=True)
            (folder / "f").touch()
        self.assert_truth(replica)
        self.assertEqual(len(replica.tree.nodes), 800)

    def test_rename_of_a_directory_is_one_move(self):
        make_tree(self.root)
        replica = self.begin()
        (self.root / "album 1").rename(self.root / "album 2" / "inside")
        self.assert_truth(replica)
        self.assertEqual(self.file_events(replica), [("moved", "album 2/inside")])
        self.assertEqual(replica.log[0]["from"], "album 1")

    def test_renames_of_directories_in_a_row(self):
        make_tree(self.root)
        replica = self.begin()
        for i in range(50):
            (self.root / "album 3").rename(self.root / "album 4" / "disc" / "x")
            (self.root / "album 4" / "disc" / "x" / "disc" / f"new {i}").touch()
            (self.root / "album 4" / "disc" / "x").rename(self.root / "album 3")
        self.assert_truth(replica)

    def test_two_directories_exchanged(self):
        make_tree(self.root)
        replica = self.begin()
        nodes = [replica.tree.find(name).number for name in (b"album 1", b"album 2/disc")]
        exchange(self.root / "album 1", self.root / "album 2" / "disc")
        self.assert_truth(replica)
        self.assertEqual([replica.tree.find(name).number for name in (b"album 2/disc", b"album 1")], nodes)
        self.assertNotIn("deleted", [event for event, _ in self.file_events(replica)])

    def test_a_file_and_a_directory_exchanged(self):
        make_tree(self.root)
        replica = self.begin()
        exchange(self.root / "album 1", self.root / "album 2" / "disc" / "track 1")
        self.assert_truth(replica)

    def test_three_names_in_a_circle(self):
        make_tree(self.root, 3)
        replica = self.begin()
        for _ in range(3):
            for old, new in (("album 0", "t"), ("album 1", "album 0"), ("album 2", "album 1"), ("t", "album 2")):
                (self.root / old).rename(self.root / new)
            self.assert_truth(replica)

    def test_ping_pong_renames(self):
        (self.root / "a").write_text("a")
        replica = self.begin()
        for _ in range(301):
            (self.root / "a").rename(self.root / "t")
            (self.root / "t").rename(self.root / "a")
        (self.root / "a").rename(self.root / "t")
        self.assert_truth(replica)
        self.assertEqual(list(replica.tree.states()), [b"t"])

    def test_rm_r(self):
        run("cp", "-a", "/usr/include/linux", self.root / "linux")
        make_tree(self.root)
        replica = self.begin()
        run("rm", "-rf", self.root / "linux", self.root / "album 1")
        self.assert_truth(replica)
        self.assertFalse([item for item in replica.log if item["event"] != "drive.file.deleted"])

    def test_a_tree_moved_out_is_one_deletion(self):
        make_tree(self.root)
        replica = self.begin()
        (self.root / "album 1").rename(self.outside() / "album")
        self.assert_truth(replica)
        self.assertEqual(self.file_events(replica), [("deleted", "album 1")])
        self.assertIs(replica.log[0]["recursive"], True)

    def test_a_tree_moved_in_arrives_whole(self):
        tree = make_tree(self.outside() / "tree")
        replica = self.begin()
        tree.rename(self.root / "tree")
        (self.root / "tree" / "album 1" / "later").touch()
        self.assert_truth(replica)

    def outside(self):
        """A directory beside the drive, on the same file system."""
        folder = self.root.with_name(self.root.name + "-outside")
        folder.mkdir()
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def test_kinds_replaced(self):
        make_tree(self.root, 2)
        replica = self.begin()
        name = self.root / "album 0"
        for _ in range(5):
            shutil.rmtree(name)
            name.write_text("a file")
            name.unlink()
            name.symlink_to("album 1")
            name.unlink()
            (name / "deep").mkdir(parents=True)
            (name / "deep" / "file").touch()
        self.assert_truth(replica)

    def test_hard_links(self):
        (self.root / "a").write_text("one\n")
        (self.root / "sub").mkdir()
        replica = self.begin()
        os.link(self.root / "a", self.root / "sub" / "b")
        os.link(self.root / "a", self.root / "c")
        self.assert_truth(replica)
        with open(self.root / "c", "a") as file:
            file.write("two\n")
        self.assert_truth(replica)
        (self.root / "a").unlink()
        (self.root / "c").rename(self.root / "sub" / "d")
        self.assert_truth(replica)
        self.assertEqual(sorted(replica.tree.states()), [b"sub", b"sub/b", b"sub/d"])

    def linked(self):
        """A followed drive with one file under two names."""
        (self.root / "a").write_text("one\n")
        os.link(self.root / "a", self.root / "b")
        return self.begin()

    def append(self, name):
        with open(self.root / name, "a") as file:
            file.write("more\n")

    def test_a_link_written_through_and_removed(self):
        replica = self.linked()
        with self.daemon.blind():
            self.append("a")
            (self.root / "a").unlink()
        self.assert_truth(replica)

    def test_a_link_written_through_and_replaced(self):
        (self.root / "other").write_text("other\n")
        replica = self.linked()
        with self.daemon.blind():
            self.append("a")
            (self.root / "other").rename(self.root / "a")
        self.assert_truth(replica)

    def test_a_link_written_through_and_moved(self):
        (self.root / "sub").mkdir()
        replica = self.linked()
        with self.daemon.blind():
            self.append("a")
            (self.root / "a").rename(self.root / "sub" / "c")
        self.assert_truth(replica)

    def test_a_link_seen_before_the_file_was_written_through_the_old_name(self):
        (self.root / "a").write_text("one\n")
        replica = self.begin()
        os.link(self.root / "a", self.root / "b")
        replica.connection.ping()
        with self.daemon.blind():
            self.append("a")
            (self.root / "a").unlink()
        self.assert_truth(replica)

    def test_metadata(self):
        make_tree(self.root, 1)
        replica = self.begin()
        track = self.root / "album 0" / "disc" / "track 1"
        track.chmod(0o600)
        (self.root / "album 0").chmod(0o750)
        self.assert_truth(replica)
        self.assertEqual([item["changed"] for item in replica.log], [["meta"], ["meta"]])
        os.utime(track, ns=(1, 1_000_000_001))
        self.assert_truth(replica)
        os.truncate(track, 1)
        self.assert_truth(replica)
        self.assertIn("content", replica.log[-1]["changed"])

    def test_what_is_no_entry_is_not_announced(self):
        replica = self.begin()
        os.mkfifo(self.root / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.root / "s"))
            (self.root / ".wakeline").mkdir(exist_ok=True)
            (self.root / ".wakeline" / "file").touch()
            (self.root / ".wakeline-stage-1").touch()
            (self.root / "file").touch()
            self.assert_truth(replica)
        self.assertEqual({path for _, path in self.file_events(replica)}, {"file"})

    def test_a_snapshot_of_a_tree_that_grows(self):
        self.daemon.start()
        copy = subprocess.Popen(["cp", "-a", "/usr/include/linux", str(self.root)])
        replicas = []
        while copy.poll() is None and len(replicas) < 8:
            replicas.append(self.replica().from_snapshot())
        copy.wait()
        for replica in replicas:
            self.assert_truth(replica)

    def test_a_first_index_of_a_tree_that_grows(self):
        copy = subprocess.Popen(["cp", "-a", "/usr/include/linux", str(self.root)])
        self.daemon.start()
        replica = self.replica().from_snapshot()
        copy.wait()
        self.assert_truth(replica)

    def test_random_operations(self):
        for seed in range(20 if LONG else 3):
            with self.subTest(seed=seed):
                folder = self.root / f"seed {seed}"
                folder.mkdir()
                if self.daemon.process is None:
                    replica = self.begin()
                churn = Churn(folder, seed)
                for _ in range(10):
                    churn.run(60)
                    self.assert_truth(replica)


class FanotifyScenarios(Scenarios):
    """Files written to under a name that nobody saw: the event says which file it was.  inotify's do not."""

    def test_a_link_that_came_and_went(self):
        (self.root / "song").write_text("one\n")
        replica = self.begin()
        with self.daemon.blind():
            os.link(self.root / "song", self.root / "other name")
            self.append("other name")
            (self.root / "other name").unlink()
        self.assert_truth(replica)

    def test_a_link_that_came_and_went_with_its_directory(self):
        (self.root / "song").write_text("one\n")
        replica = self.begin()
        with self.daemon.blind():
            (self.root / "folder").mkdir()
            os.link(self.root / "song", self.root / "folder" / "song")
            self.append("folder/song")
            (self.root / "folder" / "song").unlink()
            (self.root / "folder").rmdir()
        self.assert_truth(replica)

    def test_a_link_that_was_replaced_by_a_file_that_was_written_too(self):
        (self.root / "song").write_text("one\n")
        replica = self.begin()
        with self.daemon.blind():
            os.link(self.root / "song", self.root / "other name")
            (self.root / "other name").chmod(0o640)
            (self.root / "other name").unlink()
            (self.root / "other name").write_text("another file\n")
        self.assert_truth(replica)


class OnDiskTest(FanotifyScenarios, DaemonCase):
    settings = {"backend": "fanotify"}


class OnTmpfsTest(FanotifyScenarios, DaemonCase):
    settings = {"backend": "fanotify"}

    def make_root(self):
        return self.make_root_on("/dev/shm")


class InotifyTest(Scenarios, DaemonCase):
    settings = {"backend": "inotify"}
    backend = "inotify"


if __name__ == "__main__":
    unittest.main()
