"""Names that rules hide, and what a person would call one save."""
import os
import subprocess

import truth
from harness import DaemonCase
from replica import FILE_EVENTS


def told(replica):
    """(event, path) of each file event."""
    return [(item["event"].rpartition(".")[2], item["path"]) for item in replica.events(*FILE_EVENTS)]


class RulesCase(DaemonCase):
    def setUp(self):
        super().setUp()
        self.prepare()
        self.daemon.start()
        self.replica_ = self.replica().from_snapshot()

    def prepare(self):
        pass

    def settle(self):
        """What was told since the last time."""
        before = len(told(self.replica_))
        self.replica_.settle()
        return told(self.replica_)[before:]

    def pause(self):
        """Longer than `settle`: a file that was made here now has been announced."""
        marker = f"marker {len(self.replica_.log)}"
        (self.root / marker).touch()
        self.replica_.until(lambda item: item["path"] == marker if "path" in item else False)

    def assert_replica(self, hidden=()):
        """The replica is the drive without what is hidden."""
        there = {path: state for path, state in truth.walk(self.root).items()
                 if not any(path == name or path.startswith(name + b"/") for name in hidden)}
        self.assertEqual(there, self.replica_.tree.states())


class HiddenTest(RulesCase):
    settings = {"exclude": "build/", "include": "*.bak~"}

    def prepare(self):
        (self.root / "build").mkdir()
        (self.root / "build" / "old").touch()
        (self.root / "notes.txt~").touch()

    def test_is_in_no_snapshot_and_no_event(self):
        self.assertEqual(self.replica_.tree.states(), {})
        (self.root / "build" / "new").touch()
        (self.root / ".notes.txt.swp").touch()
        (self.root / "sub").mkdir()
        (self.root / "sub" / "build").mkdir()
        (self.root / "kept.bak~").touch()
        self.assertEqual(sorted(self.settle()), [("created", "kept.bak~"), ("created", "sub")])
        self.assert_replica({b"build", b"notes.txt~", b".notes.txt.swp", b"sub/build"})

    def test_is_known_all_the_same(self):
        """Nothing of it is found by a run: the index has it."""
        (self.root / "build" / "new").touch()
        self.settle()
        self.daemon.command("trigger", self.drive, "--wait", "--url", self.daemon.url, "--token",
                            self.daemon.token("read", "admin"))
        self.assertEqual(self.settle(), [])

    def test_a_directory_that_crosses_the_border(self):
        (self.root / "build").rename(self.root / "result")
        self.assertEqual(self.settle(), [("created", "result"), ("created", "result/old")])
        (self.root / "result").rename(self.root / "build")
        self.assertEqual(self.settle(), [("deleted", "result")])
        self.assert_replica({b"build", b"notes.txt~"})


class OtherRulesTest(RulesCase):
    """The configuration changes while the daemon is down."""

    def prepare(self):
        for name in ("src", "out"):
            (self.root / name).mkdir()
            (self.root / name / "a.o").touch()
            (self.root / name / "a.c").touch()

    def restart(self, **settings):
        self.daemon.stop()
        self.daemon.settings[self.drive] = settings
        self.daemon.write_config()
        self.daemon.start()
        before = len(told(self.replica_))
        self.replica_.resume(self.daemon.connect())
        self.replica_.settle()
        return told(self.replica_)[before:]

    def test_only_the_difference_is_told(self):
        self.assertEqual(sorted(self.restart(exclude="/src/*.o")), [("deleted", "src/a.o")])
        self.assertEqual(self.restart(exclude="/src/*.o"), [])
        self.assertEqual(self.restart(exclude="out/"), [("deleted", "out"), ("created", "src/a.o")])
        self.assertEqual(self.restart(exclude="*.o"), [("created", "out"), ("created", "out/a.c"), ("deleted", "src/a.o")])
        self.assertEqual(sorted(self.restart()), [("created", "out/a.o"), ("created", "src/a.o")])
        self.assert_replica()

    def test_temporary_files_can_be_shown(self):
        (self.root / "a~").touch()
        self.assertEqual(self.settle(), [])
        self.assertEqual(self.restart(hide_temporary="none"), [("created", "a~")])
        self.assertEqual(self.restart(hide_temporary="vim"), [("deleted", "a~")])


