"""What the tests do to a drive: the jobs of the scenarios, and a seeded stream of random operations."""
import ctypes
import os
import random
import subprocess
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def exchange(a, b):
    """Swap two names in one step, as renameat2(2) does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(a), None, str(b))


def run(*command, **options):
    subprocess.run([os.fspath(part) for part in command], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def git(repository, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false",
                "-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"]
    run("git", *identity, *arguments, cwd=repository)


def save_atomically(path, text):
    """As an editor saves: a temporary file beside it, then a rename over it."""
    temporary = path.with_name(path.name + "~")
    with open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def make_tree(root, directories=8, files=8):
    """A small tree with a link in each directory."""
    for d in range(directories):
        folder = root / f"album {d}" / "disc"
        folder.mkdir(parents=True)
        for f in range(files):
            (folder / f"track {f}").write_text(f"{d}/{f}\n" * (f + 1))
        (folder / "first").symlink_to("track 0")
    return root


def make_repository(folder):
    """A git repository with the branches main, renamed and replaced."""
    folder.mkdir()
    git(folder, "init", "-q")
    make_tree(folder, 12, 12)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    git(folder, "checkout", "-qb", "renamed")
    git(folder, "mv", "album 0", "first album")
    git(folder, "mv", "album 1/disc/track 1", "album 2/disc/moved")
    git(folder, "rm", "-rq", "album 3")
    git(folder, "commit", "-qm", "two")
    git(folder, "checkout", "-qb", "replaced", "main")
    git(folder, "rm", "-rq", "album 4")
    (folder / "album 4").write_text("a file where a directory was\n")
    (folder / "album 5/disc/first").unlink()
    (folder / "album 5/disc/first").write_text("a file where a link was\n")
    for track in (folder / "album 6/disc").glob("track*"):
        track.write_text("again\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "three")
    git(folder, "checkout", "-q", "main")
    return folder


class Churn:
    """Random operations below a directory, the same for the same seed.  step() does one."""

    NAMES = [f"n{i}" for i in range(12)] + ["\u00e9t\u00e9", "two words"]

    def __init__(self, root, seed):
        self.root = Path(root)
        self.random = random.Random(seed)
        self.counter = 0

    def run(self, steps):
        for _ in range(steps):
            self.step()

    def step(self):
        self.counter += 1
        operation = self.random.choices(
            [self.write, self.append, self.make_dir, self.link, self.hard_link, self.rename, self.swap, self.remove,
             self.replace, self.mode], [6, 3, 4, 1, 1, 5, 1, 3, 2, 1])[0]
        try:
            operation()
        except OSError:
            pass            # the names are random: some operations make no sense, as in real life

    def paths(self):
        found = []
        for folder, directories, files in os.walk(self.root):
            found += [Path(folder) / name for name in sorted(directories) + sorted(files)]
            directories.sort()
        return found

    def old(self):
        return self.random.choice(self.paths() or [self.root / "nothing"])

    def folder(self):
        return self.random.choice([self.root] + [path for path in self.paths()
                                                 if path.is_dir() and not path.is_symlink()])

    def new(self):
        return self.folder() / self.random.choice(self.NAMES)

    def text(self):
        return f"{self.counter}\n" * self.random.randrange(1, 50)

    def write(self):
        self.new().write_text(self.text())

    def append(self):
        with open(self.old(), "a") as file:
            file.write(self.text())

    def make_dir(self):
        self.new().mkdir()

    def link(self):
        self.new().symlink_to(self.random.choice(self.NAMES))

    def hard_link(self):
        os.link(self.old(), self.new(), follow_symlinks=False)

    def rename(self):
        self.old().rename(self.new())

    def swap(self):
        exchange(self.old(), self.old())

    def remove(self):
        path = self.old()
        if path.is_dir() and not path.is_symlink():
            run("rm", "-rf", path)
        else:
            path.unlink()

    def replace(self):
        path = self.new()
        temporary = self.root / "temporary"
        temporary.write_text(self.text())
        temporary.rename(path)

    def mode(self):
        path = self.old()
        if not path.is_symlink():
            path.chmod(self.random.choice([0o700, 0o755, 0o775]))
