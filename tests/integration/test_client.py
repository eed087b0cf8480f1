"""The `wakeline` command against a scripted server: what it sends, prints and answers with, also when the server does
what a real one hardly ever does (a gap, a lost connection in the middle of a snapshot, a revoked token)."""
import asyncio
import json
import os
import queue
import signal
import socketserver
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler

import websockets

from harness import program

TIMEOUT = 20  # of any one wait; only a failing test waits so long
CHECK = "~00000000000000ab"


def cursor(seq):
    return f"7-{seq}{CHECK}"


def item(seq, path="a", event="drive.file.created", **more):
    return {"event": event, "seq": seq, "at": "2026-05-01T12:03:22.120999999Z", "drive": "x", "node": seq, "path": path,
            "kind": "file", "size": 1500, "rev": f"7-{seq}", **more}


def ev(prev, last, *items):
    return {"type": "ev", "sub": "s1", "stream": "drive:x", "prev": cursor(prev), "cursor": cursor(last),
            "items": list(items)}


def subscribed(seq=None):
    frame = {"type": "subscribed", "id": "tail", "sub": "s1", "stream": "drive:x"}
    if seq is not None:
        frame["cursor"] = cursor(seq)
    return frame


class WsServer:
    """Each connection is answered by the next function of `script`, which gets (websocket, hello, subscribe)."""

    def __init__(self, *script, unix=None):
        self.script = list(script)
        self.unix = unix
        self.seen = queue.Queue()
        self.ready = threading.Event()
        self.error = None

    def __enter__(self):
        self.thread = threading.Thread(target=lambda: asyncio.run(self.main()))
        self.thread.start()
        self.ready.wait(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(TIMEOUT)
        if self.error is not None:
            raise self.error

    async def main(self):
        self.loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        options = {"subprotocols": ["wakeline.v1"], "close_timeout": 1}
        if self.unix:
            server = await websockets.unix_serve(self.serve, self.unix, **options)
        else:
            server = await websockets.serve(self.serve, "127.0.0.1", 0, **options)
            self.port = server.sockets[0].getsockname()[1]
        async with server:
            self.listener = server.server
            self.ready.set()
            await self.stop.wait()

    async def serve(self, ws, path):
        try:
            hello, subscribe = json.loads(await ws.recv()), json.loads(await ws.recv())
            self.seen.put((path, hello, subscribe))
            await ws.send(json.dumps({"type": "welcome", "session": "1", "client": "c", "server": "t", "version": "0",
                                      "online": 1, "mids": {}}))
            await self.script.pop(0)(ws, hello, subscribe)
        except websockets.ConnectionClosed:
            pass
        except Exception as error:  # told in the test's thread
            self.error = error

    def first_frames(self):
        return self.seen.get(timeout=TIMEOUT)


def send(*frames, then=None):
    async def run(ws, _hello, _subscribe):
        for frame in frames:
            await ws.send(json.dumps(frame))
        if then == "close":
            await ws.close()
        elif then == "abort":
            ws.transport.abort()
        else:
            await ws.wait_closed()
    return run


class Command:
    def __init__(self, *arguments, **environment):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WAKELINE_")}
        env.update({"TZ": "UTC", **environment})
        self.process = subprocess.Popen([program("wakeline"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=env, text=True)

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def signal(self, number):
        self.process.send_signal(number)
        return self

    def end(self):
        try:
            out, err = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out, err


class TailTest(unittest.TestCase):
    def tail(self, server, *arguments, **environment):
        return Command("tail", "x", "--url", f"http://127.0.0.1:{server.port}", *arguments, **environment)

    def test_the_token_goes_into_hello_and_now_is_the_default(self):
        with WsServer(send(subscribed(4), ev(4, 5, item(5)))) as server:
            command = self.tail(server, "--client", "me.1", WAKELINE_TOKEN="secret")
            path, hello, subscribe = server.first_frames()
            self.assertEqual(path, "/ws")
            self.assertEqual(hello, {"type": "hello", "token": "secret", "client": "me.1", "name": "wakeline tail"})
            self.assertEqual(subscribe, {"type": "subscribe", "id": "tail", "stream": "drive:x", "from": "now"})
            self.assertEqual(command.line(), "2026-05-01 12:03:22.120  created    a  1.5 KiB")
            status, out, err = command.signal(signal.SIGINT).end()
            self.assertEqual((status, out), (0, ""))
            self.assertEqual(err, f"wakeline: resume with --after {cursor(5)}\n")

    def test_json_has_the_cursor_on_the_last_item_of_a_frame_only(self):
        with WsServer(send(subscribed(1), ev(1, 3, item(2, "a"), item(3, "b")))) as server:
            command = self.tail(server, "--json")
            self.assertEqual(json.loads(command.line()), item(2, "a"))
            self.assertEqual(json.loads(command.line()), {**item(3, "b"), "cursor": cursor(3)})
            self.assertEqual(command.signal(signal.SIGTERM).end()[0], 0)

    def test_after_and_events_are_asked_for(self):
        with WsServer(send(subscribed(9))) as server:
            command = self.tail(server, "--after", cursor(9), "--events", "drive.file.moved,sync.*")
            _, _, subscribe = server.first_frames()
            self.assertEqual(subscribe["from"], cursor(9))
            self.assertEqual(subscribe["events"], ["drive.file.moved", "sync.*"])
            command.signal(signal.SIGINT).end()

    def test_a_lost_connection_is_resumed_from_the_cursor(self):
        with WsServer(send(subscribed(1), ev(1, 2, item(2, "a")), then="abort"),
                      send(subscribed(2), ev(2, 3, item(3, "b")))) as server:
            command = self.tail(server)
            server.first_frames()
            self.assertIn("created    a", command.line())
            self.assertEqual(server.first_frames()[2]["from"], cursor(2))
            self.assertIn("created    b", command.line())
            status, _, err = command.signal(signal.SIGINT).end()
            self.assertEqual(status, 0)
            self.assertIn("wakeline: connection lost: closed by the server\nwakeline: next attempt in 0.", err)
            self.assertIn("wakeline: connected again\n", err)

    def test_a_server_that_stays_away_is_not_called_lost_again(self):
        async def vanish(ws, *_):
            await ws.send(json.dumps(subscribed(1)))
            server.listener.close()
            ws.transport.abort()

        with WsServer(vanish) as server:
            command = self.tail(server)
            server.first_frames()
        self.assertIn("connection lost: closed by the server", command.process.stderr.readline())
        self.assertIn("next attempt", command.process.stderr.readline())
        self.assertEqual("wakeline: no connection yet: nobody answers there\n", command.process.stderr.readline())
        command.signal(signal.SIGINT).end()

    def test_a_lost_connection_before_the_first_change_resumes_where_now_was(self):
        with WsServer(send(subscribed(41), then="close"), send(subscribed(41))) as server:
            command = self.tail(server)
            server.first_frames()
            self.assertEqual(server.first_frames()[2]["from"], cursor(41))
            command.signal(signal.SIGINT).end()

    def test_a_gap_is_said_and_asked_for_again(self):
        with WsServer(send(subscribed(1), ev(1, 2, item(2, "a")), ev(3, 4, item(4, "lost"))),
                      send(subscribed(2), ev(2, 4, item(3, "b"), item(4, "c")))) as server:
            command = self.tail(server)
            self.assertIn("created    a", command.line())
            self.assertIn("created    b", command.line())
            self.assertIn("created    c", command.line())
            _, _, err = command.signal(signal.SIGINT).end()
            self.assertIn(f"wakeline: gap: expected what follows {cursor(2)}, got what follows {cursor(3)}; "
                          "asking again\n", err)

    def test_a_mark_moves_the_cursor_without_a_line(self):
        mark = {"type": "mark", "sub": "s1", "stream": "drive:x", "prev": cursor(1), "cursor": cursor(8)}
        with WsServer(send(subscribed(1), mark, ev(8, 9, item(9, "z")))) as server:
            command = self.tail(server)
            self.assertIn("created    z", command.line())
            self.assertIn(f"--after {cursor(9)}", command.signal(signal.SIGINT).end()[2])

    def test_a_snapshot_comes_first(self):
        def snap(*paths, **more):
            entries = [{"drive": "x", "node": 1, "path": p, "kind": "dir", "rev": "7-0"} for p in paths]
            return {"type": "snap", "sub": "s1", "stream": "drive:x", "items": entries, **more}

        with WsServer(send(subscribed(), snap("a"), snap("b", last=True, cursor=cursor(5)),
                           ev(5, 6, item(6)))) as server:
            command = self.tail(server, "--from-snapshot")
            self.assertEqual(server.first_frames()[2]["from"], "snapshot")
            self.assertEqual([command.line(), command.line()], ["= a/", "= b/"])
            self.assertIn("created    a", command.line())
            command.signal(signal.SIGINT).end()

    def test_half_a_snapshot_is_no_success(self):
        half = {"type": "snap", "sub": "s1", "stream": "drive:x", "items": [{"path": "a", "kind": "file"}]}
        with WsServer(send(subscribed(), half, then="abort")) as server:
            status, out, err = self.tail(server, "--from-snapshot").end()
            self.assertEqual((status, out), (1, "= a\n"))
            self.assertIn("in the middle of the snapshot, so what was printed is not whole: run this again", err)

    def test_until_barrier_ends_once_the_cursor_is_there(self):
        async def run(ws, _hello, _subscribe):
            barrier = json.loads(await ws.recv())
            assert barrier == {"type": "barrier", "id": "until", "stream": "drive:x"}, barrier
            for frame in (subscribed(1), ev(1, 2, item(2, "a")),
                          {"type": "barrier", "id": "until", "cursor": cursor(3)}, ev(2, 3, item(3, "b")),
                          ev(3, 4, item(4, "c"))):
                await ws.send(json.dumps(frame))
            await ws.wait_closed()

        with WsServer(run) as server:
            status, out, err = self.tail(server, "--until-barrier", "--json").end()
            self.assertEqual(status, 0)
            self.assertEqual([json.loads(line)["path"] for line in out.splitlines()], ["a", "b"])
            self.assertEqual(err, f"wakeline: resume with --after {cursor(3)}\n")

    def test_a_reset_ends_it_with_the_reason(self):
        reset = {"type": "reset", "id": "tail", "stream": "drive:x", "reason": "pruned"}
        with WsServer(send(reset)) as server:
            status, out, err = self.tail(server, "--after", cursor(1)).end()
            self.assertEqual((status, out), (1, ""))
            self.assertEqual(err, "wakeline: drive:x cannot be followed from here (pruned): older changes than the server "
                                  "keeps would be needed; begin anew with --from-snapshot\n")

    def test_a_refused_token_is_not_tried_again(self):
        error = {"type": "error", "code": "unauthorized", "message": "no such token", "retry": False}
        with WsServer(send(error, then="close")) as server:
            status, _, err = self.tail(server, "--token", "wrong").end()
            self.assertEqual(status, 1)
            self.assertEqual(err, "wakeline: the server refused: no such token (unauthorized)\n")

    def test_a_stopping_server_is_waited_for(self):
        bye = {"type": "bye", "code": 1001, "reason": "stopping", "retry_ms": 1}
        with WsServer(send(subscribed(1), bye, then="close"), send(subscribed(1), ev(1, 2, item(2)))) as server:
            command = self.tail(server)
            self.assertIn("created    a", command.line())
            self.assertIn("the server said goodbye: stopping", command.signal(signal.SIGINT).end()[2])

    def test_a_revoked_token_ends_it(self):
        bye = {"type": "bye", "code": 4403, "reason": "revoked", "retry_ms": 0}
        with WsServer(send(subscribed(1), bye, then="close")) as server:
            status, _, err = self.tail(server).end()
            self.assertEqual(status, 1)
            self.assertIn("the server said goodbye: revoked", err)

    def test_a_frame_in_pieces_is_one_frame(self):
        async def run(ws, _hello, _subscribe):
            await ws.send(json.dumps(subscribed(1)))
            text = json.dumps(ev(1, 2, item(2, "n" * 100000)))
            await ws.send([text[:10], text[10:70000], text[70000:]])
            await ws.wait_closed()

        with WsServer(run) as server:
            command = self.tail(server, "--json")
            self.assertEqual(json.loads(command.line())["path"], "n" * 100000)
            command.signal(signal.SIGINT).end()

    def test_what_is_no_frame_ends_it(self):
        async def run(ws, _hello, _subscribe):
            await ws.send("hello?")
            await ws.wait_closed()

        with WsServer(run) as server:
            status, _, err = self.tail(server).end()
            self.assertEqual(status, 1)
            self.assertIn("the server sent a frame that is none", err)

    def test_a_name_cannot_reach_the_terminal(self):
        with WsServer(send(subscribed(1), ev(1, 2, item(2, "a\x1b]0;x\x07\nb\\")))) as server:
            command = self.tail(server)
            self.assertIn("created    a\\x1b]0;x\\x07\\nb\\\\  1.5 KiB", command.line())
            command.signal(signal.SIGINT).end()

    def test_the_unix_socket_needs_no_token(self):
        with tempfile.TemporaryDirectory() as state:
            with WsServer(send(subscribed(1), ev(1, 2, item(2))), unix=f"{state}/control") as server:
                command = Command("tail", "x", WAKELINE_STATE=state, http_proxy="http://127.0.0.1:1/")
                _, hello, _ = server.first_frames()
                self.assertNotIn("token", hello)
                self.assertIn("created    a", command.line())
                self.assertEqual(command.signal(signal.SIGTERM).end()[0], 0)

    def test_standard_output_that_is_full_is_an_error(self):
        with WsServer(send(subscribed(1), ev(1, 2, item(2)))) as server, open("/dev/full", "w") as full:
            done = subprocess.run([program("wakeline"), "tail", "x", "--url", f"http://127.0.0.1:{server.port}"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot write to standard output: No space left on device", done.stderr)

    def test_a_server_that_is_not_there_is_named(self):
        status, _, err = Command("tail", "x", "--url", "http://127.0.0.1:1").end()
        self.assertEqual(status, 3)
        self.assertIn("cannot reach http://127.0.0.1:1:", err)


class ApiHandler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.seen.append((self.command, self.path, body, self.headers.get("Authorization")))
        status, answer = self.server.answers.pop(0)
        data = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer

    def address_string(self):
        return "unix"


class ApiServer:
    """Answers with each (status, body) in turn, on a Unix socket or on TCP."""

    def __init__(self, *answers, unix=None):
        if unix:
            self.server = socketserver.UnixStreamServer(unix, ApiHandler)
        else:
            self.server = socketserver.TCPServer(("127.0.0.1", 0), ApiHandler)
            self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.server.answers, self.server.seen = list(answers), []

    def __enter__(self):
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.01))
        self.thread.start()
        return self.server

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def run(*arguments, **environment):
    return Command(*arguments, **environment).end()


class ApiTest(unittest.TestCase):
    def call(self, answers, *arguments, **environment):
        """Run against those answers; returns what was seen, the exit status, stdout and stderr."""
        api = ApiServer(*answers)
        with api as server:
            status, out, err = run(*arguments, "--url", api.url, **environment)
            return server.seen, status, out, err

    def test_status_is_aligned_and_tells_why(self):
        drives = [{"name": "music", "root": "/srv/music", "backend": "fanotify", "state": "live", "epoch": 7, "seq": 1234,
                   "floor": 1, "entries": 99, "pending": 0, "last_run": None},
                  {"name": "x", "root": "/srv/x\x1b", "backend": "inotify", "state": "degraded", "epoch": 7, "seq": 5,
                   "floor": 1, "entries": 1000000, "pending": 3, "why": "the watch limit is reached", "last_run":
                   {"run": 3, "state": "completed", "started": "2000-01-01T00:00:00.000000000Z"}}]
        seen, status, out, _ = self.call([(200, {"drives": drives})], "status", "--token", "t")
        self.assertEqual(seen, [("GET", "/api/sync/status", None, "Bearer t")])
        self.assertEqual(status, 0)
        lines = out.splitlines()
        self.assertEqual(lines[0], "DRIVE  STATE     BACKEND   ENTRIES  PENDING  FLOOR   SEQ  LAST RUN              ROOT")
        self.assertEqual(lines[1], "music  live      fanotify       99        0      1  1234  none yet              "
                                   "/srv/music")
        self.assertRegex(lines[2], r"^x      degraded  inotify   1000000        3      1     5  completed \d+ d ago +"
                                   r"/srv/x\\x1b$")
        self.assertEqual(lines[3], "x: the watch limit is reached")

    def test_status_json_is_what_the_server_said(self):
        _, status, out, _ = self.call([(200, {"drives": []})], "status", "--json")
        self.assertEqual((status, out), (0, '{"drives":[]}\n'))

    def test_the_unix_socket_is_the_default(self):
        with tempfile.TemporaryDirectory() as state:
            with ApiServer((200, {"drives": []}), unix=f"{state}/control") as server:
                status, out, _ = run("status", "--json", "--state", state, http_proxy="http://127.0.0.1:1/")
                self.assertEqual((status, out), (0, '{"drives":[]}\n'))
                self.assertEqual(server.seen, [("GET", "/api/sync/status", None, None)])

    def test_sync_prints_the_cursor_alone(self):
        seen, status, out, _ = self.call([(200, {"cursor": cursor(4)})], "sync", "x")
        self.assertEqual(seen[0][:3], ("POST", "/api/sync/barrier", {"stream": "drive:x"}))
        self.assertEqual((status, out), (0, cursor(4) + "\n"))

    def test_trigger_prints_the_run(self):
        seen, status, out, _ = self.call([(202, {"run": 7})], "trigger", "x", "a/b")
        self.assertEqual(seen[0][:3], ("POST", "/api/sync/trigger", {"drive": "x", "path": "a/b"}))
        self.assertEqual((status, out), (0, "run 7\n"))

    def test_trigger_wait_ends_with_the_run(self):
        going = {"runs": [{"run": 7, "state": "running"}]}
        done = {"runs": [{"run": 7, "state": "completed", "entries": 10, "changes": 2}]}
        seen, status, out, _ = self.call([(202, {"run": 7}), (200, going), (200, done)], "trigger", "x", "--wait")
        self.assertEqual(seen[1][1], "/api/sync/history?drive=x&limit=1&before=8")
        self.assertEqual((status, out), (0, "run 7 completed: 10 entries seen, 2 changes\n"))

    def test_trigger_wait_fails_with_the_run(self):
        failed = {"runs": [{"run": 7, "state": "failed", "entries": 10, "changes": 2, "error": "EIO"}]}
        _, status, out, err = self.call([(202, {"run": 7}), (200, failed)], "trigger", "x", "--wait")
        self.assertEqual((status, out, err), (1, "", "wakeline: run 7 failed: EIO\n"))

    def test_history_turns_the_pages(self):
        def row(number):
            return {"run": number, "trigger": "manual", "state": "completed", "started": "2026-05-01T12:00:00.0Z",
                    "ended": "2026-05-01T12:00:01.500000000Z", "entries": 5, "changes": 0, "path": "", "error": ""}

        seen, status, out, _ = self.call([(200, {"runs": [row(9), row(8)], "next": 8}), (200, {"runs": [row(7)]})],
                                         "history", "a+b", "--limit", "3", "--json")
        self.assertEqual([s[1] for s in seen], ["/api/sync/history?drive=a%2Bb&limit=3",
                                                "/api/sync/history?drive=a%2Bb&limit=1&before=8"])
        self.assertEqual([json.loads(line)["run"] for line in out.splitlines()], [9, 8, 7])
        _, status, out, _ = self.call([(200, {"runs": [row(9)], "next": None})], "history", "x")
        self.assertEqual(status, 0)
        self.assertEqual(out.splitlines(), [
            "RUN  TRIGGER  STATE      STARTED              TOOK  ENTRIES  CHANGES  WHAT",
            "  9  manual   completed  2026-05-01 12:00  1.500 s        5        0  the whole drive"])

    def test_token_create_prints_the_secret_alone_on_stdout(self):
        answer = {"id": 3, "token": "SECRET", "name": "n", "drives": ["a", "b"], "scopes": ["read", "write"],
                  "expires": None}
        status = {"drives": [{"name": "b"}, {"name": "a"}]}
        seen, status, out, err = self.call([(200, status), (201, answer)], "token", "create", "--name", "n", "--drive",
                                           "a", "--drive", "b", "--read", "--write", "--expires", "30d")
        self.assertEqual(seen[1][:3], ("POST", "/api/tokens", {"name": "n", "drives": ["a", "b"],
                                                               "scopes": ["read", "write"], "expires_in": 2592000}))
        self.assertEqual((status, out), (0, "SECRET\n"))
        self.assertEqual(err, "wakeline: token 3 for `n`: drives a,b, may read,write; keep it, it is not shown again\n")

    def test_who_may_not_read_makes_tokens_unchecked(self):
        error = {"error": {"code": "forbidden", "message": "this token's scopes do not allow that"}}
        seen, status, out, err = self.call([(403, error), (201, {"id": 3, "token": "S"})], "token", "create", "--name",
                                           "n", "--drive", "a", "--json")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(seen[1][2]["drives"], ["a"])

    def test_a_token_reads_every_drive_for_ever_by_default(self):
        seen, _, _, _ = self.call([(201, {"id": 3, "token": "S"})], "token", "create", "--name", "n", "--json")
        self.assertEqual(seen[0][2], {"name": "n", "drives": ["*"], "scopes": ["read"], "expires_in": None})

    def test_token_list_is_aligned(self):
        tokens = [{"id": 1, "name": "me", "drives": ["*"], "scopes": ["read"], "created": "2026-05-01T12:00:00.000000000Z",
                   "expires": None, "revoked": None},
                  {"id": 12, "name": "b", "drives": ["x"], "scopes": ["admin"], "created": "2026-05-01T12:00:00.000000000Z",
                   "expires": "2026-05-02T12:00:00.000000000Z", "revoked": "2026-05-01T13:00:00.000000000Z"}]
        _, status, out, _ = self.call([(200, {"tokens": tokens})], "token", "list")
        self.assertEqual(status, 0)
        self.assertEqual(out.splitlines(), [
            "ID  STATE    MAY    CREATED           EXPIRES           DRIVES  NAME",
            " 1  valid    read   2026-05-01 12:00  never             *       me",
            "12  revoked  admin  2026-05-01 12:00  2026-05-02 12:00  x       b"])

    def test_token_revoke_deletes(self):
        seen, status, out, err = self.call([(204, None)], "token", "revoke", "3")
        self.assertEqual(seen[0][:2], ("DELETE", "/api/tokens/3"))
        self.assertEqual((status, out, err), (0, "", ""))
        self.assertEqual(run("token", "revoke", "../3")[0], 2)

    def test_token_commands_leave_wakeline_url_alone(self):
        with tempfile.TemporaryDirectory() as state:
            with ApiServer((200, {"tokens": []}), unix=f"{state}/control"):
                status, out, _ = run("token", "list", "--json", WAKELINE_STATE=state, WAKELINE_URL="http://127.0.0.1:1")
                self.assertEqual((status, out), (0, '{"tokens":[]}\n'))

    def test_the_servers_no_is_told_with_its_words(self):
        error = {"error": {"code": "not_found", "message": "there is no drive `y`"}}
        _, status, out, err = self.call([(404, error)], "sync", "y")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "wakeline: the server refused: there is no drive `y` (not_found)\n")

    def test_a_missing_token_is_told_with_what_to_do(self):
        error = {"error": {"code": "unauthorized", "message": "no token"}}
        _, status, _, err = self.call([(401, error)], "status")
        self.assertEqual(status, 1)
        self.assertIn("give one by --token-file, --token or WAKELINE_TOKEN", err)

    def test_another_kind_of_server_is_noticed(self):
        _, status, _, err = self.call([(200, b"<html>")], "status")
        self.assertEqual(status, 1)
        self.assertIn("did not answer in JSON", err)
        _, status, _, err = self.call([(502, b"<html>")], "status")
        self.assertEqual(status, 1)
        self.assertIn("answered with HTTP status 502 and no explanation", err)

    def test_a_token_file_is_read(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("filed\n")
            file.flush()
            seen, _, _, _ = self.call([(200, {"drives": []})], "status", "--token-file", file.name)
            self.assertEqual(seen[0][3], "Bearer filed")

    def test_a_socket_that_is_not_there_says_what_to_check(self):
        with tempfile.TemporaryDirectory() as state:
            for command in (["status"], ["tail", "x"]):
                status, _, err = run(*command, "--state", state)
                self.assertEqual(status, 3)
                self.assertEqual(err, f"wakeline: there is no {state}/control: is wakelined running here with this state "
                                      "directory (--state)? A server elsewhere is reached by --url\n")

    def test_a_dead_socket_says_so(self):
        with tempfile.TemporaryDirectory() as state:
            with ApiServer(unix=f"{state}/control"):
                pass
            status, _, err = run("status", "--state", state)
            self.assertEqual((status, err), (3, f"wakeline: nobody listens on {state}/control: start wakelined\n"))


class UsageTest(unittest.TestCase):
    def test_help_and_version_are_no_errors(self):
        status, out, err = run("--help")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("Exit status: 0 fine, 1 the server said no, 2 the command line is wrong, 3 the server cannot be "
                      "reached.", out)
        for command in ("tail", "status", "sync", "trigger", "history", "token create", "token list", "token revoke"):
            status, out, err = run(*command.split(), "--help")
            self.assertEqual((status, err), (0, ""))
            self.assertIn(f"usage: wakeline {command}", out)
        self.assertRegex(run("--version")[1], r"^wakeline \d+\.\d+\.\d+\n$")

    def test_the_help_of_a_group_lists_its_commands(self):
        status, out, err = run("token", "--help")
        self.assertEqual((status, err), (0, ""))
        for words in ("usage: wakeline token create --name NAME", "wakeline token list", "wakeline token revoke ID"):
            self.assertIn(words, out)

    def test_a_wrong_command_line_is_exit_status_2(self):
        for arguments, words in (
                ([], "say what to do"),
                (["frob"], "there is no command `frob`"),
                (["token"], "token create, token list or token revoke"),
                (["tail"], "usage: wakeline tail DRIVE"),
                (["status", "x"], "usage: wakeline status"),
                (["status", "--wait"], "`wakeline status` has no option --wait"),
                (["tail", "x", "--nope"], "there is no option --nope"),
                (["tail", "x", "--after"], "--after needs a value"),
                (["tail", "x", "--after", "1", "--from-snapshot"], "begin at two places"),
                (["history", "x", "--limit", "0"], "--limit 0: this is no number above 0"),
                (["token", "create"], "say by --name"),
                (["tail", "x", "--after", "foo"], "--after foo: this is no cursor"),
                (["tail", "x", "--events", "foo"], "there is no event `foo` in drive:x"),
                (["tail", "x", "--aft", "foo"], "there is no option --aft; write --after"),
                (["token", "create", "--name", "n", "--expires", "30"], "write how long"),
                (["status", "--url", "gopher://x"], "is no URL of a server"),
                (["status", "--url", "http://x", "--state", "/s"], "name two servers"),
                (["status", "--url", "http://x", "--token-file", "/nonexistent"], "cannot read the token"),
                (["trigger", "x", "/a"], "the path is relative to the drive")):
            with self.subTest(arguments):
                status, out, err = run(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(words, err)


if __name__ == "__main__":
    unittest.main()
