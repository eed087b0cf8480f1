"""The `wakeline` command against a daemon: what people paste and what scripts read."""
import json
import subprocess
import unittest

from connection import PATIENCE
from harness import DaemonCase, program
from workload import make_tree


class CommandTest(DaemonCase):
    def setUp(self):
        super().setUp()
        make_tree(self.root, 2, 2)
        self.daemon.start()
        self.live = self.replica().from_snapshot()

    def wakeline(self, *arguments, check=True):
        return self.daemon.command(*arguments, "--url", self.daemon.url, "--token", self.token(), check=check)

    def token(self):
        return self.daemon.token("read", "admin")

    def tail(self, *arguments):
        """A running `wakeline tail --json`."""
        process = subprocess.Popen([program("wakeline"), "tail", "music", "--json", "--url", self.daemon.url, "--token",
                                    self.token(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   stdin=subprocess.DEVNULL)
        self.addCleanup(process.communicate, timeout=PATIENCE)
        self.addCleanup(process.terminate)
        return process

    def events_until(self, process, path):
        """The items that a tail prints up to the one about `path`."""
        items = []
        for line in process.stdout:
            items.append(json.loads(line))
            if items[-1].get("path") == path:
                return items
        raise AssertionError(f"the tail ended: {process.stderr.read()}")

    def test_tail_follows_and_survives_a_restart(self):
        start = self.live.settle().cursor
        process = self.tail("--after", start)
        (self.root / "one").touch()
        items = self.events_until(process, "one")
        self.daemon.kill()
        (self.root / "two").touch()
        self.daemon.start()
        items += self.events_until(process, "two")
        (self.root / "three").touch()
        items += self.events_until(process, "three")
        self.live.resume(self.daemon.connect())
        self.live.settle()
        seen = [(item["event"], item["seq"], item.get("path")) for item in items]
        self.assertEqual(seen, [(item["event"], item["seq"], item.get("path")) for item in self.live.log][:len(seen)])

    def test_tail_from_a_snapshot_until_a_barrier(self):
        result = self.wakeline("tail", "music", "--json", "--from-snapshot", "--until-barrier")
        items = [json.loads(line) for line in result.stdout.splitlines()]
        entries = [item for item in items if "event" not in item]
        self.assertEqual(len(entries), len(self.live.tree.nodes))

    def test_tail_with_a_cursor_that_is_too_old_or_wrong_says_so(self):
        result = self.wakeline("tail", "music", "--after", "1-1~0123456789abcdef", "--until-barrier", check=False)
        self.assertIn("cannot be followed from here (epoch)", result.stderr)
        self.assertEqual(result.returncode, 1)

    def test_status(self):
        drives = json.loads(self.wakeline("status", "--json").stdout)["drives"]
        self.assertEqual([drive["name"] for drive in drives], ["music"])
        text = self.wakeline("status").stdout
        for word in ("music", "live", str(self.root)):
            self.assertIn(word, text)

    def test_trigger_and_history(self):
        result = self.wakeline("trigger", "music", "--json", "--wait")
        self.assertIn('"run"', result.stdout)
        history = self.wakeline("history", "music", "--json").stdout
        self.assertIn("manual", history)
        self.assertIn("manual", self.wakeline("history", "music").stdout)

    def test_sync_waits_for_everything_done_before(self):
        (self.root / "file").touch()
        result = self.wakeline("sync", "music")
        self.assertRegex(result.stdout, r"\d+-\d+~[0-9a-f]{16}")
        self.live.advance_to(result.stdout.split()[-1])
        self.assertIsNotNone(self.live.tree.find(b"file"))

    def test_over_the_control_socket_no_token_is_needed(self):
        result = self.daemon.command("status", "--state", str(self.daemon.state), "--json")
        self.assertEqual(json.loads(result.stdout)["drives"][0]["name"], "music")

    def test_errors_have_an_exit_status(self):
        self.assertEqual(self.wakeline("trigger", "nothing", check=False).returncode, 1)
        self.assertEqual(self.wakeline("jump", check=False).returncode, 2)
        self.assertEqual(self.daemon.command("status", "--url", "http://127.0.0.1:1", check=False).returncode, 3)
        self.daemon.stop()
        self.assertEqual(self.daemon.command("status", "--state", str(self.daemon.state), check=False).returncode, 3)


if __name__ == "__main__":
    unittest.main()
