"""The referee itself: a replica that would let a broken stream pass proves nothing."""
import asyncio
import json
import os
import tempfile
import time
import unittest
from pathlib import Path

import websockets

import truth
from connection import Closed, Connection, Loop, parse_frame
from replica import Ledger, Replica, parse_cursor

EPOCH = 5


def cursor(seq):
    return f"{EPOCH}-{seq}~{seq:016x}"


def entry(node, path, kind="dir", **more):
    item = {"drive": "music", "node": node, "path": path, "kind": kind, "mode": 0o755, "uid": 0, "gid": 0,
            "rev": f"{EPOCH}-0"}
    if kind != "dir":
        item.update(size=1, mtime="2026-01-02T03:04:05.000000006Z")
    return {**item, **more}


def event(name, seq, node, path, kind="dir", **more):
    return entry(node, path, kind, event="drive.file." + name, seq=seq, at="2026-01-02T03:04:05.000000006Z",
                 rev=f"{EPOCH}-{seq}", **more)


def ev(*items, prev=None, end=None):
    first, last = items[0]["seq"], items[-1]["seq"]
    return {"type": "ev", "sub": "1", "stream": "drive:music", "prev": cursor(first - 1 if prev is None else prev),
            "cursor": cursor(last if end is None else end), "items": list(items)}


class Script:
    """A connection whose frames are written down beforehand."""

    def __init__(self, frames):
        self.frames = [parse_frame(json.dumps(frame)) for frame in frames]

    def send(self, frame):
        pass

    def receive(self, match):
        frame = self.frames.pop(0)
        assert match(frame), frame
        return frame

    def expect(self, kind, **fields):
        return self.receive(lambda frame: frame["type"] == kind)


SNAPSHOT = [entry(1, "a"), entry(2, "a/b"), entry(3, "a/b/f", "file"), entry(4, "c")]


class ReplicaTest(unittest.TestCase):
    def play(self, *frames, snapshot=SNAPSHOT):
        start = [{"type": "subscribed", "id": "s", "sub": "1", "stream": "drive:music"},
                 {"type": "snap", "sub": "1", "stream": "drive:music", "items": snapshot, "last": True,
                  "cursor": cursor(10)}]
        replica = Replica(Script(start + list(frames)), "music").from_snapshot()
        for _ in frames:
            replica.step()
        return replica

    def refused(self, message, *frames, **options):
        with self.assertRaisesRegex(AssertionError, message):
            self.play(*frames, **options)

    def test_a_good_stream(self):
        replica = self.play(ev(event("created", 11, 5, "d"), event("moved", 12, 2, "d/e", **{"from": "a/b"})),
                            ev(event("updated", 13, 3, "d/e/f", "file", changed=["content"], size=9)),
                            ev(event("deleted", 14, 5, "d", recursive=True)))
        self.assertEqual(sorted(replica.tree.states()), [b"a", b"c"])

    def test_an_orphan(self):
        self.refused("orphan", ev(event("created", 11, 5, "x/y")))
        self.refused("orphan", ev(event("created", 11, 5, "a/b/f/y")))
        self.refused("orphan", ev(event("deleted", 11, 1, "a")))
        self.refused("orphan", snapshot=[entry(2, "a/b"), entry(1, "a")])

    def test_a_duplicate_name(self):
        self.refused("duplicate", ev(event("created", 11, 5, "c")))
        self.refused("duplicate", ev(event("moved", 11, 2, "c", **{"from": "a/b"})))

    def test_a_node_with_two_names(self):
        self.refused("two names", ev(event("created", 11, 4, "d")))

    def test_a_cycle(self):
        self.refused("orphan|cycle", ev(event("moved", 11, 1, "a/b/a", **{"from": "a"})))

    def test_another_node_or_kind(self):
        self.refused("is node", ev(event("updated", 11, 9, "c", changed=["meta"])))
        self.refused("is a dir", ev(event("updated", 11, 4, "c", "file", changed=["meta"])))
        self.refused("there is no", ev(event("deleted", 11, 9, "x")))

    def test_a_gap(self):
        self.refused("gap", ev(event("created", 12, 5, "d")))
        self.refused("gap", ev(event("created", 12, 5, "d"), prev=10))
        self.refused("gap", ev(event("created", 11, 5, "d"), event("created", 13, 6, "e")))
        self.refused("the last item", ev(event("created", 11, 5, "d"), end=12))

    def test_the_order(self):
        self.refused("out of order", ev(event("created", 11, 5, "d"), event("created", 11, 6, "e")))

    def test_a_swap_name_that_stays(self):
        self.refused("swap", ev(event("moved", 11, 4, ".wakeline-swap-4", **{"from": "c"})))

    def test_a_reset(self):
        self.refused("reset", {"type": "reset", "sub": "1", "stream": "drive:music", "reason": "gone"})

    def test_a_position_used_twice(self):
        ledger = Ledger()
        ledger.enter("drive:music", 1, {"seq": 1, "path": "a"})
        ledger.enter("drive:music", 1, {"path": "a", "seq": 1})
        ledger.enter("drive:music", 2, {"seq": 1, "path": "b"})
        with self.assertRaisesRegex(AssertionError, "two things"):
            ledger.enter("drive:music", 1, {"seq": 1, "path": "b"})


class TruthTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        (self.root / "a").write_text("x")
        self.status = (self.root / "a").stat()

    def replica_of(self, **more):
        ns = self.status.st_mtime_ns
        mtime = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09}Z"
        item = entry(1, "a", "file", **{"mode": self.status.st_mode & 0o7777, "uid": os.getuid(), "gid": os.getgid(),
                                        "mtime": mtime, **more})
        replica = Replica(None, "music")
        replica.tree.add(item)
        return replica.tree

    def test_equal(self):
        truth.assert_equal(self.root, self.replica_of())

    def test_each_difference_is_seen(self):
        for field, value in (("size", 2), ("mode", 0), ("uid", 77), ("mtime", "2026-01-02T03:04:05.000000006Z")):
            with self.subTest(field=field), self.assertRaisesRegex(AssertionError, field):
                truth.assert_equal(self.root, self.replica_of(**{field: value}))
        (self.root / "b").touch()
        with self.assertRaisesRegex(AssertionError, "not in the replica"):
            truth.assert_equal(self.root, self.replica_of())

    def test_names_that_are_not_utf8(self):
        self.assertEqual(truth.item_bytes({"path": "\ufffd", "path_b64": "/w=="}, "path"), b"\xff")
        for item in ({"path": "a", "path_b64": "YQ=="}, {"path": "x\ufffd", "path_b64": "/w=="}):
            with self.assertRaises(AssertionError):
                truth.item_bytes(item, "path")

    def test_times(self):
        self.assertEqual(truth.parse_time("1970-01-01T00:00:01.000000002Z"), 1_000_000_002)
        for text in ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01.5Z", "1970-01-01 00:00:01.000000000Z"):
            with self.assertRaises(AssertionError):
                truth.parse_time(text)


class ConnectionTest(unittest.TestCase):
    """Against a server of a few lines, on the same library."""

    def serve(self, handler):
        async def start():
            return await websockets.serve(handler, "127.0.0.1", 0)
        server = Loop.run(start())
        self.addCleanup(server.close)
        return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def test_frames_wait_until_they_are_asked_for(self):
        async def handler(socket):
            await socket.recv()
            await socket.send('{"type":"note","items":[]}')
            await socket.send('{"type":"welcome"}')
            await socket.send('{"type":"ev"}')
            await socket.close(4403, "revoked")
        connection = Connection(self.serve(handler), "token", subprotocols=())
        self.assertEqual([connection.next_frame()["type"] for _ in range(2)], ["note", "ev"])
        with self.assertRaises(Closed) as end:
            connection.next_frame()
        self.assertEqual((end.exception.code, end.exception.reason), (4403, "revoked"))

    def test_what_never_comes_is_a_failure(self):
        async def handler(socket):
            await asyncio.Future()
        connection = Connection(self.serve(handler), subprotocols=())
        with self.assertRaisesRegex(AssertionError, "no such frame"):
            connection.receive(timeout=0.1)

    def test_a_cursor_has_a_form(self):
        self.assertEqual(parse_cursor("7-8~0123456789abcdef"), (7, 8))
        for text in ("7-8", "7-8~12", "7~0123456789abcdef", "x-8~0123456789abcdef"):
            with self.assertRaises((AssertionError, ValueError)):
                parse_cursor(text)


if __name__ == "__main__":
    unittest.main()
