"""The programs that tests/bench/detect compares.  Each is started on a root and then asked what it named, and when."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench import Daemon, bench_program, descendants

READ_BYTES = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
STAT_UTIME, STAT_STIME = 11, 12

WATCHDOG = """
import sys
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

class Printer(FileSystemEventHandler):
    def on_any_event(self, event):
        print(event.src_path, getattr(event, "dest_path", ""), sep="\\n", flush=True)

observer = Observer()
observer.schedule(Printer(), sys.argv[1], recursive=True)
observer.start()
observer.join()
"""


class Watcher:
    """One program.  `first` has when each path, relative to the root, was named first since the last clear()."""

    name = ""
    package = ""    # Debian's, where it is not ours
    program = ""

    def __init__(self, root, folder):
        self.root = Path(root)
        self.folder = Path(folder)
        self._prefix = os.fsencode(self.root) + b"/"
        self.clear()
        self._processes = []
        self._client = None

    @classmethod
    def missing(cls):
        return cls.package if cls.package and not shutil.which(cls.program) else None

    # What it said

    def clear(self):
        self.first = {}
        self.events = 0
        self.last_ns = 0

    def _follow(self, process):
        threading.Thread(target=self._read, args=(process.stdout.fileno(),), daemon=True).start()

    def _read(self, fd):
        rest = b""
        while chunk := os.read(fd, READ_BYTES):
            now = time.monotonic_ns()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                for path in self._paths(line):
                    self.first.setdefault(path, now)
                    self.events += 1
            self.last_ns = now

    def _paths(self, line):
        return [line.removeprefix(self._prefix)] if line.startswith(self._prefix) else []

    # What it costs

    def _spawn(self, *command, **options):
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                   **{"stderr": subprocess.DEVNULL, **options})
        self._processes.append(process)
        return process

    def pids(self):
        """Of the program itself, without a client that only prints what it is told."""
        return [pid for process in self._processes for pid in [process.pid] + descendants(process.pid)]

    def client_pids(self):
        return [self._client.pid] if self._client else []

    def ended(self):
        """It has crashed or given up."""
        return any(process.poll() is not None for process in self._processes)

    def cpu_seconds(self):
        """(of the program, of its client)"""
        return sum(map(cpu_of, self.pids())), sum(map(cpu_of, self.client_pids()))

    def rss_mib(self):
        """(resident, of it anonymous)"""
        return tuple(sum(status_kib(pid, key) for pid in self.pids()) / 1024 for key in ("VmRSS", "RssAnon"))

    def stop(self):
        for process in ([self._client] if self._client else []) + self._processes:
            process.terminate()
            process.wait()


def cpu_of(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:     # it has ended
        return 0
    return (int(fields[STAT_UTIME]) + int(fields[STAT_STIME])) / TICKS


def status_kib(pid, key):
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


class Wakeline(Watcher):
    name = "wakeline"

    def start(self):
        self._daemon = Daemon(self.folder, {"bench": self.root}).start()
        self._client = subprocess.Popen([bench_program("paths"), str(self._daemon.port), self._daemon.token(), "bench"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._follow(self._client)

    def _paths(self, line):
        return [line]

    def pids(self):
        return [self._daemon.pid] + descendants(self._daemon.pid)

    def stop(self):
        self._daemon.stop()
        self._client.wait()


class Inotifywait(Watcher):
    name = "inotifywait"
    package = "inotify-tools"
    program = "inotifywait"

    def start(self):
        self._follow(self._spawn("inotifywait", "-m", "-r", "-q", "-e",
                                 "modify,attrib,close_write,create,delete,move", "--format", "%w%f", self.root))


class Fswatch(Watcher):
    name = "fswatch"
    package = "fswatch"
    program = "fswatch"

    def start(self):
        """With the shortest latency that it accepts."""
        self._follow(self._spawn("fswatch", "-r", "-l", "0.1", self.root))


class Watchman(Watcher):
    """With a server of its own and its default settings; its client prints a JSON object a line."""

    name = "watchman"
    package = "watchman"
    program = "watchman"

    def start(self):
        socket = self.folder / "socket"
        self._spawn("watchman", "--foreground", "--sockname", socket, "--statefile", self.folder / "state",
                    "--logfile", self.folder / "log", "--no-save-state", stdin=subprocess.DEVNULL)
        while not socket.exists():
            time.sleep(0.002)
        subprocess.run(["watchman", "--sockname", socket, "--no-spawn", "watch", self.root], check=True,
                       stdout=subprocess.DEVNULL)
        self._client = subprocess.Popen(["watchman", "--sockname", socket, "--no-spawn", "--no-pretty", "-j", "-p"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        request = ["subscribe", str(self.root), "bench", {"fields": ["name"]}]
        self._client.stdin.write(json.dumps(request).encode() + b"\n")
        self._client.stdin.flush()
        self._follow(self._client)

    def _paths(self, line):
        return [os.fsencode(name) for name in json.loads(line).get("files", ())]


class Watchdog(Watcher):
    name = "watchdog"
    package = "python3-watchdog"

    @classmethod
    def missing(cls):
        probe = subprocess.run([sys.executable, "-c", "import watchdog"], stderr=subprocess.DEVNULL)
        return cls.package if probe.returncode else None

    def start(self):
        self._follow(self._spawn(sys.executable, "-c", WATCHDOG, self.root))


WATCHERS = [Wakeline, Inotifywait, Fswatch, Watchman, Watchdog]
