"""The same creation of many small files with no daemon at all and on a watched drive, in pairs."""
import subprocess

from bench import Folder, MemoryWatch, bench_program, new_daemon, run

FILE_BYTES = 100
LIMIT_S = 300


class Creation:
    """`files` files, `per_directory` to a directory, on fresh drives below drive_dir, stores below state_dir."""

    def __init__(self, files, per_directory, drive_dir, state_dir, settings=None):
        self.files = files
        self.per_directory = per_directory
        self.drive_dir = drive_dir
        self.state_dir = state_dir
        self.settings = settings or {}

    def create(self, root):
        """(seconds, beginning in ns of the monotonic clock)"""
        began, ended = map(int, run("create", root, self.files, FILE_BYTES, self.per_directory)[0])
        return (ended - began) / 1e9, began

    def alone(self):
        with Folder(self.drive_dir) as root:
            return self.create(root)[0]

    def watched(self):
        """(creation s, client done s, items, memory), both times from the beginning of the creation."""
        with Folder(self.drive_dir) as root, Folder(self.state_dir) as folder:
            daemon = new_daemon(folder, root, **self.settings)
            try:
                return self._watched(daemon, root)
            finally:
                daemon.stop()

    def _watched(self, daemon, root):
        follower = subprocess.Popen([bench_program("follow"), str(daemon.port), daemon.token(), "bench",
                                     str(self.files), str(FILE_BYTES)], stdout=subprocess.PIPE, text=True)
        assert follower.stdout.readline() == "ready\n", "the client could not subscribe"
        memory = MemoryWatch(daemon)
        creation, began = self.create(root)
        done, items = map(int, follower.communicate(timeout=LIMIT_S)[0].split())
        return creation, (done - began) / 1e9, items, memory.end()

    def pairs(self, count):
        """[(alone, watched)], the order changing from pair to pair."""
        found = []
        for number in range(count):
            base = self.alone() if number % 2 == 0 else None
            result = self.watched()
            found.append((base or self.alone(), result))
        return found
