"""What the benchmarks share: the daemon of the integration tests, the built programs, memory by kind, and a table."""
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from harness import Daemon, descendants, program  # noqa: E402

SAMPLE_S = 0.05
STORE_FILE = "/store.mdb"
PROCESSES = ("daemon", "starter", "watcher")


def use_build(folder):
    os.environ["WAKELINE_BUILD"] = str(Path(folder).resolve())


def bench_program(name):
    path = Path(os.environ["WAKELINE_BUILD"]) / "tests" / f"bench_{name}"
    if not path.is_file():
        sys.exit(f"{path} is not built; run: cmake --preset release && cmake --build --preset release")
    return str(path)


def run(name, *arguments):
    """The lines that a built program prints, split."""
    result = subprocess.run([bench_program(name), *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return [line.split() for line in result.stdout.splitlines()]


class Folder:
    """A fresh directory below `where`, gone afterwards."""

    def __init__(self, where):
        self.path = Path(tempfile.mkdtemp(prefix="wakeline-bench-", dir=where))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


class RamExt4(Folder):
    """An empty ext4 in memory, so that no disk's mood is measured.  Needs root."""

    IMAGE_BYTES = 3 << 30

    def __init__(self, image_bytes=IMAGE_BYTES, inodes=None):
        super().__init__(None)
        self._bytes = image_bytes
        self._options = ["-N", str(inodes)] if inodes else []

    def __enter__(self):
        self._image = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wakeline-bench-")
        self._image.truncate(self._bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", *self._options, self._image.name], check=True)
        subprocess.run(["mount", "-o", "loop", self._image.name, self.path], check=True)
        return self.path

    def __exit__(self, *error):
        subprocess.run(["umount", self.path], check=True)
        self._image.close()
        super().__exit__(*error)


def file_system(path):
    """Type and device of the file system that holds a path, for the table's heading."""
    best = ("", "?", "?")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mounted, kind = line.split()[:3]
        if Path(path).resolve().is_relative_to(mounted) and len(mounted) >= len(best[0]):
            best = (mounted, kind, device)
    return f"{best[1]} ({best[2]})"


def machine():
    return f"{os.cpu_count()} cores, Linux {platform.release()}"


def new_daemon(folder, root, **settings):
    """A started daemon that has indexed its one drive, `bench`."""
    daemon = Daemon(folder, {"bench": root}, settings={"bench": settings}).start()
    daemon.connect().barrier("drive:bench")
    return daemon


class MemoryWatch:
    """The largest resident memory of each process of a daemon while it is watched, in KiB: anonymous, of programs and
    libraries, and the pages of the store that LMDB has mapped."""

    def __init__(self, daemon):
        pids = [daemon.pid] + descendants(daemon.pid)
        self.names = {pid: PROCESSES[i] if i < len(PROCESSES) else f"process {i + 1}" for i, pid in enumerate(pids)}
        self.peaks = {pid: {"RssAnon": 0, "RssFile": 0} for pid in self.names}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self):
        for pid, peak in self.peaks.items():
            # One that checked or built something may have ended.
            with contextlib.suppress(OSError):
                fields = self._fields(pid)
                for key in peak:
                    peak[key] = max(peak[key], fields.get(key, 0))

    @staticmethod
    def _fields(pid):
        fields = {}
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if value.endswith("kB"):
                fields[key] = int(value.split()[0])
        return fields

    @staticmethod
    def _store(pid):
        """Resident KiB of the store's file: they only grow, so once at the end will do."""
        ours = False
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            first, _, rest = line.partition(" ")
            if not first.endswith(":"):
                ours = line.endswith(STORE_FILE)
            elif ours and first == "Rss:":
                return int(rest.split()[0])
        return 0

    def cpu_seconds(self):
        ticks = {}
        for pid in self.names:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks[self.names[pid]] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return ticks

    def end(self):
        """[(process, peak anonymous KiB, peak of programs and libraries KiB, peak of LMDB's pages KiB, CPU seconds)]"""
        self._stop.set()
        self._thread.join()
        self._sample()
        cpu = self.cpu_seconds()
        store = {pid: self._store(pid) for pid in self.names}
        return [(self.names[pid], peak["RssAnon"], max(0, peak["RssFile"] - store[pid]), store[pid],
                 cpu[self.names[pid]]) for pid, peak in self.peaks.items()]


def print_table(headings, rows):
    """GitHub's kind of table, as docs/performance.md has them."""
    rows = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(headings)] + rows) for i in range(len(headings))]
    for row in [list(headings), ["-" * width for width in widths]] + rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


__all__ = ["Daemon", "Folder", "MemoryWatch", "RamExt4", "bench_program", "file_system", "machine", "new_daemon", "percentile",
           "print_table", "program", "run", "use_build"]
