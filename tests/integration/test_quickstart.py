"""The main job from a clean checkout: packaging/quickstart builds, serves and prints what a client needs."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import truth
from connection import PATIENCE, Connection
from harness import REPOSITORY, alive, descendants, free_port, wait_for_end
from replica import Replica, parse_cursor
from workload import exchange, git, make_repository, make_tree, run, save_atomically

BUILD_PATIENCE = 900


def setUpModule():
    """One clean checkout for all tests here: what git would check out, without what is built."""
    global checkout
    checkout = Path(tempfile.mkdtemp(prefix="wakeline-checkout-"))
    unittest.addModuleCleanup(shutil.rmtree, checkout)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, check=True,
                           capture_output=True).stdout
    subprocess.run(["tar", "--null", "-T", "-", "--ignore-failed-read", "-cf", checkout / "all.tar"], cwd=REPOSITORY,
                   input=files, check=True)
    run("tar", "-C", checkout, "-xf", checkout / "all.tar")


class QuickstartTest(unittest.TestCase):
    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="wakeline-test-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.root = self.work / "My Music!"
        self.root.mkdir()
        self.state = self.work / "state"

    def command(self, *options, state=True):
        chosen = ["--state", str(self.state)] if state else []
        return [str(checkout / "packaging" / "quickstart"), str(self.root), "--no-install", *chosen, *options]

    def quickstart(self, *options):
        """Run it with --json --detach; the line."""
        result = subprocess.run(self.command("--json", "--detach", *options), capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=BUILD_PATIENCE)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), 1, result.stdout)
        answer = json.loads(result.stdout)
        self.addCleanup(self.stop, answer["pid"])
        return answer

    def stop(self, pid):
        if alive(pid):
            below = descendants(pid)
            os.kill(pid, signal.SIGTERM)
            for process in [pid] + below:
                wait_for_end(process)

    def refused(self, message, *options, state=True, code=1):
        result = subprocess.run(self.command(*options, state=state), capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=BUILD_PATIENCE)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertIn(message, result.stderr.splitlines()[-1])

    def assert_truth(self, replica):
        replica.settle()
        truth.assert_equal(self.root, replica.tree)

    def test_the_main_job(self):
        answer = self.quickstart()
        self.assertEqual(sorted(answer), ["drive", "pid", "state", "token", "url", "ws"])
        self.assertEqual((answer["drive"], answer["state"]), ("my-music-", str(self.state)))
        self.assertIn(b"wakelined", Path(f"/proc/{answer['pid']}/cmdline").read_bytes())
        replica = Replica(Connection(answer["ws"], answer["token"]), answer["drive"]).from_snapshot()
        for job in (self.copy, self.extract, self.clone, self.switch_branches, self.save, self.make_directories,
                    self.rename_directories, self.exchange_directories, self.remove):
            with self.subTest(job=job.__name__):
                job()
                self.assert_truth(replica)

    def copy(self):
        run("cp", "-a", "/usr/include", self.root)

    def extract(self):
        make_tree(self.work / "source", 30, 10)
        with tarfile.open(self.work / "source.tar", "w") as tar:
            tar.add(self.work / "source", "extracted")
        run("tar", "-C", self.root, "-xf", self.work / "source.tar")

    def clone(self):
        run("git", "clone", "-q", make_repository(self.work / "repository"), self.root / "clone")

    def switch_branches(self):
        for branch in ("renamed", "replaced", "main"):
            git(self.root / "clone", "checkout", "-q", branch)

    def save(self):
        for i in range(20):
            save_atomically(self.root / "notes.txt", f"version {i}\n")

    def make_directories(self):
        for i in range(100):
            subprocess.run(f"mkdir -p m{i}/a/b/c && touch m{i}/a/b/c/f", shell=True, cwd=self.root, check=True)

    def rename_directories(self):
        (self.root / "include").rename(self.root / "headers")
        (self.root / "extracted").rename(self.root / "headers" / "linux" / "extracted")
        for i in range(0, 100, 2):
            (self.root / f"m{i}").rename(self.root / f"m{i + 1}" / "a" / f"m{i}")

    def exchange_directories(self):
        exchange(self.root / "headers" / "linux", self.root / "clone")

    def remove(self):
        run("rm", "-rf", self.root / "headers", self.root / "m1")

    def test_again_it_goes_on_where_it_was(self):
        first = self.quickstart()
        replica = Replica(Connection(first["ws"], first["token"]), first["drive"]).from_snapshot()
        (self.root / "before").touch()
        self.assert_truth(replica)
        self.stop(first["pid"])
        (self.root / "while it was down").touch()
        second = self.quickstart()
        replica.resume(Connection(second["ws"], second["token"]))
        self.assert_truth(replica)
        self.assertEqual(parse_cursor(replica.cursor)[0], parse_cursor(replica.frames[0]["cursor"])[0])

    def test_in_the_foreground_until_ctrl_c(self):
        process = subprocess.Popen(self.command("--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   stdin=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        pid = json.loads(process.stdout.readline())["pid"]
        self.addCleanup(self.stop, pid)
        below = descendants(pid)
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, rest, errors), (0, "", ""))
        for process in [pid] + below:
            wait_for_end(process)
        self.assertIn("stopping", (self.state / "wakelined.log").read_text())

    def test_what_it_prints_for_people_works(self):
        result = subprocess.run(self.command("--detach", "--drive", "songs"), capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=BUILD_PATIENCE)
        self.assertEqual(result.returncode, 0, result.stderr)
        pid = int(result.stdout.split("kill ")[1].split()[0])
        self.addCleanup(self.stop, pid)
        paste = next(line.split() for line in result.stdout.splitlines() if " tail " in line)
        (self.root / "song").touch()
        tail = subprocess.run([*paste, "--from-snapshot", "--until-barrier"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE)
        self.assertEqual(tail.returncode, 0, tail.stderr)
        self.assertIn("song", tail.stdout)

    def test_what_cannot_be(self):
        self.refused("would watch itself", "--state", str(self.root / "state"), state=False)
        self.refused("not a number from 1 to 65535", "--port", "0")
        self.refused("--drive My Music", "--drive", "My Music")
        self.refused("unknown option", "--frobnicate", code=2)
        self.refused("needs a value", "--port", code=2)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.refused("in use", "--port", str(other.getsockname()[1]))
        self.root.rmdir()
        self.refused("make it first")
        self.root.touch()
        self.refused("a drive is a whole directory")

    def test_a_state_directory_in_use(self):
        first = self.quickstart()
        before = (self.state / "wakelined.conf").read_text()
        self.refused(f"kill {first['pid']}", "--detach", "--port", str(free_port()))
        self.assertEqual((self.state / "wakelined.conf").read_text(), before)

    def test_again_it_gives_the_same_token(self):
        first = self.quickstart()
        self.stop(first["pid"])
        again = self.quickstart()
        self.assertEqual(again["token"], first["token"])
        self.stop(again["pid"])
        renamed = self.quickstart("--drive", "songs")
        self.assertNotEqual(renamed["token"], first["token"])
        tokens = subprocess.run([checkout / "build" / "quickstart" / "client" / "wakeline", "token", "list", "--json",
                                 "--state", self.state], capture_output=True, text=True, check=True).stdout
        self.assertEqual(len(json.loads(tokens)["tokens"]), 2)

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
    def test_a_repository_that_cannot_be_written_to(self):
        self.quickstart()               # has built, so that little is left to do
        frozen, cache = self.work / "frozen", self.work / "cache"
        frozen.mkdir()
        run("mount", "--bind", checkout, frozen)
        self.addCleanup(run, "umount", frozen)
        run("mount", "-o", "remount,bind,ro", frozen)
        shutil.copytree(checkout / "build" / "quickstart", cache / "wakeline-quickstart" / "build")
        (cache / "wakeline-quickstart" / "build" / "CMakeCache.txt").unlink()
        result = subprocess.run([frozen / "packaging" / "quickstart", self.root, "--no-install", "--json", "--detach",
                                 "--state", self.work / "other state"], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=BUILD_PATIENCE,
                                env={**os.environ, "XDG_CACHE_HOME": str(cache)})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.addCleanup(self.stop, json.loads(result.stdout)["pid"])

    @unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
    def test_another_user_than_root_gets_inotify(self):
        self.quickstart()               # has built
        for path in (self.work, self.root, checkout):
            path.chmod(0o755)
        shutil.chown(self.root, "nobody")
        home = self.work / "home"
        home.mkdir()
        shutil.chown(home, "nobody")
        shutil.chown(checkout / "build", "nobody")
        run("chown", "-R", "nobody", checkout / "build")
        result = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "-u",
                                 "XDG_STATE_HOME", f"HOME={home}", *self.command("--json", "--detach", state=False)],
                                capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=BUILD_PATIENCE)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.addCleanup(self.stop, answer["pid"])
        self.assertTrue(answer["state"].startswith(str(home)))
        replica = Replica(Connection(answer["ws"], answer["token"]), answer["drive"]).from_snapshot()
        make_tree(self.root)
        self.assert_truth(replica)


if __name__ == "__main__":
    unittest.main()
