"""A daemon with a state directory and drives of its own, and the test case that takes them down again.

Every daemon that a test started is stopped, must then have ended cleanly, and its store must pass `wakelined --check`.
"""
import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import truth
from connection import PATIENCE, Connection
from replica import Ledger, Replica

REPOSITORY = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("WAKELINE_LONG"))
SANITIZER_MARKS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:")


def build_dir():
    return Path(os.environ.get("WAKELINE_BUILD", REPOSITORY / "build" / "debug"))


def program(name):
    """The built `wakelined` or `wakeline`."""
    for folder in ("daemon", "client", "."):
        path = build_dir() / folder / name
        if path.is_file():
            return str(path)
    raise unittest.SkipTest(f"{name} is not built in {build_dir()}")


def test_program(name):
    """A program that the tests build for themselves."""
    path = build_dir() / "tests" / name
    if not path.is_file():
        raise unittest.SkipTest(f"{name} is not built in {build_dir()}")
    return str(path)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid):
    """The pids of all processes below one; one that ends meanwhile has none."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                found += [int(child)] + descendants(int(child))
    return found


def process_name(pid):
    """What the kernel calls it; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def wait_for_end(pid, patience=PATIENCE):
    """Return when a process that need not be our child has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready = select.select([fd], [], [], patience)[0]
        assert ready or not alive(pid), f"process {pid} did not end within {patience} s"
    finally:
        os.close(fd)


class Answer:
    """An HTTP answer: status, headers, and the body, parsed when it is JSON."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        self.body = None
        if (self.headers.get("Content-Type") or "").startswith("application/json"):
            self.body = json.loads(self.text)


class UnixHTTPConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


