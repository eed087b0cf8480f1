"""Runs: those that nobody asked for, those that wait, and what is told of them."""
import contextlib
import math
import os
import pty
import signal
import subprocess
import time
import unittest
from pathlib import Path

from connection import PATIENCE
from harness import DaemonCase, program
from workload import make_tree


class RunCase(DaemonCase):
    def begin(self):
        self.daemon.start()
        return self.replica().from_snapshot().settle()

    def trigger(self, **body):
        answer = self.daemon.http("POST", "/api/sync/trigger", {"drive": self.drive, **body},
                                  token=self.daemon.token("read", "admin"))
        self.assertEqual(answer.status, 202, answer.text)
        return answer.body["run"]

    def history(self):
        return self.daemon.http("GET", f"/api/sync/history?drive={self.drive}").body["runs"]

    @staticmethod
    def ended(replica, **wanted):
        return replica.until(lambda item: item["event"] == "sync.completed" and
                             all(item[key] == value for key, value in wanted.items()))

    def next_scrub(self, replica):
        """The end of one that has not been waited for yet."""
        self.scrubs = getattr(self, "scrubs", set())
        done = replica.until(lambda item: item["event"] == "sync.completed" and item["trigger"] == "scrub" and
                             item["run"] not in self.scrubs)
        self.scrubs.add(done["run"])
        return done

    @staticmethod
    def file_events(replica):
        return [(item["event"].rpartition(".")[2], item["path"]) for item in replica.log
                if item["event"].startswith("drive.file.")]


class ScrubTest(RunCase):
    settings = {"scrub": "1s", "backend": "inotify"}

    def test_finds_what_no_watcher_could_see(self):
        """inotify sees no write through a name outside of the drive."""
        (self.root / "song").write_text("one\n")
        os.link(self.root / "song", self.work / "outside")
        replica = self.begin()
        with open(self.work / "outside", "a") as file:
            file.write("two\n")
        while not self.file_events(replica):
            done = self.next_scrub(replica)
        self.assertEqual(self.file_events(replica), [("updated", "song")])
        self.assertEqual((done["changes"], done["path"]), (1, ""))
        self.assert_truth(replica)
        self.assertIn("scrub", [run["trigger"] for run in self.history()])

    def test_comes_again_and_says_nothing_where_nothing_changed(self):
        make_tree(self.root, 3, 3)
        replica = self.begin()
        for _ in range(2):
            done = self.next_scrub(replica)
            self.assertEqual((done["entries"], done["changes"]), (18, 0))
        self.assertEqual(self.file_events(replica), [])


class SlowScrubTest(RunCase):
    """So slow that it does not end by itself while the test runs."""

    settings = {"scrub": "1s", "scrub_rate": 1}

    def begin_scrub(self):
        make_tree(self.root, 10, 10)
        replica = self.begin()
        return replica, replica.until(lambda item: item["event"] == "sync.started" and item["trigger"] == "scrub")

    def test_the_drive_stays_live(self):
        replica, scrub = self.begin_scrub()
        (self.root / "new").touch()
        self.assert_truth(replica)
        status = self.daemon.status(self.drive)
        while status["last_run"]["run"] != scrub["run"]:        # told at most every tenth of a second
            status = self.daemon.status(self.drive)
        self.assertEqual((status["state"], status["last_run"]["state"]), ("live", "running"))

    def test_hurries_when_somebody_joins_it(self):
        replica, scrub = self.begin_scrub()
        self.assertEqual(self.trigger(), scrub["run"])
        self.assertEqual(self.ended(replica, run=scrub["run"])["entries"], 130)

    def test_hurries_when_somebody_waits_for_a_part_of_it(self):
        replica, scrub = self.begin_scrub()
        self.assertEqual(self.trigger(path="album 3"), scrub["run"])
        self.ended(replica, run=scrub["run"])

    def test_a_restart_compares_everything_instead(self):
        replica, scrub = self.begin_scrub()
        self.daemon.stop()
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.ended(replica, trigger="start")
        interrupted = [run for run in self.history() if run["run"] == scrub["run"]][0]
        self.assertEqual(interrupted["state"], "interrupted")

    def test_drives_are_scrubbed_one_at_a_time(self):
        (self.work / "films").mkdir()
        make_tree(self.root, 10, 10)
        make_tree(self.work / "films", 10, 10)
        daemon = self.new_daemon({"music": self.root, "films": self.work / "films"},
                                 settings={"music": self.settings, "films": self.settings}).start()
        replicas = {name: self.replica(daemon.connect(), name).from_snapshot() for name in daemon.drives}
        first = None
        while first is None:
            scrubbed = [name for name in replicas if daemon.status(name)["last_run"]["trigger"] == "scrub"]
            self.assertLessEqual(len(scrubbed), 1)
            first = scrubbed[0] if scrubbed else None
        other = next(name for name in replicas if name != first)
        daemon.http("POST", "/api/sync/trigger", {"drive": first}, token=daemon.token("read", "admin"))
        self.ended(replicas[first], trigger="scrub")
        replicas[other].until(lambda item: item["event"] == "sync.started" and item["trigger"] == "scrub")