class SaveTest(RulesCase):
    """One save is one event, on the same node."""

    def prepare(self):
        (self.root / "letter").write_text("old\n")

    def save(self, *command, name="letter"):
        """Run a program that saves; the one event that it may make."""
        node = self.replica_.tree.find(name.encode())
        subprocess.run(command, cwd=self.root, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.settle_one(name, node)

    def settle_one(self, name, node):
        expected = "created" if node is None else "updated"
        self.replica_.until(lambda item: item.get("path") == name and item["event"] == f"drive.file.{expected}" and
                            item["size"] == os.stat(self.root / name).st_size)
        self.replica_.settle()
        self.assertEqual([event for event in told(self.replica_) if not event[1].startswith("marker")], [(expected, name)])
        if node is not None:
            self.assertIs(self.replica_.tree.find(name.encode()), node)
        self.assert_replica()

    def test_sed(self):
        self.save("sed", "-i", "s/old/new text/", "letter")

    def test_rsync(self):
        source = self.work / "letter"
        source.write_text("from elsewhere\n" * 1000)
        self.save("rsync", "-a", str(source), str(self.root) + "/")

    def test_vim_that_renames_the_old_file(self):
        self.save("vim.tiny", "-es", "-u", "NONE", "-c", "set backup backupcopy=no", "-c", "s/old/other/", "-c", "wq",
                  "letter")

    def test_vim_that_writes_in_place(self):
        self.save("vim.tiny", "-es", "-u", "NONE", "-c", "set backup backupcopy=yes writebackup", "-c",
                  "s/old/other/", "-c", "wq", "letter")

    def test_word_over_a_slow_network(self):
        node = self.replica_.tree.find(b"letter")
        (self.root / "~$letter").write_text("me")
        with open(self.root / "~WRD0000.tmp", "w") as file:
            file.write("new text")
            file.flush()
            self.pause()
            file.write(", in two pieces\n")
        (self.root / "letter").rename(self.root / "~WRL0001.tmp")
        self.pause()
        (self.root / "~WRD0000.tmp").rename(self.root / "letter")
        self.pause()
        (self.root / "~WRL0001.tmp").unlink()
        (self.root / "~$letter").unlink()
        self.settle_one("letter", node)

    def test_excel_over_a_slow_network(self):
        node = self.replica_.tree.find(b"letter")
        (self.root / "8CA1E000").write_text("new text\n")
        self.pause()
        (self.root / "letter").rename(self.root / "1F2E3D4C.tmp")
        self.pause()
        (self.root / "8CA1E000").rename(self.root / "letter")
        (self.root / "1F2E3D4C.tmp").unlink()
        self.settle_one("letter", node)

    def test_libreoffice(self):
        node = self.replica_.tree.find(b"letter")
        (self.root / ".~lock.letter#").write_text("me")
        (self.root / "lu12345abc.tmp").write_text("new text\n")
        self.pause()
        os.replace(self.root / "lu12345abc.tmp", self.root / "letter")
        (self.root / ".~lock.letter#").unlink()
        self.settle_one("letter", node)

    def test_a_download(self):
        for suffix in (".crdownload", ".part"):
            name = "film" + suffix.replace(".", " ")
            with open(self.root / (name + suffix), "w") as file:
                file.write("one\n")
                file.flush()
                self.pause()
                file.write("two\n")
            self.pause()
            (self.root / (name + suffix)).rename(self.root / name)
            self.replica_.until(lambda item, name=name: item.get("path") == name)
        self.replica_.settle()
        self.assertEqual([event for event in told(self.replica_) if event[1].startswith("film")],
                         [("created", "film crdownload"), ("created", "film part")])


class SlowTest(SaveTest):
    """The same with inotify, which tells the two halves of a rename apart."""

    settings = {"backend": "inotify"}