class Daemon:
    """wakelined with one configuration; may be started, stopped and killed any number of times."""

    def __init__(self, folder, drives, port=None, settings=None):
        """drives: {name: path}; settings: {name: {key: value}} for their sections."""
        self.folder = Path(folder)
        self.state = self.folder / "state"
        self.drives = {name: Path(path) for name, path in drives.items()}
        self.settings = settings or {}
        self.port = port or free_port()
        self.config = self.folder / "wakelined.conf"
        self.log = self.folder / "wakelined.log"
        self.process = None
        self.environment = {}       # beside ours
        self.prefix = []            # a command that ends in exec of what follows it
        self.tokens = {}
        self.write_config()

    def write_config(self):
        lines = ["[server]", f"listen = 127.0.0.1:{self.port}", f"state_dir = {self.state}"]
        for name, path in self.drives.items():
            lines += ["", f'[drive "{name}"]', f"path = {path}"]
            lines += [f"{key} = {value}" for key, value in self.settings.get(name, {}).items()]
        self.config.write_text("\n".join(lines) + "\n")

    # Processes

    def start(self):
        """Return when it serves."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, program("wakelined"), "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})
        self.wait_until_healthy()
        return self

    def _wait(self, happened, what):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            # Waiting for its death is what we do between two looks.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
                raise AssertionError(f"wakelined ended with {self.process.returncode}:\n{self.log_tail()}")
            assert time.monotonic() < deadline, f"{what}:\n{self.log_tail()}"

    def wait_until_healthy(self):
        self._wait(self._healthy, "wakelined does not serve")

    def wait_until(self, fits, message):
        """Return when fits() is true."""
        self._wait(fits, message)

    def wait_for_log(self, text):
        """Return when this stands in the log."""
        self._wait(lambda: text in self.log.read_text(errors="replace"), f"`{text}` is not logged")

    def _healthy(self):
        try:
            return self.http("GET", "/healthz", token="").status == 200
        except OSError:
            return False

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """End it as an administrator does; it must go cleanly, and all its processes with it."""
        if self.process is None:
            return
        below = descendants(self.pid)
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        for pid in below:
            wait_for_end(pid)
        assert code == 0, f"wakelined ended with {code}:\n{self.log_tail()}"
        self.assert_log_clean()

    def kill(self):
        """SIGKILL the daemon alone; its starter and watchers must end by themselves."""
        below = descendants(self.pid)
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None
        for pid in below:
            wait_for_end(pid)

    def check(self):
        """The store is whole.  Only while the daemon does not run."""
        result = subprocess.run([program("wakelined"), "--check", "--config", str(self.config)],
                                capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, f"--check found faults:\n{result.stdout}{result.stderr}"
        return result.stdout

    def log_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def assert_log_clean(self):
        text = self.log.read_text(errors="replace")
        for mark in SANITIZER_MARKS:
            at = text.find(mark)
            assert at < 0, f"{mark} in the daemon's log:\n{text[max(0, at - 200):at + 6000]}"

    @contextlib.contextmanager
    def blind(self):
        """What is done inside is seen in one look, at its end: the watcher is stopped meanwhile."""
        watcher = self.processes("wakeline-watch")[-1]
        os.kill(watcher, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(watcher, signal.SIGCONT)

    def processes(self, name):
        """The pids of the daemon's processes that are called so (wakeline-watch, wakeline-files)."""
        return [pid for pid in descendants(self.pid) if process_name(pid) == name]

    # Talking to it

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    def command(self, *arguments, check=True):
        """Run `wakeline`; its CompletedProcess."""
        result = subprocess.run([program("wakeline"), *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                stdin=subprocess.DEVNULL)
        assert not check or result.returncode == 0, f"wakeline {arguments}: {result.stdout}{result.stderr}"
        return result

    def new_token(self, *scopes, drives=("*",), expires_in=None, prefixes=()):
        """What POST /api/tokens answers: a fresh token, its id and the rest."""
        answer = self.control("POST", "/api/tokens", {"name": f"test {len(self.tokens)}", "scopes": scopes or ["read"],
                                                      "drives": drives, "expires_in": expires_in,
                                                      **({"prefixes": prefixes} if prefixes else {})})
        assert answer.status == 201, answer.text
        return answer.body

    def token(self, *scopes, drives=("*",)):
        """A token for these scopes (default: read) and drives, made once."""
        key = (scopes, drives)
        if key not in self.tokens:
            self.tokens[key] = self.new_token(*scopes, drives=drives)["token"]
        return self.tokens[key]

    def connect(self, token=None, **options):
        return Connection(self.ws, token if token is not None else self.token(), **options)

    def http(self, method, path, body=None, token=None, headers=None):
        """One request; `token` "" sends none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        return self._request(connection, method, path, body, self.token() if token is None else token, headers)

    def control(self, method, path, body=None, token="", headers=None):
        """The same over the Unix socket, as an administrator."""
        return self._request(UnixHTTPConnection(self.state / "control"), method, path, body, token, headers)

    @staticmethod
    def _request(connection, method, path, body, token, headers):
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = "Bearer " + token
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def status(self, drive):
        """The drive's entry in /api/sync/status."""
        drives = self.http("GET", "/api/sync/status").body["drives"]
        return next(entry for entry in drives if entry["name"] == drive)

    def refuse(self):
        """Start it on a configuration that it must refuse: its error, which must be one line."""
        result = subprocess.run([program("wakelined"), "--config", str(self.config)], capture_output=True, text=True,
                                timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert result.returncode != 0, "wakelined ended with 0"
        assert result.returncode > 0, f"wakelined was ended by signal {-result.returncode}: {result.stderr}"
        lines = (result.stdout + result.stderr).strip().splitlines()
        assert len(lines) == 1, f"not one line but {len(lines)}:\n" + "\n".join(lines)
        return lines[0]


class DaemonCase(unittest.TestCase):
    """A test with a directory of its own, in which lie one drive, `music`, and whatever else it makes."""

    drive = "music"
    settings = {}

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="wakeline-test-"))
        self.addCleanup(self._remove, self.work)
        self.root = self.make_root()
        self.ledger = Ledger()
        self.daemons = []
        self.daemon = self.new_daemon({self.drive: self.root}, settings={self.drive: self.settings})

    def make_root(self):
        """The directory that is watched; a class that tests another file system overrides this."""
        root = self.work / "drive"
        root.mkdir()
        return root

    def make_root_on(self, file_system):
        root = Path(tempfile.mkdtemp(prefix="wakeline-test-", dir=file_system))
        self.addCleanup(self._remove, root)
        return root

    @staticmethod
    def _remove(folder):
        shutil.rmtree(os.fsencode(folder), ignore_errors=True)

    def new_daemon(self, drives, folder=None, **options):
        folder = folder or Path(tempfile.mkdtemp(prefix="daemon-", dir=self.work))
        daemon = Daemon(folder, drives, **options)
        self.daemons.append(daemon)
        self.addCleanup(self._finish, daemon)
        return daemon

    @staticmethod
    def _finish(daemon):
        """What holds after every test; a test that has failed already is not hidden by it."""
        if daemon.process is not None:
            try:
                daemon.stop()
                daemon.check()
            finally:
                if daemon.process is not None:
                    daemon.process.kill()
                    daemon.process.wait(PATIENCE)

    def replica(self, connection=None, drive=None):
        return Replica(connection or self.daemon.connect(), drive or self.drive, self.ledger)

    def assert_truth(self, replica):
        """At rest the replica equals the drive."""
        replica.settle()
        truth.assert_equal(self.daemon.drives[replica.drive], replica.tree)
