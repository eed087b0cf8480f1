"""Scenarios: what is done on a drive and what a client must be told, on every file system.

scenarios/*.txt hold them, one claim each:

    scenario a file that moves into another directory keeps its node
    also down
    given
        mkdir shelf
        write song la la la
    do
        mv song shelf/song
    expect
        moved shelf/song from song
    expect on weak down
        created shelf/song file
        deleted song

`given` sets the scene; nothing is expected of it.  A `do` is followed by what it has to bring, the exact sequence of
changes; there may be several pairs.  Before each comparison everything settles (a barrier), and the replica must equal
the drive (TRUTH); it checks every single change (TREE, ORD, GAP, ...).  The drive's `settle` is so long that only
barriers end it: what one `do` does is told as one.  Nothing is hidden, temporary files neither.

Headings
    scenario CLAIM          begins one
    not on WORD...: REASON  where it cannot be done at all
    also down               once more with the daemon stopped during each `do` (its name then ends with _down); a run
                            follows the order of directories, so no order is expected then
    repeat N                play it N times: what it claims would fail only sometimes
    given, do               actions follow, one a line
    expect [nothing] [in any order] [on WORD...]
                            items follow, unless `nothing`.  Of several after one `do` that counts which has the most
                            words that hold: a file system (ext4 xfs btrfs subvolume tmpfs overlay fuse), what watches
                            (fanotify inotify), `weak` (identities prove nothing), `down`.

Names are relative to the scenario's own directory in the drive; `outside/...` is on the same file system and not in the
drive.  They are bytes with Python's escapes, a space is \\x20, `x{255}` repeats a character and `(ab/){20}` a group.

Actions
    write F TEXT, append F TEXT, truncate F SIZE, mmap F TEXT, sparse F SIZE, allocate F SIZE
    rewrite-unseen F TEXT   other content, same size and mtime
    open F, put F TEXT, close F         a writer that stays
    tmpfile F, publish F NAME           a file without a name, and its name
    mkdir D, mkdir -p D, mv A B, exchange A B, ln A B, symlink TARGET L, rm F, rm -r D, rmdir D, fifo F
    chmod MODE F, chown UID F, setfacl ACL F, touch F, date SECONDS F (its mtime)
    run COMMAND...          without a shell, in the scenario's directory
    settle                  what is done afterwards is told apart
    daemon stop|start|kill, watcher stop|continue|kill

Items
    created|updated|deleted NAME, moved NAME from NAME; then as far as they matter
    file|dir|symlink        the kind
    content, meta, maybe    what an `updated` says has changed (always given); `content+meta` is both, `content|maybe`
                            either
    recursive, open         always given where they apply
    perhaps (before it)     it may be missing
    same node as NAME       the node that had this name before the `do`
Of names that change places one steps aside on the way; its two moves count as one here.
"""
import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

import mounts
import truth
from actions import Actions
from harness import Daemon, descendants, wait_for_end
from replica import FILE_EVENTS, Ledger, Replica
from scenario import BadScenario, Reader, Seen, choose_expect, without_swaps

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
DRIVE = "music"
WORDS = {*mounts.KINDS, "fanotify", "inotify", "weak", "down"}


class World:
    """A file system with a drive, and the daemon that serves scenario after scenario on it."""

    def __init__(self, kind, backend):
        self.backend = backend
        self.stack = contextlib.ExitStack()
        atexit.register(self.stack.close)       # also when the tests are interrupted; a second time does nothing
        self.work = Path(tempfile.mkdtemp(prefix="wakeline-test-"))
        self.stack.callback(shutil.rmtree, self.work, True)
        self.daemon = None
        try:
            self.base = mounts.make(kind, self.work, self.stack)
        except BaseException:
            self.stack.close()
            raise
        self.root, self.outside = self.base / "drive", self.base / "outside"
        self.count = 0

    def begin(self):
        """A daemon with nothing in its store, on an empty drive."""
        for folder in (self.root, self.outside):
            shutil.rmtree(os.fsencode(folder), ignore_errors=True)
            folder.mkdir()
        folder = Path(tempfile.mkdtemp(prefix="daemon-", dir=self.work))
        self.daemon = Daemon(folder, {DRIVE: self.root},
                             settings={DRIVE: {"settle": "10s", "hide_temporary": "none"}})
        self.daemon.start()
        self.replica = Replica(self.daemon.connect(), DRIVE, Ledger()).from_snapshot()
        status = self.daemon.status(DRIVE)
        assert status["backend"] == self.backend, f"not watched with {self.backend}: {status}"

    def give_up(self):
        """After a failure, which is told already, the next scenario begins anew."""
        daemon, self.daemon = self.daemon, None
        if daemon is not None and daemon.process is not None:
            for pid in descendants(daemon.pid):
                os.kill(pid, signal.SIGCONT)
            daemon.kill()

    def end(self):
        try:
            if self.daemon is not None:
                self.daemon.stop()
                self.daemon.check()
        finally:
            self.give_up()
            self.stack.close()

    def settle(self):
        self.replica.settle()
        truth.assert_equal(self.root, self.replica.tree)

    def reconnect(self):
        self.replica.resume(self.daemon.connect())

    def watcher(self):
        """The process that watches the drive, which came last."""
        return self.daemon.processes("wakeline-watch")[-1]

    def let_watchers_go_on(self):
        if self.daemon is not None and self.daemon.process is not None:
            os.kill(self.watcher(), signal.SIGCONT)

    def kill_watcher(self):
        pid = self.watcher()
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)


