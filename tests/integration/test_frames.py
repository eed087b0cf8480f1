"""Bad input on the WebSocket: each is answered by a code; the daemon lives, and the connection where it safely can."""
import contextlib
import json
import os
import socket
import time
import unittest

from connection import PATIENCE, Closed
from harness import DaemonCase
from replica import parse_cursor

CLIENT_FRAME_MAX = 256 * 1024


class FramesTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()
        self.connection = self.daemon.connect()

    def assert_error(self, code, frame, **fields):
        """Send one frame, get one error with this code, and the connection goes on."""
        self.connection.send_text(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        error = self.connection.next_frame()
        self.assertEqual((error["type"], error.get("code")), ("error", code), f"{str(frame)[:200]} → {error}")
        self.assertTrue(error["message"])
        for key, value in fields.items():
            self.assertEqual(error.get(key), value)
        self.connection.ping()

    def test_malformed(self):
        for text in ("", " ", "hello", "{", "[]", "7", "null", '"ping"', "{}", '{"type":7}', '{"type":null}',
                     '{"type":"ping"', '{"type":"ping"}{"type":"ping"}', '{"type":"ping",}', "{'type':'ping'}",
                     "[" * 50000, '{"type":' * 20000, '{"type":"pi\\u0000ng"}', '{"type":"\\ud800"}'):
            with self.subTest(text=text[:40]):
                self.connection.send_text(text)
                error = self.connection.next_frame()
                self.assertEqual(error["type"], "error")
                self.assertIn(error["code"], ("bad_frame", "unknown_type"))
                self.connection.ping()

    def test_binary(self):
        self.connection.send_text(b'{"type":"ping"}')
        self.assertEqual(self.connection.next_frame()["code"], "bad_frame")

    def test_an_unknown_type(self):
        self.assert_error("unknown_type", {"type": "jump"})
        self.assert_error("unknown_type", {"type": "welcome"})

    def test_an_error_carries_the_id(self):
        self.assert_error("not_found", {"type": "subscribe", "id": "mine", "stream": "drive:nothing"}, id="mine")

    def test_fields_that_are_wrong(self):
        stream = "drive:music"
        for frame in ({"type": "subscribe"}, {"type": "subscribe", "id": "x"}, {"type": "subscribe", "stream": stream},
                      {"type": "subscribe", "id": [7], "stream": stream}, {"type": "subscribe", "id": "x", "stream": 7},
                      {"type": "subscribe", "id": "", "stream": stream}, {"type": "subscribe", "id": "x", "strem": stream},
                      {"type": "subscribe", "id": "x" * 1000, "stream": stream},
                      {"type": "subscribe", "id": "x", "stream": stream, "from": 7},
                      {"type": "subscribe", "id": "x", "stream": stream, "from": "yesterday"},
                      {"type": "subscribe", "id": "x", "stream": stream, "from": "1-2~3"},
                      {"type": "subscribe", "id": "x", "stream": stream, "from": "-1-2~0123456789abcdef"},
                      {"type": "subscribe", "id": "x", "stream": stream, "events": "sync.*"},
                      {"type": "subscribe", "id": "x", "stream": stream, "events": [7]},
                      {"type": "subscribe", "id": "x", "stream": stream, "prefix": "a"},
                      {"type": "unsubscribe"}, {"type": "unsubscribe", "id": None}, {"type": "barrier"},
                      {"type": "barrier", "id": "x"}, {"type": "barrier", "id": "x", "stream": 7}):
            with self.subTest(frame=frame):
                self.assert_error("bad_frame", frame)

    def test_what_is_not_there(self):
        for frame in ({"type": "subscribe", "id": "x", "stream": "drive:nothing"},
                      {"type": "subscribe", "id": "x", "stream": "drive:" + "x" * 60},
                      {"type": "subscribe", "id": "x", "stream": "nothing"},
                      {"type": "unsubscribe", "id": "x"},
                      {"type": "barrier", "id": "x", "stream": "drive:nothing"}):
            with self.subTest(frame=frame):
                self.assert_error("not_found", frame, id="x")

    def test_what_is_not_supported_yet_says_so(self):
        self.assert_error("unsupported", {"type": "ack", "stream": "drive:music", "cursor": "1-1~0123456789abcdef"})
        self.assert_error("unsupported", {"type": "refresh", "token": "x"})
        self.assert_error("unsupported", {"type": "mutate", "mid": 1, "drive": "music", "ops": []})

    def test_an_empty_prefix_list_is_none(self):
        self.connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "prefix": [], "events": []})
        self.connection.expect("subscribed", id="x")

    def test_a_second_hello(self):
        self.assert_error("already", {"type": "hello", "token": self.daemon.token()})

    def test_a_stream_one_may_not_see(self):
        self.connection = self.daemon.connect(self.daemon.token("read", drives=("films",)))
        self.assert_error("forbidden", {"type": "subscribe", "id": "x", "stream": "drive:music"}, id="x")
        self.assert_error("forbidden", {"type": "barrier", "id": "x", "stream": "drive:music"}, id="x")

    def test_the_largest_frame_allowed(self):
        text = '{"type":"ping"}'
        self.connection.send_text(text + " " * (CLIENT_FRAME_MAX - len(text)))
        self.connection.expect("pong")

    def test_too_large(self):
        self.connection.send_text(" " * (CLIENT_FRAME_MAX + 1))
        self.assertEqual(self.connection.expect("error")["code"], "too_large")
        self.assertEqual(self.connection.wait_closed().code, 1009)
        self.daemon.connect().ping()

    def test_far_too_large(self):
        with contextlib.suppress(Exception):        # the server may close before all of it is sent
            self.connection.send_text("x" * (64 << 20))
        self.assertEqual(self.connection.wait_closed().code, 1009)
        self.daemon.connect().ping()

    def test_many_at_once(self):
        for _ in range(2000):
            self.connection.send_text('{"type":"jump"}')
        for _ in range(2000):
            self.assertIn(self.connection.expect("error")["code"], ("unknown_type", "limit", "busy"))
        self.connection.ping()

    def test_more_subscriptions_than_anybody_needs(self):
        names = [f"x.e{i}" for i in range(40)]
        codes = set()
        for i in range(600):
            events = [names[i % 40], names[(i // 40) % 40], f"y.e{i}"]
            self.connection.send({"type": "subscribe", "id": str(i), "stream": "drive:music", "events": events})
            answer = self.connection.receive(lambda frame, i=i: frame.get("id") == str(i))
            codes.add(answer.get("code"))
        self.assertTrue(codes <= {None, "limit", "already"}, codes)
        self.connection.ping()


class CursorTest(DaemonCase):
    settings = {"retain_changes": "50"}

    def setUp(self):
        super().setUp()
        self.daemon.start()
        self.live = self.replica().from_snapshot()
        (self.root / "file").touch()
        self.live.settle()

    def assert_reset(self, reason, cursor):
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "from": cursor})
        answer = connection.next_frame()
        self.assertEqual((answer["type"], answer.get("reason"), answer.get("id"), answer["stream"]),
                         ("reset", reason, "x", "drive:music"), answer)
        self.replica(connection).from_snapshot("again").settle()

    def test_a_burst_is_pruned_without_further_changes(self):
        outside = self.work / "many"
        outside.mkdir()
        for i in range(5000):
            (outside / str(i)).touch()
        outside.rename(self.root / "many")
        self.daemon.connect().barrier("drive:music")
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.daemon.status("music")
            if status["seq"] - status["floor"] < 60:
                break
            self.assertLess(time.monotonic(), deadline, status)

    def test_from_the_future(self):
        epoch, seq = parse_cursor(self.live.cursor)
        self.assert_reset("future", f"{epoch}-{seq + 1}~{'0' * 16}")
        self.assert_reset("future", f"{epoch}-{2 ** 63}~{'0' * 16}")

    def test_with_a_wrong_check(self):
        position, check = self.live.cursor.split("~")
        self.assert_reset("mismatch", f"{position}~{int(check, 16) ^ 1:016x}")

    def test_of_another_epoch(self):
        epoch, seq = parse_cursor(self.live.cursor)
        for other in (epoch - 1, epoch + 1, epoch + (10 << 16), 1, 0):
            self.assert_reset("epoch", f"{other}-{seq}~{'0' * 16}")

    def test_older_than_the_floor(self):
        old = self.live.cursor
        for i in range(300):
            (self.root / f"file {i}").touch()
            if i % 20 == 0:
                self.live.settle()      # keeping up: who falls behind by more than what is kept is reset
        self.live.settle()
        # Pruning follows in steps of its own; each barrier is a turn for it.
        floor = 0
        for _ in range(200):
            floor = self.daemon.status("music")["floor"]
            if floor > parse_cursor(old)[1] + 1:
                break
            self.live.settle()
        self.assertGreater(floor, parse_cursor(old)[1] + 1)
        self.assert_reset("pruned", old)
        self.assertEqual(self.daemon.status("music")["seq"] - floor + 1, 50)

    def test_a_fresh_snapshot_after_a_reset_is_whole(self):
        replica = self.replica(self.daemon.connect())
        replica.connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "from": "1-1~" + "0" * 16})
        replica.connection.expect("reset")
        self.assert_truth(replica.from_snapshot())


class HelloTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()
        self.connection = self.daemon.connect(token="")

    def assert_closed(self, code, error):
        self.assertEqual(self.connection.expect("error")["code"], error)
        self.assertEqual(self.connection.wait_closed().code, code)

    def test_a_wrong_token(self):
        self.connection.send({"type": "hello", "token": "A" * 43})
        self.assert_closed(4401, "unauthorized")

    def test_a_token_of_another_form(self):
        self.connection.send({"type": "hello", "token": "a.b.c"})
        self.assert_closed(4401, "unauthorized")

    def test_no_token(self):
        self.connection.send({"type": "hello"})
        self.assert_closed(4401, "unauthorized")

    def test_a_wrong_client_name(self):
        for client in ("", "with space", "x" * 65, "\u00e9", 7):
            with self.subTest(client=client):
                connection = self.daemon.connect(token="")
                connection.send({"type": "hello", "token": self.daemon.token(), "client": client})
                self.assertEqual(connection.next_frame()["code"], "bad_frame")

    def test_nothing_before_hello(self):
        self.connection.send({"type": "subscribe", "id": "x", "stream": "drive:music"})
        self.assertEqual(self.connection.next_frame()["code"], "unauthorized")
        self.connection.send({"type": "barrier", "id": "x", "stream": "drive:music"})
        with contextlib.suppress(Closed):
            self.assertEqual(self.connection.next_frame()["code"], "unauthorized")

    def test_silence_is_closed_after_ten_seconds(self):
        self.assertEqual(self.connection.wait_closed(timeout=20).code, 4408)

    def test_garbage_instead_of_http(self):
        for bytes_ in (b"\0" * 100, b"\x16\x03\x01\x02\x00", os.urandom(4096), b"GET", b"GET / HTTP/9.9\r\n\r\n",
                       b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                       b"GET /" + b"x" * 100000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n"):
            with self.subTest(bytes_=bytes_[:30]), contextlib.closing(
                    socket.create_connection(("127.0.0.1", self.daemon.port))) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(bytes_)
                    raw.shutdown(socket.SHUT_WR)
                    raw.settimeout(20)
                    while raw.recv(65536):
                        pass
        self.daemon.connect().ping()

    def test_an_unknown_subprotocol(self):
        with self.assertRaises(Exception):
            self.daemon.connect(subprotocols=("wakeline.v9",))
        self.daemon.connect().ping()


if __name__ == "__main__":
    unittest.main()
