"""One WebSocket client on the `websockets` library, plain calls for its users.

The library runs on an asyncio loop in a thread of its own, so a client keeps reading while the test does something
else.  Frames wait in a queue until the test asks for them; those it did not ask for yet are kept in order.
"""
import asyncio
import json
import queue
import threading
import time

import websockets

# How long an event may take before a test fails.  Nothing waits this long when all is well.
PATIENCE = 60
# The protocol bounds server frames; a longer one closes the connection and so fails the test.
SERVER_FRAME_MAX = 1 << 20


class Closed(Exception):
    """The connection is closed: `code` and `reason` as the peer sent them."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


class Frame(dict):
    """A server frame; `raw` is the text exactly as it came."""

    raw = ""


def no_key_twice(pairs):
    result = dict(pairs)
    assert len(result) == len(pairs), f"a key occurs twice among {[key for key, _ in pairs]}"
    return result


def parse_frame(text):
    assert isinstance(text, str), "a server frame is not text"
    frame = Frame(json.loads(text, object_pairs_hook=no_key_twice))
    frame.raw = text
    assert isinstance(frame.get("type"), str), f"a server frame without a type: {text[:200]}"
    return frame


class Loop:
    """The thread that runs every connection's asyncio side; started with the first one."""

    _loop = None

    @classmethod
    def run(cls, coroutine):
        if cls._loop is None:
            cls._loop = asyncio.new_event_loop()
            threading.Thread(target=cls._loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, cls._loop).result(PATIENCE)


class Connection:
    """Connected when the constructor returns.  With a token `hello` was said."""

    def __init__(self, url, token=None, client=None, name=None, headers=None, subprotocols=("wakeline.v1",)):
        self._frames = queue.Queue()
        self._kept = []
        self._end = None
        self.welcome = None
        self._socket = Loop.run(self._open(url, headers or {}, list(subprotocols)))
        if token:
            self.hello(token, client, name)

    async def _open(self, url, headers, subprotocols):
        socket = await websockets.connect(url, subprotocols=subprotocols or None, extra_headers=headers,
                                          ping_interval=None, max_size=SERVER_FRAME_MAX, max_queue=None)
        self._reader = asyncio.ensure_future(self._read(socket))
        return socket

    async def _read(self, socket):
        try:
            async for message in socket:
                self._frames.put(message)
        except websockets.ConnectionClosed:
            pass
        self._frames.put(Closed(socket.close_code, socket.close_reason))

    @property
    def subprotocol(self):
        return self._socket.subprotocol

    def hello(self, token, client=None, name=None):
        frame = {"type": "hello", "token": token}
        if client:
            frame["client"] = client
        if name:
            frame["name"] = name
        self.send(frame)
        self.welcome = self.expect("welcome")

    def send(self, frame):
        self.send_text(json.dumps(frame))

    def send_text(self, text):
        """Text or bytes, sent as they are."""
        Loop.run(self._socket.send(text))

    def receive(self, match=lambda frame: True, timeout=PATIENCE):
        """The first frame, kept or still to come, that `match` accepts."""
        for index, frame in enumerate(self._kept):
            if match(frame):
                return self._kept.pop(index)
        while True:
            frame = self._arrive(timeout)
            if match(frame):
                return frame
            self._kept.append(frame)

    def _arrive(self, timeout):
        if self._end is not None:
            raise self._end
        try:
            message = self._frames.get(timeout=timeout)
        except queue.Empty:
            kept = [frame.raw[:200] for frame in self._kept[:8]]
            raise AssertionError(f"no such frame came within {timeout} s; kept: {kept}") from None
        if isinstance(message, Closed):
            self._end = message
            raise message
        return parse_frame(message)

    def expect(self, kind, timeout=PATIENCE, **fields):
        """The next frame of this type whose fields are as given."""
        return self.receive(lambda frame: frame["type"] == kind
                            and all(frame.get(key) == value for key, value in fields.items()), timeout)

    def next_frame(self, timeout=PATIENCE):
        return self.receive(timeout=timeout)

    def wait_closed(self, timeout=PATIENCE):
        """Keep what comes until the server has closed; the Closed, with its code."""
        try:
            self.receive(lambda frame: False, timeout)
        except Closed as end:
            return end

    def kept(self):
        return list(self._kept)

    def ping(self):
        """Whatever the server had to say before is here when this returns."""
        self.send({"type": "ping"})
        return self.expect("pong")

    def barrier(self, stream, identifier="b"):
        """All that was done on the stream's drive before this call is at or before the cursor that it returns."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send({"type": "barrier", "id": identifier, "stream": stream})
            answer = self.receive(lambda frame: frame.get("id") == identifier and frame["type"] in ("barrier", "error"))
            if answer["type"] == "barrier":
                return answer["cursor"]
            # `busy`: a drive that is just being opened says so, and that it is worth asking again.
            assert answer["retry"] and time.monotonic() < deadline, f"no barrier: {answer}"

    def close(self):
        Loop.run(self._socket.close())

    def kill(self):
        """Vanish in the middle of whatever is going on, without a word."""
        async def abort():
            self._socket.transport.abort()
        Loop.run(abort())
