"""What the lines of a scenario's `given` and `do` blocks do; test_scenarios.py lists them."""
import ctypes
import mmap
import os
import shutil
import signal
import subprocess

from scenario import BadScenario, name_bytes
from workload import exchange

OUTSIDE = b"outside/"
LONG_PATH = 3000        # longer ones are walked: the kernel takes at most PATH_MAX (4096) at once


def open_below(folder, parts):
    """A descriptor of a directory, however deep."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


class Actions:
    """The actions of one scenario, in its directory of the drive.  `world` runs the daemon."""

    def __init__(self, world, inside, outside):
        self.world = world
        self.inside, self.outside = inside, outside
        self.held = {}          # path as written: descriptor that is open for writing
        self.parents = []       # descriptors through which long paths go

    def do(self, action):
        words = action.words
        for count in (2, 1):
            method = getattr(self, "do_" + "_".join(words[:count]).replace("-", "_"), None)
            if method is not None and len(words) >= count:
                break
        else:
            raise BadScenario(action.where, f"`{words[0]}` is no action")
        self.where = action.where
        try:
            method(*words[count:])
        except TypeError as error:
            raise BadScenario(action.where, f"`{action.text}`: {error}") from error
        except OSError as error:
            raise AssertionError(f"{action.where}: `{action.text[:100]}` failed: {error.strerror}") from error
        self._close(self.parents)

    def end(self):
        """Whatever a scenario left open or stopped."""
        self._close(list(self.held.values()) + self.parents)
        self.held.clear()
        self.world.let_watchers_go_on()

    @staticmethod
    def _close(fds):
        for fd in fds:
            os.close(fd)
        del fds[:]

    def path(self, word):
        path, folder = name_bytes(word, self.where), self.inside
        if path.startswith(OUTSIDE):
            path, folder = path[len(OUTSIDE):], self.outside
        if len(path) < LONG_PATH:
            return os.path.join(folder, path)
        *parents, name = path.split(b"/")
        fd = open_below(folder, parents)
        self.parents.append(fd)
        return os.path.join(b"/proc/self/fd/%d" % fd, name)

    # Content

    def do_write(self, word, *text):
        with open(self.path(word), "w") as file:
            file.write(" ".join(text) + "\n")

    def do_append(self, word, *text):
        with open(self.path(word), "a") as file:
            file.write(" ".join(text) + "\n")

    def do_truncate(self, word, size):
        os.truncate(self.path(word), int(size))

    def do_mmap(self, word, *text):
        """Overwrite the beginning through shared memory."""
        with open(self.path(word), "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            data = " ".join(text).encode()
            memory[:len(data)] = data

    def do_sparse(self, word, size):
        """A file with one byte at its end and a hole before."""
        with open(self.path(word), "wb") as file:
            file.seek(int(size) - 1)
            file.write(b"x")

    def do_allocate(self, word, size):
        fd = os.open(self.path(word), os.O_WRONLY)
        try:
            os.posix_fallocate(fd, 0, int(size))
        finally:
            os.close(fd)

    def do_rewrite_unseen(self, word, *text):
        """Other bytes with the size and the mtime of before."""
        path = self.path(word)
        status = os.stat(path)
        with open(path, "r+") as file:
            file.write(" ".join(text))
        assert os.stat(path).st_size == status.st_size, "the text of rewrite-unseen is longer than the file"
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    # Writers that stay

    def do_open(self, word):
        self.held[word] = os.open(self.path(word), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def do_put(self, word, *text):
        """Write through the writer that is open."""
        os.write(self.held[word], " ".join(text).encode() + b"\n")

    def do_close(self, word):
        os.close(self.held.pop(word))

    def do_tmpfile(self, word):
        """A file without a name; `put` and `close` know it as `word`, `publish` names it."""
        self.held[word] = os.open(self.inside, os.O_TMPFILE | os.O_WRONLY, 0o644)

    def do_publish(self, word, name):
        libc = ctypes.CDLL(None, use_errno=True)
        old, at_fdcwd, follow = b"/proc/self/fd/%d" % self.held[word], -100, 0x400
        if libc.linkat(at_fdcwd, old, at_fdcwd, self.path(name), follow) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    # Names

    def do_mkdir(self, *words):
        if words[0] != "-p":
            os.mkdir(self.path(*words))
            return
        parts, folder = name_bytes(words[1], self.where).split(b"/"), self.inside
        if parts[0] + b"/" == OUTSIDE:
            parts, folder = parts[1:], self.outside
        for depth, part in enumerate(parts):
            above = open_below(folder, parts[:depth])
            try:
                os.mkdir(part, dir_fd=above)
            except FileExistsError:
                pass
            finally:
                os.close(above)

    def do_mv(self, old, new):
        os.rename(self.path(old), self.path(new))

    def do_exchange(self, a, b):
        exchange(self.path(a), self.path(b))

    def do_ln(self, old, new):
        os.link(self.path(old), self.path(new))

    def do_symlink(self, target, link):
        os.symlink(name_bytes(target, self.where), self.path(link))

    def do_rm(self, *words):
        if words[0] == "-r":
            shutil.rmtree(self.path(words[1]))
        else:
            os.unlink(self.path(*words))

    def do_rmdir(self, word):
        os.rmdir(self.path(word))

    def do_fifo(self, word):
        os.mkfifo(self.path(word))

    # What is no content

    def do_chmod(self, mode, word):
        os.chmod(self.path(word), int(mode, 8))

    def do_chown(self, owner, word):
        os.chown(self.path(word), int(owner), -1, follow_symlinks=False)

    def do_setfacl(self, acl, word):
        subprocess.run(["setfacl", "-m", acl, self.path(word)], check=True, stdin=subprocess.DEVNULL)

    def do_touch(self, word):
        with open(self.path(word), "a"):
            os.utime(self.path(word))

    def do_date(self, seconds, word):
        """Set the mtime, to seconds since 1970."""
        os.utime(self.path(word), (int(seconds), int(seconds)))

    # Others

    def do_run(self, *words):
        words = [name_bytes(word, self.where).replace(b"outside/", self.outside + b"/") for word in words]
        result = subprocess.run(words, cwd=self.inside, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert result.returncode == 0, f"{self.where}: it ended with {result.returncode}: {result.stderr}"

    def do_settle(self):
        self.world.settle()

    def do_daemon_stop(self):
        self.world.daemon.stop()

    def do_daemon_kill(self):
        self.world.daemon.kill()

    def do_daemon_start(self):
        self.world.daemon.start()
        self.world.reconnect()

    def do_watcher_stop(self):
        os.kill(self.world.watcher(), signal.SIGSTOP)

    def do_watcher_continue(self):
        os.kill(self.world.watcher(), signal.SIGCONT)

    def do_watcher_kill(self):
        self.world.kill_watcher()