class Performance:
    """One scenario, being played."""

    def __init__(self, world, scenario, words):
        self.world, self.scenario, self.words = world, scenario, words
        world.count += 1
        self.name = b"s%d" % world.count
        self.folders = [os.path.join(os.fsencode(folder), self.name) for folder in (world.root, world.outside)]
        self.actions = Actions(world, *self.folders)

    def play(self):
        for folder in self.folders:
            os.mkdir(folder)
        try:
            for step in self.scenario.steps:
                self._play_step(step)
        finally:
            self.actions.end()
        for folder in self.folders:
            shutil.rmtree(folder)
        self.world.settle()

    def _play_step(self, step):
        self.world.settle()
        before = {number: node.path()[len(self.name) + 1:] for number, node in self.world.replica.tree.nodes.items()}
        log = self.world.replica.log
        start = len(log)
        down = step.kind == "do" and "down" in self.words
        if down:
            self.world.daemon.stop()
        for action in step.actions:
            self.actions.do(action)
        if down:
            self.actions.do_daemon_start()
        self.world.settle()
        if step.kind == "do":
            seen = [Seen(item, self.name + b"/", before) for item in log[start:] if item["event"] in FILE_EVENTS]
            fault = choose_expect(step.expects, self.words).fault(without_swaps(seen), ordered=not down)
            if fault is not None:
                raise AssertionError(fault)


class FileSystemTest:
    """Every scenario on one kind of file system; the classes below get a test for each."""

    weak = False

    @classmethod
    def setUpClass(cls):
        try:
            cls.world = World(cls.kind, cls.backend)
        except mounts.CannotMount as reason:
            if os.environ.get("WAKELINE_CI"):
                raise
            raise unittest.SkipTest(f"no {cls.kind} here: {reason}") from None

    @classmethod
    def tearDownClass(cls):
        cls.world.end()

    @property
    def daemons(self):
        """Whose log is shown when the test fails."""
        return self.failed_daemons

    def setUp(self):
        self.failed_daemons = []

    def play(self, scenario, *modes):
        try:
            if self.world.daemon is None:
                self.world.begin()
            for _ in range(scenario.repeat):
                Performance(self.world, scenario, self.words() | set(modes)).play()
        except BaseException:
            self.failed_daemons.append(self.world.daemon)
            self.world.give_up()
            raise

    @classmethod
    def words(cls):
        return {cls.kind, cls.backend} | ({"weak"} if cls.weak else set())


def read_scenarios():
    return [scenario for path in sorted(SCENARIOS.glob("*.txt"))
            for scenario in Reader(f"scenarios/{path.name}", WORDS).read(path.read_text())]


def test_class(kind, backend, weak=False):
    """A TestCase with a test for each scenario that can be played there."""
    body = {"kind": kind, "backend": backend, "weak": weak, "__module__": __name__}
    words = {kind, backend} | ({"weak"} if weak else set())
    for scenario in ALL:
        for mode in ([], ["down"])[:1 + scenario.down]:
            if scenario.runs_on(words | set(mode)):
                name = "_".join(["test", *scenario.title.split(), *mode])
                assert name not in body, f"{scenario.where}: there are two scenarios {scenario.title}"
                body[name] = lambda self, scenario=scenario, mode=mode: self.play(scenario, *mode)
    return type(kind.capitalize() + "Test", (FileSystemTest, unittest.TestCase), body)


