"""What the HTTP interface tells of drives and runs, and whom."""
import os
import subprocess
import unittest

from harness import DaemonCase
from replica import parse_cursor
from truth import parse_time
from workload import make_tree

DRIVE_FIELDS = {"name", "root", "backend", "state", "epoch", "seq", "floor", "entries", "pending", "last_run"}
RUN_FIELDS = {"run", "trigger", "started", "seconds", "entries", "changes", "error"}


class StatusTest(DaemonCase):
    def setUp(self):
        super().setUp()
        make_tree(self.root, 3, 3)
        self.daemon.start()
        self.live = self.replica().from_snapshot().settle()

    def test_of_a_drive_at_rest(self):
        status = self.daemon.status("music")
        self.assertTrue(DRIVE_FIELDS <= status.keys(), DRIVE_FIELDS - status.keys())
        epoch, seq = parse_cursor(self.live.cursor)
        self.assertEqual(status["root"], str(self.root))
        self.assertIn(status["backend"], ("fanotify", "inotify"))
        self.assertEqual((status["state"], status["epoch"], status["seq"]), ("live", epoch, seq))
        self.assertEqual((status["floor"], status["entries"], status["pending"]), (1, 3 * (2 + 4), 0))
        self.assertEqual(status["last_run"]["trigger"], "first_index")

    def test_entries_and_seq_follow_the_drive(self):
        before = self.daemon.status("music")
        (self.root / "one").touch()
        (self.root / "two").mkdir()
        self.live.settle()
        after = self.daemon.status("music")
        self.assertEqual(after["seq"], before["seq"] + 2)
        while after["entries"] != before["entries"] + 2:        # told now and then, not with each change
            self.live.settle()
            after = self.daemon.status("music")

    def test_of_drives_that_the_token_does_not_cover_is_silent(self):
        token = self.daemon.token("read", drives=("films",))
        self.assertEqual(self.daemon.http("GET", "/api/sync/status", token=token).body, {"drives": []})

    def trigger(self, **body):
        return self.daemon.http("POST", "/api/sync/trigger", {"drive": "music", **body},
                                token=self.daemon.token("read", "admin"))

    def run_to_end(self, **body):
        answer = self.trigger(**body)
        self.assertEqual(answer.status, 202, answer.text)
        run = answer.body["run"]
        self.live.until(lambda item: item["event"] == "sync.completed" and item["run"] == run)
        return run

    def test_history_of_runs(self):
        runs = [self.run_to_end(), self.run_to_end(path="album 1")]
        history = self.daemon.http("GET", "/api/sync/history?drive=music").body["runs"]
        self.assertEqual([entry["run"] for entry in history], [runs[1], runs[0], 1])
        self.assertEqual([entry["trigger"] for entry in history], ["manual", "manual", "first_index"])
        for entry in history:
            self.assertTrue(RUN_FIELDS - {"error"} <= entry.keys(), RUN_FIELDS - entry.keys())
            self.assertGreaterEqual(entry["seconds"], 0)
            parse_time(entry["started"])
            self.assertFalse(entry.get("error"))
        self.assertEqual([entry["entries"] for entry in history], [5, 18, 18])
        self.assertEqual(history[0]["path"], "album 1")

    def test_history_in_pages(self):
        runs = [1] + [self.run_to_end() for _ in range(5)]
        seen, query = [], "/api/sync/history?drive=music&limit=2"
        page = self.daemon.http("GET", query).body
        while True:
            self.assertLessEqual(len(page["runs"]), 2)
            seen += [entry["run"] for entry in page["runs"]]
            if not page.get("next"):
                break
            page = self.daemon.http("GET", f"{query}&before={page['next']}").body
        self.assertEqual(seen, runs[::-1])

    def test_a_second_trigger_joins_the_run_that_is_going(self):
        make_tree(self.root / "more", 200, 20)
        first, second = self.trigger(), self.trigger()
        self.assertEqual((first.status, second.status), (202, 202))
        self.live.until(lambda item: item["event"] == "sync.completed" and item["run"] == second.body["run"])
        self.assertIn(second.body["run"] - first.body["run"], (0, 1))
        self.assert_truth(self.live)

    def test_a_run_that_finds_something_says_so(self):
        """The watcher sees everything, so only what happened while we were down is left for a run to find."""
        self.daemon.stop()
        (self.root / "new").touch()
        self.daemon.start()
        self.live.resume(self.daemon.connect())
        done = self.live.until(lambda item: item["event"] == "sync.completed" and item["trigger"] == "start")
        self.assertEqual((done["changes"], done["entries"]), (1, 19))


