"""Names are bytes: whatever a file system allows travels through unharmed."""
import os

from harness import DaemonCase

NAMES = [
    b"two\nlines", b"\n", b" ", b" leading and trailing ", b"tab\there", b"quote\"back\\slash", b"'", b"\x01\x02\x1f\x7f",
    b"-rf", b"...", b".hidden", b"%41%2f", b"a:b*c?", b"\\u0041", "\u202eevil".encode(), "\U0001f3b5".encode(),
    "\u00e9".encode(), "e\u0301".encode(), "\ufffd".encode(), "\u2028\u2029".encode(), b"\xef\xbb\xbfbom",
    b"\xff\xfe", b"caf\xe9", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"ok\xffok\xfe", b"\x80" * 255,
    b"x" * 255, "\u00fc".encode() * 127 + b"x", "\U0001f3b5".encode() * 63 + b"abc", b"\n" * 255, b"\"" * 255,
]


class NamesTest(DaemonCase):
    def path(self, *names):
        return os.path.join(os.fsencode(self.root), *names)

    def make_all(self):
        for name in NAMES:
            os.mkdir(self.path(name))
            with open(self.path(name, name), "wb") as file:
                file.write(name)
            os.symlink(name, self.path(name, b"link"))

    def test_live(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.make_all()
        self.assert_truth(replica)
        self.assertEqual(len(replica.tree.nodes), 3 * len(NAMES))

    def test_in_a_snapshot_and_after_a_restart(self):
        self.make_all()
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())
        self.daemon.stop()
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())

    def test_moved_from_each_to_each(self):
        self.make_all()
        self.daemon.start()
        replica = self.replica().from_snapshot()
        for old, new in zip(NAMES, NAMES[1:] + NAMES[:1]):
            os.rename(self.path(old, old), self.path(old, b"passing"))
            os.rename(self.path(old, b"passing"), self.path(old, new))
            os.rename(self.path(old), self.path(b"folder"))
            os.mkdir(self.path(old))
            os.rename(self.path(b"folder"), self.path(old, new))
        self.assert_truth(replica)

    def test_a_deep_path(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        here = os.open(self.root, os.O_RDONLY)
        for _ in range(30):             # 30 * 256 bytes: longer than PATH_MAX, so no path ever names it
            os.mkdir(b"d" * 255, dir_fd=here)
            below = os.open(b"d" * 255, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.close(here)
        replica.settle()
        deepest = b"/".join([b"d" * 255] * 30 + [b"file"])
        self.assertEqual(replica.tree.find(deepest).kind(), "file")
