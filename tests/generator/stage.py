"""One drive that several daemons watch at once, each with a client: whatever is done to it, all must end in the same tree,
which is the file system's.

`fanotify` and `inotify` see it live; `reconcile` is down while it happens, and has to find it out when it starts.  A
stage plays many scripts one after another, each in a directory of its own, because starting daemons is what takes time.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import truth
from connection import PATIENCE, Closed
from harness import Daemon, build_dir
from replica import FILE_EVENTS, Ledger, Replica
from script import DRIVER

LIVE = ("fanotify", "inotify")
RECONCILE = "reconcile"
SIDES = (*LIVE, RECONCILE)
DRIVE = "music"
STATES = (": size is ", ": mtime is ", ": mode is ")


class Failure(Exception):
    """A side broke an invariant: `side`, what was seen, the script it was seen in if that is known, and whether it
    took a restart to see it."""

    def __init__(self, side, text, script=None, restarted=False):
        super().__init__(f"{side}: {text}")
        self.side = side
        self.script = script
        self.restarted = restarted


class Side:
    """A daemon and its client."""

    def __init__(self, name, folder, root, settle):
        self.name = name
        folder.mkdir()
        # Several daemons watch one drive, so none may keep its epoch there.
        settings = {"backend": "auto" if name == RECONCILE else name, "settle": settle, "read_only": "yes"}
        self.daemon = Daemon(folder, {DRIVE: root}, settings={DRIVE: settings})
        self.replica = None
        self.stopped = set()

    def start(self):
        self.daemon.start()
        if self.replica is None:
            self.replica = Replica(self.daemon.connect(), DRIVE, Ledger()).from_snapshot()
        else:
            self.replica.resume(self.daemon.connect())

    def stop(self):
        self.wake()
        self.daemon.stop()
        self.drain()

    def drain(self):
        """Take what was sent before the end: that much, at least, must be in the store."""
        replica = self.replica
        replica.connection.wait_closed()
        while any(frame.get("sub") == replica.sub for frame in replica.connection.kept()):
            replica.step()

    def end(self):
        self.wake()
        if self.daemon.process is not None:
            self.daemon.process.kill()
            self.daemon.process.wait(PATIENCE)
            self.daemon.process = None

    # Trouble

    def pid_of(self, who):
        if self.daemon.process is None:
            return None
        if who == "daemon":
            return self.daemon.pid
        watchers = self.daemon.processes("wakeline-watch")
        return watchers[-1] if watchers else None

    def trouble(self, what, who):
        pid = self.pid_of(who)
        if pid is None:
            return
        if what == "kill" and who == "daemon":
            self.wake()
            self.daemon.kill()
            self.drain()
            self.start()
            return
        if what == "stop":
            self.stopped.add(pid)
        else:
            self.stopped.discard(pid)
        self.signal(pid, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "continue": signal.SIGCONT}[what])

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def wake(self):
        for pid in self.stopped:
            self.signal(pid, signal.SIGCONT)
        self.stopped.clear()

    # Asking

    def differences(self, root):
        self.replica.settle()
        return truth.differences(root, self.replica.tree)

    def reconcile(self):
        run = self.daemon.http("POST", "/api/sync/trigger", {"drive": DRIVE}, self.daemon.token("read", "admin"))
        assert run.status == 202, run.text
        self.replica.until(lambda item: item["event"] in ("sync.completed", "sync.error")
                           and item["run"] == run.body["run"])

    def file_events(self):
        return self.replica.events(*FILE_EVENTS)


class Stage:
    def __init__(self, names=SIDES, settle="20ms", where=None):
        self.work = Path(tempfile.mkdtemp(prefix="wakeline-generator-", dir=where))
        self.root, self.outside = self.work / "drive", self.work / "outside"
        self.root.mkdir()
        self.outside.mkdir()
        self.settle = settle
        self.sides = [Side(name, self.work / name, self.root, settle) for name in names]
        self.played = []
        self.done = self.failed = 0
        for side in self.sides:
            side.start()

    def close(self):
        for side in self.sides:
            side.end()
        shutil.rmtree(os.fsencode(self.work), ignore_errors=True)

    def live(self):
        return [side for side in self.sides if side.name in LIVE]

    def absent(self):
        return [side for side in self.sides if side.name not in LIVE]

    def perform(self, folder, text):
        """A started process that does it."""
        for base in (self.root, self.outside):
            (base / folder).mkdir(exist_ok=True)
        process = subprocess.Popen([build_dir() / "tests" / "generator_perform", self.root / folder,
                                    self.outside / folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write(text)
        process.stdin.close()
        return process

    def wait(self, process):
        counts = process.stdout.read().split()
        process.stdout.close()
        if process.wait(PATIENCE) != 0:
            raise RuntimeError("generator_perform failed")
        self.done += int(counts[0])
        self.failed += int(counts[1])

    # A batch of scripts

    def run(self, scripts):
        """Play them; the name of each one's directory is its place in the list.  Raises Failure."""
        folders = [f"s{len(self.played) + i}" for i in range(len(scripts))]
        self.played += scripts
        for folder, script in zip(folders, scripts):
            self.wait(self.perform(folder, script.base_text()))
        self.compare(self.sides, folders, scripts)
        for side in self.absent():
            side.stop()
        for folder, script in zip(folders, scripts):
            self.play(folder, script)
            self.compare(self.live(), [folder], [script])
        for side in self.absent():
            side.start()
        self.compare(self.absent(), folders, scripts)

    def play(self, folder, script):
        process = self.perform(folder, script.main_text())
        try:
            for line in script.of(DRIVER):
                if line[0] == "pause":
                    time.sleep(int(line[1]) / 1e6)
                    continue
                for side in self.live():
                    side.trouble(*line)
        finally:
            for side in self.live():
                side.wake()
            self.wait(process)

    def compare(self, sides, folders, scripts):
        for side in sides:
            try:
                lines = side.differences(self.root)
            except (AssertionError, Closed) as error:
                raise Failure(side.name, str(error), scripts[0] if len(scripts) == 1 else None) from error
            if lines and all(self.may_wait(side, line) for line in lines):
                side.reconcile()
                lines = side.differences(self.root)
            if lines:
                path = lines[0].partition("b'")[2]
                raise Failure(side.name, self.describe(side, lines, path), self.script_of(path))

    def script_of(self, path):
        """The script that was played where a path lies."""
        return self.played[int(path.partition("/")[0].strip("'s"))]

    def may_wait(self, side, line):
        """Whether the documentation says that the next run finds this: a file that was written to through a name that
        the watcher could not see, or could not see any more."""
        return any(mark in line for mark in STATES) and self.hides_writes(side, line.partition("b'")[2])

    def hides_writes(self, side, path):
        script = self.script_of(path)
        return script.uses("link") and (side.name == "inotify" or script.leaves_drive())

    @staticmethod
    def describe(side, lines, path=""):
        """The differences, and the last that was told of the script's directory in which the first one lies."""
        folder = path.partition("/")[0].strip("'")
        events = [f"{item['seq']} {item['event'].rpartition('.')[2]} {item['path']}"
                  + (f" from {item['from']}" if "from" in item else "")
                  for item in side.file_events() if item["path"].partition("/")[0] == folder or not folder]
        return "\n  ".join([f"drive and replica differ in {len(lines)} ways:", *lines[:20], "the last events:",
                            *events[-30:]])

    def restart(self):
        """Nothing changed: a restart has nothing to say, and the store is whole.  Raises Failure."""
        for side in self.sides:
            said = len(side.file_events())
            side.stop()
            side.daemon.check()
            side.start()
            lines = side.differences(self.root)
            if lines:
                raise Failure(side.name, "after a restart " + self.describe(side, lines), restarted=True)
            for item in side.file_events()[said:]:
                if not self.was_due(side, item):
                    raise Failure(side.name, f"a restart invented a change: {item}", self.script_of(item["path"]), True)

    def was_due(self, side, item):
        """What could not be known before, and what always comes later."""
        return side.replica.is_last_word(item) or \
            (item["event"] == "drive.file.updated" and self.hides_writes(side, item["path"]))