ALL = read_scenarios()
Ext4Test = test_class("ext4", "fanotify")
XfsTest = test_class("xfs", "fanotify")
BtrfsTest = test_class("btrfs", "fanotify")
SubvolumeTest = test_class("subvolume", "inotify")
TmpfsTest = test_class("tmpfs", "fanotify")
OverlayTest = test_class("overlay", "inotify")
FuseTest = test_class("fuse", "inotify", weak=True)


class LanguageTest(unittest.TestCase):
    """The referee: what a scenario does not expect, it refuses."""

    def read(self, text):
        return Reader("here", WORDS).read(text)

    def fault(self, expect, *seen):
        step = self.read(f"scenario x\ndo\n  settle\n{expect}")[0].steps[0]
        items = [{"kind": "file", "node": 1, "event": "drive.file." + event, "path": "s/" + path, **more}
                 for event, path, more in seen]
        return choose_expect(step.expects, set()).fault([Seen(item, b"s/", {1: b"was"}) for item in items])

    def test_what_fits(self):
        moved = ("moved", "a", {"from": "s/b"})
        updated = ("updated", "a", {"changed": ["meta"], "open": True})
        self.assertIsNone(self.fault("expect nothing"))
        self.assertIsNone(self.fault("expect\n moved a from b same node as was\n updated a open meta|maybe", moved,
                                     updated))
        self.assertIsNone(self.fault("expect in any order\n updated a meta open\n moved a from b file", moved, updated))
        self.assertIsNone(self.fault("expect\n created \\xff\\x20x{3}", ("created", "\ufffd xxx",
                                                                        {"path_b64": "cy//IHh4eA=="})))
        self.assertIsNone(self.fault("expect\n created (ab/){2}c", ("created", "ab/ab/c", {})))
        self.assertIsNone(self.fault("expect\n perhaps created b\n created a\n perhaps deleted a",
                                     ("created", "a", {})))

    def test_who_steps_aside_moves_once(self):
        moves = [Seen({"kind": "file", "node": 1, "event": "drive.file.moved", "path": new, "from": old}, b"", {})
                 for new, old in ((".wakeline-swap-1", "a"), ("a", "b"), ("b", ".wakeline-swap-1"))]
        self.assertEqual([str(one) for one in without_swaps(moves)], ["moved a from b file", "moved b from a file"])

    def test_what_does_not_fit(self):
        created = ("created", "a", {})
        for expect in ("expect nothing", "expect\n created b", "expect\n deleted a", "expect\n created a dir",
                       "expect\n created a open", "expect\n created a same node as b", "expect\n created a\n created b",
                       "expect in any order\n created a\n created a"):
            with self.subTest(expect=expect):
                self.assertIn("created a file", self.fault(expect, created))
        self.assertIn("recursive", self.fault("expect\n deleted a", ("deleted", "a", {"recursive": True})))
        self.assertIn("meta", self.fault("expect\n updated a content", ("updated", "a", {"changed": ["meta"]})))
        self.assertIsNotNone(self.fault("expect\n created a\n created b", ("created", "b", {}), created))
        self.assertIsNotNone(self.fault("expect\n created a", ("created", "../a", {})))
        self.assertIsNotNone(self.fault("expect\n created a\n perhaps created b", ("created", "b", {}), created))

    def test_the_most_conditions_count(self):
        expects = self.read("scenario x\ndo\n settle\nexpect nothing\nexpect on weak\n deleted a\n"
                            "expect on weak down\n deleted b\nexpect on inotify\n deleted c")[0].steps[0].expects
        self.assertTrue(choose_expect(expects, {"ext4"}).nothing)
        self.assertEqual(choose_expect(expects, {"weak"}).items[0].path, b"a")
        self.assertEqual(choose_expect(expects, {"weak", "down", "inotify"}).items[0].path, b"b")
        with self.assertRaisesRegex(BadScenario, "not clear"):
            choose_expect(expects, {"weak", "inotify"})

    def test_what_is_no_scenario(self):
        for text in ("do\n settle", "scenario x", " settle", "scenario x\nexpect nothing", "scenario x\nwhen",
                     "scenario x\ndo\n settle", "scenario x\ndo\n settle\nexpect", "scenario x\nnot on fuse",
                     "scenario x\ndo\n settle\nexpect on mars\n deleted a", "scenario x\ndo\n settle\nexpect\n moved a",
                     "scenario x\ndo\n settle\nexpect\n updated a", "scenario x\ndo\n settle\nexpect\n created a often",
                     "scenario x\ndo\n settle\nexpect nothing\n deleted a"):
            with self.subTest(text=text), self.assertRaises(BadScenario):
                self.read(text)


if __name__ == "__main__":
    unittest.main()