class ProgressTest(RunCase):
    settings = {"scrub": "1s", "scrub_rate": 50}

    def test_of_a_run_is_told(self):
        make_tree(self.root, 10, 10)
        replica = self.begin()
        note = replica.connection.receive(lambda frame: frame["type"] == "note")["items"][0]
        self.assertEqual((note["event"], note["trigger"], note["total"]), ("sync.progress", "scrub", 130))
        self.assertTrue(0 < note["entries"] < 130, note)
        last = {"entries": 0}
        while last["entries"] < note["entries"]:        # told a moment later
            last = self.daemon.status(self.drive)["last_run"]
        self.assertEqual((last["state"], last["total"]), ("running", 130))
        self.assertLess(last["entries"], 130)
        self.assertRegex(self.daemon.command("status", "--state", str(self.daemon.state)).stdout,
                         r"running, \d+ of 130")

    def test_is_in_the_history_after_a_kill(self):
        make_tree(self.root, 10, 10)
        replica = self.begin()
        replica.connection.receive(lambda frame: frame["type"] == "note")
        while not (run := self.history()[0])["entries"]:
            pass
        self.daemon.kill()
        self.daemon.start()
        interrupted = [row for row in self.history() if row["run"] == run["run"]][0]
        self.assertEqual(interrupted["state"], "interrupted")
        self.assertGreaterEqual(interrupted["entries"], run["entries"])
        self.assertGreater(interrupted["entries"], 0)

    def test_of_a_run_that_is_waited_for_is_shown_on_a_terminal(self):
        make_tree(self.root, 10, 10)
        self.begin()
        ours, terminal = pty.openpty()
        with self.daemon.blind():       # so that it cannot end
            command = subprocess.Popen([program("wakeline"), "trigger", self.drive, "--wait", "--state",
                                        str(self.daemon.state)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=terminal)
            os.close(terminal)
            shown = b""
            while b"entries" not in shown:
                shown += os.read(ours, 100)
        self.assertRegex(shown.decode(), r"run \d+: \d+ of about 130 entries")
        self.assertRegex(command.communicate(timeout=PATIENCE)[0].decode(), r"completed: 130 entries seen")
        os.close(ours)


class FirstIndexTest(RunCase):
    def make_root(self):
        return self.make_root_on("/dev/shm")

    def fill(self):
        for d in range(60):
            (self.root / f"{d}").mkdir()
            for f in range(1000):
                os.close(os.open(self.root / f"{d}" / f"{f}", os.O_CREAT))

    def priority(self):
        """The watcher's I/O priority as ionice(1) shows it."""
        return subprocess.run(["ionice", "-p", str(self.daemon.processes("wakeline-watch")[-1])], capture_output=True, check=True,
                              text=True).stdout.partition(":")[0].strip()

    @contextlib.contextmanager
    def listing(self):
        """Inside, the watcher is in the middle of a list: the daemon, which does not read it, is stopped."""
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)

    def begin_first_index(self, priority):
        self.fill()
        self.daemon.settings[self.drive] = {"first_index_priority": priority, "scrub": "off"}
        self.daemon.write_config()
        self.daemon.start()
        while not self.daemon.status(self.drive)["entries"]:
            pass

    def wait_until_blocked(self):
        """The watcher cannot go on: its processor time stands still."""
        watcher, before = self.daemon.processes("wakeline-watch")[-1], None
        while before != (now := Path(f"/proc/{watcher}/schedstat").read_text().split()[0]):
            before = now
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.process.wait(0.2)

    def test_at_idle_priority(self):
        self.begin_first_index("idle")
        with self.listing():
            self.daemon.wait_until(lambda: self.priority() == "idle", "the watcher lists at normal priority")
        self.replica().from_snapshot()
        self.assertNotEqual(self.priority(), "idle")
        self.trigger()
        while not self.history()[0]["entries"]:
            self.assertNotEqual(self.priority(), "idle")

    def test_at_normal_priority(self):
        self.begin_first_index("normal")
        with self.listing():
            self.wait_until_blocked()
            self.assertNotEqual(self.priority(), "idle")

    def test_a_watcher_that_dies_in_each_run_is_no_loop(self):
        """Killed before it completed a run: at once, and again after 2 s, and after 4 s."""
        self.fill()
        replica = self.begin()
        killed = set()
        began = time.monotonic()
        while time.monotonic() < began + 5:
            with contextlib.suppress(OSError):      # one that ends while we look
                for pid in self.daemon.processes("wakeline-watch"):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        self.assertGreaterEqual(len(killed), 2)
        self.assertLessEqual(len(killed), 4)
        (self.root / "new").touch()
        done = replica.until(lambda item: item["event"] == "sync.completed" and item["trigger"] == "watcher")
        self.assertLessEqual(done["changes"], 1)
        self.assert_truth(replica)
        self.assertEqual(self.file_events(replica), [("created", "new")])

    def test_goes_on_after_a_kill(self):
        """Nodes are never numbered anew: what the killed daemon indexed still has its numbers."""
        total = 60 * 1001
        self.fill()
        self.daemon.start()
        while not self.history() or self.daemon.status(self.drive)["entries"] < total // 2:
            pass            # a first index commits ten times a second, and half of it takes longer
        self.daemon.kill()
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.assertEqual(len(replica.tree.nodes), total)
        self.assertLessEqual(max(replica.tree.nodes), total + 1)
        done = self.daemon.status(self.drive)
        self.assertEqual((done["state"], done["seq"], done["last_run"]["trigger"]), ("live", 1, "first_index"))
        self.assertEqual([run["state"] for run in self.history()], ["completed", "interrupted"])
        self.assertIn("its first index goes on", self.daemon.log.read_text())
        self.assert_truth(replica)