class LogTest(DaemonCase):
    """What an administrator finds in the log."""

    def setUp(self):
        super().setUp()
        make_tree(self.root, 3, 3)
        self.daemon.start()
        self.live = self.replica().from_snapshot().settle()

    def test_a_drive_that_went_away_and_came_back(self):
        self.daemon.wait_for_log("drive music is live")
        self.root.rename(self.work / "away")
        self.daemon.wait_for_log("drive music is offline: ")
        self.daemon.log.write_text("")
        (self.work / "away").rename(self.root)
        self.daemon.wait_for_log("drive music is live")

    def wait_for_readiness(self, status, body):
        """The network's thread hears of a state a moment after it is logged."""
        def answered():
            answer = self.daemon.http("GET", "/readyz", token="")
            return (answer.status, answer.body) == (status, body)
        self.daemon.wait_until(answered, f"/readyz does not answer {status} {body}")

    def test_ready_while_the_drive_is_there(self):
        self.wait_for_readiness(200, {"ready": True, "drives": []})
        self.root.rename(self.work / "away")
        self.wait_for_readiness(503, {"ready": False, "drives": [{"name": "music", "state": "offline"}]})
        (self.work / "away").rename(self.root)
        self.wait_for_readiness(200, {"ready": True, "drives": []})

    def test_runs_that_were_asked_for(self):
        token = self.daemon.token("read", "admin")
        self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=token)
        self.daemon.wait_for_log("drive music: run 2 (manual) of the whole drive begins")
        self.daemon.wait_for_log("drive music: run 2 (manual) completed: 18 entries, 0 changes")
        self.daemon.http("POST", "/api/sync/trigger", {"drive": "music", "path": "album 1"}, token=token)
        self.daemon.wait_for_log("drive music: run 3 (manual) of album 1 begins")


