"""What only a ctime gives away: `meta`, `maybe` or `content`, and the pass that compares all contents."""
import hashlib
import os
import shutil
import subprocess
import time
import unittest

from connection import PATIENCE
from harness import DaemonCase, LONG
from replica import FILE_EVENTS

FILES = 20000 if LONG else 2000


def sha256(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def replace_content(path, text):
    """Another content of the same size, with the old size and times: only the ctime tells."""
    status = path.stat()
    assert len(text) == status.st_size
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


class HashCase(DaemonCase):
    def updates(self, replica):
        replica.settle()
        return [(item["path"], item["changed"]) for item in replica.events("drive.file.updated")]

    def await_hash(self, name):
        """Until the index knows the hash of a file: its entry in a snapshot has it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            replica = self.replica().from_snapshot()
            replica.settle()    # the snapshot may be one that was made for another client a moment ago
            item = replica.tree.find(name.encode()).item
            replica.connection.close()
            if "hash" in item:
                return item
        self.fail(f"the hash of {name} never became known")


class WithoutHashTest(HashCase):
    def test_a_content_with_its_old_times_is_maybe(self):
        (self.root / "f").write_text("one")
        self.daemon.start()
        replica = self.replica().from_snapshot()
        with self.daemon.blind():
            replace_content(self.root / "f", "two")
        self.assertEqual(self.updates(replica), [("f", ["maybe"])])
        self.assertNotIn("hash", replica.log[-1])

    @unittest.skipUnless(shutil.which("setfacl"), "setfacl is not installed")
    def test_access_lists_on_many_files_are_no_content(self):
        for i in range(FILES):
            folder = self.root / f"d{i % 50}"
            folder.mkdir(exist_ok=True)
            (folder / f"f{i}").write_text(str(i))
        self.daemon.start()
        replica = self.replica().from_snapshot()
        subprocess.run(["setfacl", "-R", "-m", "u:1000:rw", self.root], check=True)
        replica.settle()
        files = [item for item in replica.events(*FILE_EVENTS) if item["kind"] == "file"]
        self.assertEqual({item["path"] for item in files}, {f"d{i % 50}/f{i}" for i in range(FILES)})
        self.assertEqual({item["event"] for item in files}, {"drive.file.updated"})
        self.assertNotIn("content", {word for item in files for word in item["changed"]})
        # An access list of a file whose group bits do not change is seen by its ctime alone.
        subprocess.run(["setfacl", "-R", "-m", "u:1001:r", self.root], check=True)
        seen = len(replica.log)
        replica.settle()
        words = {word for item in replica.log[seen:] for word in item.get("changed", [])}
        self.assertEqual(words, {"maybe"})

    def test_owners_of_many_files_are_meta(self):
        for i in range(200):
            (self.root / f"f{i}").write_text(str(i))
        self.daemon.start()
        replica = self.replica().from_snapshot()
        subprocess.run(["chown", "-R", "1000:1000", self.root], check=True)
        self.assertEqual({tuple(changed) for path, changed in self.updates(replica) if path}, {("meta",)})


class VerifyTest(HashCase):
    settings = {"verify": "hash", "verify_period": "1s"}

    def test_a_content_with_its_old_times_is_content(self):
        (self.root / "f").write_text("one")
        self.daemon.start()
        self.assertEqual(self.await_hash("f")["hash"], sha256("one"))
        replica = self.replica().from_snapshot()
        with self.daemon.blind():
            replace_content(self.root / "f", "two")
        self.assertEqual(self.updates(replica), [("f", ["content"])])
        self.assertEqual(replica.log[-1]["hash"], sha256("two"))
        self.assert_truth(replica)

    @unittest.skipUnless(shutil.which("setfacl"), "setfacl is not installed")
    def test_an_access_list_is_meta(self):
        (self.root / "f").write_text("one")
        subprocess.run(["setfacl", "-m", "u:1000:r", self.root / "f"], check=True)
        self.daemon.start()
        self.await_hash("f")
        replica = self.replica().from_snapshot()
        subprocess.run(["setfacl", "-m", "u:1001:r", self.root / "f"], check=True)
        self.assertEqual(self.updates(replica), [("f", ["meta"])])
        self.assertEqual(replica.log[-1]["hash"], sha256("one"))

    def test_a_change_drops_the_hash_until_the_next_round(self):
        (self.root / "f").write_text("one")
        self.daemon.start()
        self.await_hash("f")
        replica = self.replica().from_snapshot()
        (self.root / "f").write_text("something else")
        self.assertEqual(self.updates(replica), [("f", ["content"])])
        self.assertNotIn("hash", replica.log[-1])
        self.assertEqual(self.await_hash("f")["hash"], sha256("something else"))

    def test_what_changed_while_the_daemon_was_down_is_told_apart(self):
        for name in ("same", "other"):
            (self.root / name).write_text("one")
        self.daemon.start()
        self.await_hash("same")
        self.await_hash("other")
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        replace_content(self.root / "other", "two")
        (self.root / "same").chmod(0o600)
        (self.root / "same").chmod(0o644)
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assertEqual(sorted(self.updates(replica)), [("other", ["content"]), ("same", ["meta"])])

    def test_a_content_that_decays_is_found(self):
        """On a disk that rots no time stamp moves: here another program writes below the file system."""
        image, mount = self.work / "image", self.root
        subprocess.run(["truncate", "-s", "16M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=True)
        (mount / "f").write_text("a content that can be found on the disk")
        subprocess.run(["sync", "-f", mount / "f"], check=True)
        self.daemon.start()
        self.await_hash("f")
        replica = self.replica().from_snapshot()
        with open(image, "r+b") as disk:
            at = disk.read().find(b"a content that can be found on the disk")
            self.assertGreater(at, 0)
        with open(subprocess.run(["findmnt", "-no", "SOURCE", mount], check=True, capture_output=True,
                                 text=True).stdout.strip(), "r+b") as disk:
            disk.seek(at)
            disk.write(b"A")
            disk.flush()
            os.fsync(disk.fileno())
        with open(mount / "f", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        item = replica.until(lambda item: item.get("path") == "f")
        self.assertEqual(item["changed"], ["content"])
        self.assertEqual(item["hash"], sha256("A content that can be found on the disk"))


if __name__ == "__main__":
    unittest.main()