class InterruptedTest(RunCase):
    def queue(self):
        """One run that cannot end, since the watcher is stopped, and one behind it."""
        running = self.trigger(path="album 1")
        queued = self.trigger(path="album 2")
        self.assertEqual([(run["run"], run["state"], run["path"]) for run in self.history()[:2]],
                         [(queued, "queued", "album 2"), (running, "running", "album 1")])
        self.assertIsNone(self.history()[0]["started"])
        return running, queued

    def test_a_queued_run_outlives_the_daemon(self):
        make_tree(self.root)
        replica = self.begin()
        with self.daemon.blind():
            running, queued = self.queue()
            self.daemon.process.kill()
        self.daemon.kill()
        self.daemon.start()
        replica.resume(self.daemon.connect())
        done = self.ended(replica, run=queued)
        self.assertEqual((done["trigger"], done["path"], done["entries"]), ("start", "", 88))
        self.assertEqual([(run["run"], run["state"]) for run in self.history()[:2]],
                         [(queued, "completed"), (running, "interrupted")])
        self.assert_truth(replica)

    def test_a_queued_run_outlives_the_watcher(self):
        make_tree(self.root)
        replica = self.begin()
        watcher = self.daemon.processes("wakeline-watch")[-1]
        os.kill(watcher, signal.SIGSTOP)
        _, queued = self.queue()
        os.kill(watcher, signal.SIGKILL)
        done = self.ended(replica, run=queued)
        self.assertEqual((done["trigger"], done["path"], done["entries"]), ("watcher", "", 88))
        self.assert_truth(replica)

    def test_a_run_that_is_queued_is_waited_for(self):
        make_tree(self.root)
        self.begin()
        with self.daemon.blind():
            _, queued = self.queue()
            command = subprocess.Popen([program("wakeline"), "trigger", self.drive, "album 2", "--wait", "--state",
                                        str(self.daemon.state)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            while True:                 # it has asked, and is waiting
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.fail(command.wait(0.5))
                break
        self.assertIn(f"run {queued} completed", command.communicate(timeout=PATIENCE)[0].decode())


class NoScrubTest(RunCase):
    settings = {"scrub": "off"}

    def test_off_is_never(self):
        """A drive beside it that is scrubbed shows how time passes."""
        (self.work / "films").mkdir()
        daemon = self.new_daemon({"music": self.root, "films": self.work / "films"},
                                 settings={"music": {"scrub": "off"}, "films": {"scrub": "1s"}}).start()
        films = self.replica(daemon.connect(), "films").from_snapshot()
        for _ in range(3):
            self.next_scrub(films)
        runs = daemon.http("GET", "/api/sync/history?drive=music").body["runs"]
        self.assertEqual([run["trigger"] for run in runs], ["first_index"])


class OverflowTest(RunCase):
    """The queue of inotify holds fs.inotify.max_queued_events, and then events are lost."""

    settings = {"backend": "inotify"}

    def overflow(self):
        """More renames than the queue holds; each gives two events, which do not merge."""
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        a, b = os.fsencode(self.root / "a"), os.fsencode(self.root / "b")
        with self.daemon.blind():
            for _ in range(limit // 4 + 100):
                os.rename(a, b)
                os.rename(b, a)

    def overflow_runs(self):
        return [run for run in self.history() if run["trigger"] == "overflow"]

    def test_lost_events_are_made_up_for(self):
        (self.root / "a").touch()
        replica = self.begin()
        self.overflow()
        (self.root / "new").touch()
        self.ended(replica, trigger="overflow")
        self.assert_truth(replica)

    def test_a_storm_makes_few_runs(self):
        (self.root / "a").touch()
        replica = self.begin()
        losses, states = 0, set()
        began = time.monotonic()
        while time.monotonic() < began + 5 or losses < 12:
            self.overflow()
            losses += 1
            status = self.daemon.status(self.drive)
            states.add(status["state"])
            if status["state"] == "degraded":
                self.assertIn("lost again and again", status["why"])
        elapsed = time.monotonic() - began
        # At 0, 1, 3, 7 s and so on, each after the end of the one before.
        self.assertLessEqual(len(self.overflow_runs()), 2 + math.log2(elapsed + 1))
        self.assertLess(len(self.overflow_runs()), losses)
        self.assertTrue(states & {"degraded", "reconciling"}, states)
        (self.root / "new").touch()
        self.assert_truth(replica)              # its barrier waits for the run that is owed
        replica.until(lambda item: item["event"] == "sync.completed" and item["run"] >= self.history()[0]["run"])
        status = self.daemon.status(self.drive)
        self.assertEqual((status["state"], status.get("why", "")), ("live", ""))

    def test_who_asks_for_a_run_need_not_wait(self):
        """The run that waits then goes as theirs, unless it has begun in that moment."""
        (self.root / "a").touch()
        replica = self.begin()
        trigger = None
        while trigger != "manual":
            while self.daemon.status(self.drive)["state"] != "degraded":
                self.overflow()
            trigger = self.ended(replica, run=self.trigger())["trigger"]
        self.assert_truth(replica)


if __name__ == "__main__":
    unittest.main()