class LogTimesTest(DaemonCase):
    def lines(self):
        self.daemon.start()
        self.daemon.wait_for_log("drive music is live")
        self.daemon.stop()
        return self.daemon.log.read_text().splitlines()

    def test_each_line_has_a_time(self):
        for line in self.lines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S")

    def test_the_service_managers_journal_adds_its_own(self):
        self.daemon.log.touch()
        stat = self.daemon.log.stat()
        self.daemon.environment["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
        for line in self.lines():
            self.assertNotRegex(line, r"^\d")


@unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
class UnprivilegedTest(DaemonCase):
    """A daemon that may not read everything."""

    def setUp(self):
        super().setUp()
        make_tree(self.root, 3, 3)
        self.daemon.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.daemon.state.mkdir(mode=0o700)
        os.chown(self.daemon.state, 65534, 65534)
        for path in (self.work, self.daemon.folder):
            path.chmod(0o755)

    def wait_for_status(self, fits):
        while True:
            self.daemon.http("POST", "/api/sync/barrier", {"stream": "drive:music"})
            status = self.daemon.status("music")
            if fits(status):
                return status

    def wait_for_state(self, state):
        return self.wait_for_status(lambda status: status["state"] == state)

    def trigger(self):
        self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=self.daemon.token("read", "admin"))

    def test_what_could_not_be_read_is_over_after_a_run(self):
        self.daemon.start()
        backend = self.wait_for_state("live")["why"]
        self.assertIn("fanotify", backend)
        (self.root / "closed").mkdir(mode=0o700)
        self.assertIn("cannot read closed (Permission denied)", self.wait_for_state("degraded")["why"])
        (self.root / "closed").chmod(0o755)
        self.trigger()
        self.assertEqual(self.wait_for_state("live")["why"], backend)
        self.assertEqual(self.daemon.log.read_text().count("drive music is live"), 2)

    def test_a_directory_that_becomes_readable_is_read_by_itself(self):
        closed = self.root / "album 0" / "closed"
        closed.mkdir(mode=0o700)
        (closed / "deep").mkdir()
        self.daemon.start()
        self.assertIn("cannot read album 0/closed (Permission denied)", self.wait_for_state("degraded")["why"])
        replica = self.replica().from_snapshot()
        self.assertIsNotNone(replica.tree.find(b"album 0/closed"))
        (closed / "deep" / "song").write_text("la")
        closed.chmod(0o755)
        replica.until(lambda item: item.get("path") == "album 0/closed/deep/song")
        self.assertNotIn("cannot read", self.wait_for_state("live")["why"])
        (closed / "deep" / "another song").write_text("la la")      # by its own watch
        replica.until(lambda item: item.get("path") == "album 0/closed/deep/another song")
        self.assert_truth(replica)
        self.assertEqual(self.daemon.status("music")["last_run"]["trigger"], "first_index")    # and no run

    def test_the_drive_is_whole_again_when_the_last_one_opens_or_goes(self):
        for name in ("one", "two", "three"):
            (self.root / name).mkdir(mode=0o700)
        self.daemon.start()
        self.wait_for_status(lambda status: "and 2 more directories" in status.get("why", ""))
        (self.root / "one").chmod(0o755)
        self.wait_for_status(lambda status: "and 1 more directory" in status.get("why", ""))
        (self.root / "two").rmdir()
        self.wait_for_status(lambda status: "cannot read three (Permission denied)" in status.get("why", ""))
        os.chown(self.root / "three", 65534, 65534)
        self.wait_for_state("live")
        self.assert_truth(self.replica().from_snapshot())

    def test_an_acl_opens_a_directory(self):
        closed = self.root / "closed"
        closed.mkdir(mode=0o700)
        self.daemon.start()
        self.wait_for_state("degraded")
        if subprocess.run(["setfacl", "-m", "u:65534:rx", str(closed)], check=False).returncode != 0:
            self.skipTest("no ACLs here")
        self.wait_for_state("live")

    def test_what_happens_where_the_right_was_lost_is_found_when_it_is_back(self):
        self.daemon.start()
        self.wait_for_state("live")
        replica = self.replica().from_snapshot()
        folder = self.root / "album 1"
        before = set(replica.tree.find(b"album 1").children)
        folder.chmod(0)
        os.rename(folder / os.listdir(folder)[0], folder / "renamed unseen")
        (folder / "made unseen").write_text("la")
        self.assertIn("cannot read album 1 (Permission denied)", self.wait_for_state("degraded")["why"])
        replica.settle()
        self.assertEqual(before, set(replica.tree.find(b"album 1").children))
        folder.chmod(0o755)
        replica.until(lambda item: item.get("path") == "album 1/made unseen")
        self.wait_for_state("live")
        self.assert_truth(replica)

    def test_what_cannot_be_read_is_named(self):
        for name in ("album 0/closed", "album 0/closed/in it", "album 1/caf\udce9", "album 2/closed"):
            (self.root / name).mkdir()
        (self.root / "album 1/caf\udce9").chmod(0)
        self.daemon.start()
        self.wait_for_status(lambda status: "album 1/caf? (Permission denied)" in status.get("why", ""))
        (self.root / "album 0/closed").chmod(0)
        (self.root / "album 2/closed").chmod(0)
        self.trigger()
        status = self.wait_for_status(lambda status: "and 2 more directories" in status.get("why", ""))
        self.assertIn("and 2 more directories (Permission denied): it is read as soon", status["last_run"]["error"])
        self.assertRegex(self.daemon.log.read_text(), "run 2 .manual. failed: .*; cannot read album ./c.* and 2 more")


class AccessTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()

    def refused(self, status, code, method, path, body=None, **options):
        answer = self.daemon.http(method, path, body, **options)
        self.assertEqual((answer.status, answer.body["error"]["code"]), (status, code), answer.text)
        self.assertTrue(answer.body["error"]["message"])

    def test_health_needs_no_token(self):
        self.assertEqual(self.daemon.http("GET", "/healthz", token="").status, 200)

    def test_nobody_is_served_without_a_token(self):
        for method, path in (("GET", "/api/sync/status"), ("POST", "/api/sync/trigger"),
                             ("GET", "/api/sync/history?drive=music"), ("POST", "/api/sync/barrier")):
            with self.subTest(path=path):
                self.refused(401, "unauthorized", method, path, token="")
                self.refused(401, "unauthorized", method, path, token="x" * 43)
                self.refused(401, "unauthorized", method, path, token="not a token")

    def test_tokens_are_made_by_administrators_of_all_drives_alone(self):
        body = {"name": "x", "scopes": ["read"], "drives": ["*"]}
        self.refused(401, "unauthorized", "POST", "/api/tokens", body, token="")
        self.refused(403, "forbidden", "POST", "/api/tokens", body)
        limited = self.daemon.token("read", "admin", drives=("music",))
        self.refused(403, "forbidden", "POST", "/api/tokens", body, token=limited)
        self.refused(403, "forbidden", "GET", "/api/tokens", token=limited)

    def test_a_drive_that_the_token_does_not_cover(self):
        token = self.daemon.token("read", "admin", drives=("films",))
        for method, path, body in (("POST", "/api/sync/trigger", {"drive": "music"}),
                                   ("GET", "/api/sync/history?drive=music", None),
                                   ("POST", "/api/sync/barrier", {"stream": "drive:music"})):
            with self.subTest(path=path):
                self.refused(403, "forbidden", method, path, body, token=token)

    def test_a_reader_may_not_trigger(self):
        self.refused(403, "forbidden", "POST", "/api/sync/trigger", {"drive": "music"})

    def test_an_administrator_who_may_not_read_may_trigger(self):
        admin = self.daemon.token("admin", drives=("music",))
        answer = self.daemon.http("POST", "/api/sync/trigger", {"drive": "music"}, token=admin)
        self.assertEqual(answer.status, 202, answer.text)
        self.refused(403, "forbidden", "POST", "/api/sync/barrier", {"stream": "drive:music"}, token=admin)
        self.refused(403, "forbidden", "POST", "/api/sync/trigger", {"drive": "films"}, token=admin)

    def test_what_is_not_there(self):
        admin = self.daemon.token("read", "admin")
        self.refused(404, "not_found", "GET", "/api/nothing")
        self.refused(404, "not_found", "POST", "/api/sync/trigger", {"drive": "nothing"}, token=admin)
        self.refused(404, "not_found", "POST", "/api/sync/trigger", {"drive": "music", "path": "nothing"}, token=admin)
        self.refused(404, "not_found", "GET", "/api/sync/history?drive=nothing")
        self.refused(404, "not_found", "POST", "/api/sync/barrier", {"stream": "drive:nothing"})

    def test_a_wrong_method(self):
        self.assertEqual(self.daemon.http("POST", "/api/sync/status", {}).status, 405)
        self.assertEqual(self.daemon.http("GET", "/api/sync/trigger").status, 405)

    def test_a_wrong_method_with_a_body(self):
        self.refused(405, "method_not_allowed", "PUT", "/api/sync/status", {})
        self.refused(405, "method_not_allowed", "DELETE", "/api/sync/status", {})
        self.refused(404, "not_found", "PUT", "/api/nothing", {})
        self.refused(400, "bad_request", "GET", "/api/sync/status", {})

    def test_arguments_that_are_given_twice_or_too_long(self):
        for query in ("drive=music&drive=music", "drive=music&limit=1&limit=2", "drive=music&before=9&before=9",
                      "drive=music&limit=1x", "drive=music&limit=", "drive=music&limit=" + "0" * 22 + "999"):
            with self.subTest(query=query):
                self.refused(400, "bad_request", "GET", "/api/sync/history?" + query)
        self.assertEqual(self.daemon.http("GET", "/api/sync/history?drive=music&limit=1&before=9").status, 200)

    def test_a_body_that_is_wrong(self):
        admin = self.daemon.token("read", "admin")
        for body in ("", "{", "[]", "null", '{"drive":7}', '{"path":"x"}', '{"drive":"music","path":"../x"}',
                     '{"drive":"music","path":"/etc"}', "x" * 1000):
            with self.subTest(body=body):
                answer = self.daemon.http("POST", "/api/sync/trigger", body, token=admin)
                self.assertIn(answer.status, (400, 404), answer.text)
                self.assertIn("error", answer.body)
        for query in ("", "?drive=", "?drive=music&limit=x", "?drive=music&before=-1", "?drive=music&limit=0"):
            with self.subTest(query=query):
                answer = self.daemon.http("GET", "/api/sync/history" + query)
                self.assertIn(answer.status, (400, 404), answer.text)

    def test_a_body_that_is_too_large(self):
        answer = self.daemon.http("POST", "/api/sync/trigger", '{"drive":"' + "x" * (1 << 20) + '"}',
                                  token=self.daemon.token("read", "admin"))
        self.assertEqual((answer.status, answer.body["error"]["code"]), (413, "too_large"))


if __name__ == "__main__":
    unittest.main()
