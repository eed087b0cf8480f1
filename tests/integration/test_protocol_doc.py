"""docs/protocol.md says what happens: every example in it is replayed, section by section, against a fresh daemon.

A fenced block is a step: `json client` is sent and `json server` must come, `sh drive` is run in the drive, `http request` is
made and `http response` must be its answer.  `other client` is a second connection, `control` the Unix socket.  Values that
differ from run to run (FREE by type only; BOUND one to one) may differ; all other values, and which members there are, must
be as written.  A bound value of the document stands for the actual one wherever it occurs again in the section.
"""
import json
import re
import subprocess
import unittest

from connection import Connection, Frame
from harness import REPOSITORY, DaemonCase

DOCUMENT = REPOSITORY / "docs" / "protocol.md"
BLOCK = re.compile(r"^```(\S+) ([a-z ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Members whose values mean nothing beyond one run.
FREE = {"at", "mtime", "seconds", "queue_bytes", "lag_ms", "uid", "gid", "version", "server", "started", "ended", "created", "expires",
        "revoked", "root", "backend", "message"}
# Members whose values stand for something: which actual value a written one is, is learnt when it first comes.
BOUND = {"cursor": "cursor", "prev": "cursor", "sub": "sub", "session": "session", "rev": "rev", "node": "node",
         "epoch": "epoch", "token": "token"}
CURSOR = re.compile(r"^\d+-\d+~[0-9a-f]{16}$")
TOKEN = "Zm9yLXRoZS1leGFtcGxlcy1vZi10aGlzLXBhZ2Utb24"


def sections(text):
    """[(heading, [(language, role, content)])] of those with blocks."""
    found = []
    for part in re.split(r"^(?=#{2,3} )", text, flags=re.MULTILINE):
        blocks = BLOCK.findall(part)
        if blocks:
            found.append((part.splitlines()[0].lstrip("# "), blocks))
    return found


class Section:
    """One heading's conversation."""

    def __init__(self, case, daemon, token):
        self.case = case
        self.daemon = daemon
        self.actual = {("token", TOKEN): token}
        self.written = {("token", token): TOKEN}
        self.token = token
        self.connections = {}
        self.response = None

    # Values

    def bind(self, kind, written, actual):
        self.case.assertIs(type(actual), type(written))
        self.case.assertEqual(self.actual.setdefault((kind, written), actual), actual,
                              f"the document's {kind} {written} is one value, not two")
        self.case.assertEqual(self.written.setdefault((kind, actual), written), written,
                              f"the {kind} {actual} is one value, in the document two")

    def compare(self, written, actual, key=None):
        if isinstance(written, dict):
            self.case.assertIsInstance(actual, dict)
            self.case.assertEqual(list(written), list(actual), "the members, in order")
            for name in written:
                self.compare(written[name], actual[name], name)
        elif isinstance(written, list):
            self.case.assertEqual(len(written), len(actual), f"{key}: {actual}")
            for one, other in zip(written, actual):
                self.compare(one, other, key)
        elif key in FREE:
            self.case.assertIs(type(actual), type(written), f"{key} is {actual!r}")
        elif key in BOUND:
            self.bind(BOUND[key], written, actual)
        else:
            self.case.assertEqual(written, actual, key)

    def substitute(self, value):
        """What is sent: known cursors and the token become the actual ones."""
        if isinstance(value, dict):
            return {key: self.substitute(one) for key, one in value.items()}
        if isinstance(value, str):
            return self.actual.get(("token", value), self.actual.get(("cursor", value), value))
        return value

    # Steps

    def connection(self, name, greet=True):
        if name not in self.connections:
            connection = self.connections[name] = Connection(self.daemon.ws)
            if greet:
                connection.hello(self.token)
        return self.connections[name]

    def step_client(self, content, name="client"):
        frame = json.loads(content)
        self.connection(name, greet=frame["type"] != "hello").send(self.substitute(frame))

    def step_server(self, content, name="client"):
        written = json.loads(content)
        actual = self.connection(name).receive()
        try:
            self.compare(written, self.plain(actual))
        except AssertionError as error:
            raise AssertionError(f"{error}\nwritten: {content}actual:  {actual.raw}") from None

    def plain(self, frame):
        return dict(frame) if isinstance(frame, Frame) else frame

    def step_other_client(self, content):
        self.step_client(content, "other client")

    def step_other_server(self, content):
        self.step_server(content, "other client")

    def step_drive(self, content):
        # At rest before and after, so that each block's changes are what its frames are about.
        self.rest()
        subprocess.run(["bash", "-euc", "umask 022\n" + content], cwd=self.daemon.drives["music"], check=True)

    def rest(self):
        self.daemon.http("POST", "/api/sync/barrier", {"stream": "drive:music"}, token=self.token)

    def step_request(self, content, ask=None):
        head, _, body = content.partition("\n\n")
        lines = head.strip().splitlines()
        method, path, _ = lines[0].split()
        headers = dict(line.split(": ", 1) for line in lines[1:])
        for key in headers:
            headers[key] = headers[key].replace(TOKEN, self.token)
        ask = ask or self.daemon.http
        self.response = ask(method, path, body.strip() or None, token="", headers=headers)

    def step_response(self, content):
        head, _, body = content.partition("\n\n")
        self.case.assertEqual(self.response.status, int(head.split()[1]), self.response.text)
        if self.response.body is None:
            self.case.assertEqual(body, self.response.text)
            return
        try:
            self.compare(json.loads(body), self.response.body)
        except AssertionError as error:
            raise AssertionError(f"{error}\nwritten: {body}actual:  {self.response.text}") from None

    def step_control_request(self, content):
        self.step_request(content, self.daemon.control)

    def step_control_response(self, content):
        self.step_response(content)

    def play(self, blocks):
        for _, role, content in blocks:
            getattr(self, "step_" + role.replace(" ", "_"))(content)


class DocumentTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.text = DOCUMENT.read_text()

    def test_every_example(self):
        before = next(content for _, role, content in BLOCK.findall(self.text) if role == "drive before")
        for heading, blocks in sections(self.text):
            blocks = [block for block in blocks if block[1] != "drive before"]
            if not blocks:
                continue
            with self.subTest(section=heading):
                root = self.make_root_on(self.work)
                subprocess.run(["bash", "-euc", "umask 022\n" + before], cwd=root, check=True)
                daemon = self.new_daemon({self.drive: root})
                daemon.start()
                made = daemon.control("POST", "/api/tokens", {"name": "example", "scopes": ["read", "admin"],
                                                              "drives": ["*"]})
                self.assertEqual(made.status, 201, made.text)
                section = Section(self, daemon, made.body["token"])
                section.rest()
                section.play(blocks)
                daemon.stop()

    def test_every_type_of_frame_is_in_it(self):
        server = {"welcome", "subscribed", "unsubscribed", "ev", "mark", "snap", "note", "reset", "barrier", "error", "pong"}
        client = {"hello", "subscribe", "unsubscribe", "barrier", "ping"}
        shown = {"client": set(), "server": set()}
        for _, role, content in BLOCK.findall(self.text):
            side = role.rpartition(" ")[2]
            if side in shown:
                shown[side].add(json.loads(content)["type"])
        self.assertEqual(server - shown["server"], set())
        self.assertEqual(client - shown["client"], set())

    def test_every_endpoint_is_in_it(self):
        """Each route in the daemon's table has a heading or an example."""
        source = (REPOSITORY / "net" / "routes.c").read_text()
        for path in re.findall(r'\{METHOD_\w+, "(/[^"]+)"', source):
            self.assertIn(path.replace("{}", "{id}"), self.text)


if __name__ == "__main__":
    unittest.main()
