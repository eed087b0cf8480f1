"""Configurations that cannot be served: one clear line that names the thing and what to do, and a non-zero exit."""
import os
import random
import shutil
import socket
import stat
import subprocess
import unittest
from pathlib import Path

from harness import DaemonCase, program
from workload import make_tree, run


class RefusedTest(DaemonCase):
    def refused(self, *words, daemon=None):
        line = (daemon or self.daemon).refuse()
        for word in words:
            self.assertIn(str(word), line)

    def rewrite(self, old, new):
        text = self.daemon.config.read_text()
        self.assertIn(old, text)
        self.daemon.config.write_text(text.replace(old, new))

    def test_no_configuration(self):
        self.daemon.config.unlink()
        self.refused(self.daemon.config)

    def test_a_missing_drive(self):
        self.root.rmdir()
        self.refused("music", self.root)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_an_unreadable_drive(self):
        self.root.chmod(0)
        self.work.chmod(0o755)
        self.daemon.folder.chmod(0o755)
        self.daemon.state.mkdir(mode=0o700)
        os.chown(self.daemon.state, 65534, 65534)
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 program("wakelined"), "--config", str(self.daemon.config)],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertGreater(result.returncode, 0)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(str(self.root), result.stderr)

    def test_a_drive_that_is_a_file(self):
        self.root.rmdir()
        self.root.touch()
        self.refused("music", self.root)

    def test_a_drive_behind_a_symlink(self):
        link = self.work / "link"
        link.symlink_to(self.root)
        self.rewrite(f"path = {self.root}", f"path = {link}")
        self.refused(link)

    def test_a_relative_path(self):
        self.rewrite(f"path = {self.root}", "path = drive")
        self.refused("drive", "absolute")

    def test_the_state_directory_inside_a_drive(self):
        self.rewrite(f"state_dir = {self.daemon.state}", f"state_dir = {self.root}/state")
        self.refused(f"{self.root}/state", "music")
        self.assertFalse((self.root / "state").exists())

    def test_one_drive_twice(self):
        self.refused("music", "films", daemon=self.new_daemon({"music": self.root, "films": self.root}))

    def test_a_drive_inside_another(self):
        inner = self.root / "inner"
        inner.mkdir()
        self.refused("music", "inner", daemon=self.new_daemon({"music": self.root, "inner": inner}))

    def test_an_unknown_key(self):
        self.rewrite("path =", "setle = 5ms\npath =")
        self.refused("setle", "settle", f"{self.daemon.config}:")

    def test_an_unknown_section(self):
        self.rewrite("[server]", "[sever]")
        self.refused("sever", "server")

    def test_values_that_are_none(self):
        for key, value in (("settle", "soon"), ("settle", "-1ms"), ("max_wait", "5 parsecs"), ("backend", "magic"),
                           ("retain_changes", "many"), ("retain_changes", "0")):
            with self.subTest(key=key, value=value):
                daemon = self.new_daemon({"music": self.root}, settings={"music": {key: value}})
                self.refused(key, value, daemon=daemon)

    def test_a_name_that_is_none(self):
        self.rewrite('[drive "music"]', '[drive "My Music"]')
        self.refused("My Music")

    def test_a_listen_address_that_is_none(self):
        self.rewrite("listen = 127.0.0.1", "listen = everywhere")
        self.refused("listen", "everywhere")

    def test_a_listen_address_of_another_machine(self):
        self.rewrite("listen = 127.0.0.1", "listen = 192.0.2.1")
        self.refused("192.0.2.1", "this machine has no such address", "`listen`")

    @unittest.skipIf(int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 2, "all ports are free here")
    def test_a_privileged_port(self):
        self.rewrite(f"listen = 127.0.0.1:{self.daemon.port}", "listen = 127.0.0.1:1")
        self.refused("127.0.0.1:1:", "ip_unprivileged_port_start")

    def test_a_comment_behind_a_value(self):
        self.rewrite(f"listen = 127.0.0.1:{self.daemon.port}", "listen = 127.0.0.1:7420 # local")
        self.refused("7420 # local", "a comment needs a line of its own")

    def test_a_comment_behind_a_path(self):
        self.rewrite(f"path = {self.root}", f"path = {self.root} # all of it")
        self.refused("No such file", "what looks like a comment")

    def test_a_state_directory_that_cannot_be_made(self):
        self.rewrite(f"state_dir = {self.daemon.state}", f"state_dir = {self.work}/not/there")
        self.refused(f"{self.work}/not/there", "make the directory above it first")

    def test_a_state_directory_that_is_none(self):
        self.daemon.state.touch()
        self.refused(self.daemon.state, "Not a directory; correct `state_dir`")

    def test_no_drive_at_all(self):
        self.daemon.config.write_text("[server]\n")
        self.refused("drive")

    def test_a_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.daemon.port))
            other.listen()
            self.refused(self.daemon.port)

    def test_a_store_locked_by_another_daemon(self):
        self.daemon.start()
        second = self.new_daemon({"music": self.root})
        second.state = self.daemon.state
        second.write_config()
        self.refused(self.daemon.state, self.daemon.pid, daemon=second)
        self.daemon.connect().ping()

    def test_a_store_of_a_newer_version(self):
        self.daemon.start()
        self.daemon.stop()
        self.make_newer(self.daemon.state / "store" / "store.mdb")
        self.refused(self.daemon.state, "newer")

    def make_newer(self, path):
        """Raise the format number in a store, with LMDB's own tools."""
        dump = subprocess.run(["mdb_dump", "-a", "-n", str(path)], check=True, capture_output=True, text=True).stdout
        lines = dump.splitlines()
        at = next(i for i, line in enumerate(lines) if line.strip() == b"format".hex())
        value = bytearray.fromhex(lines[at + 1].strip())
        value[0] = 99
        lines[at + 1] = " " + value.hex()
        path.unlink()
        subprocess.run(["mdb_load", "-n", str(path)], input="\n".join(lines) + "\n", text=True, check=True)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)


class CommandLineTest(unittest.TestCase):
    def test_options_are_written_out(self):
        for option in ("--conf", "--check-conf", "--conf=x"):
            result = subprocess.run([program("wakelined"), option, "x"], text=True, capture_output=True, timeout=60,
                                    stdin=subprocess.DEVNULL)
            self.assertEqual(result.returncode, 2)
            self.assertIn("write --c", result.stderr)


class CheckConfigTest(DaemonCase):
    def check(self):
        return subprocess.run([program("wakelined"), "--check-config", "--config", str(self.daemon.config)], text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL)

    def test_of_a_good_one_is_silent(self):
        result = self.check()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_a_drive_that_is_not_there_is_no_error_but_said(self):
        self.root.rmdir()
        result = self.check()
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn(f"drive music: {self.root}: No such file or directory", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)


class OfflineTest(DaemonCase):
    def test_a_known_drive_that_is_missing_starts_offline(self):
        """NOMASS: no deletions, the others are served, and the drive comes back as it was."""
        films = self.work / "films"
        make_tree(films, 2)
        make_tree(self.root, 2)
        self.daemon = self.new_daemon({"music": self.root, "films": films})
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        self.root.rename(self.work / "away")
        self.daemon.start()
        self.assertEqual(self.daemon.status("music")["state"], "offline")
        self.assert_truth(self.replica(drive="films").from_snapshot())
        frozen = self.replica().from_snapshot()
        self.assertEqual(frozen.tree.states(), replica.tree.states())
        self.daemon.stop()
        (self.work / "away").rename(self.root)
        self.daemon.start()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        self.assertFalse(replica.events("drive.file.deleted", "drive.file.created"))

    def test_the_log_tells_why_and_when_that_changes(self):
        self.daemon.start()
        self.replica().from_snapshot()
        self.daemon.stop()
        shutil.rmtree(self.root)
        self.daemon.log.write_text("")
        self.daemon.start()
        self.daemon.wait_for_log("drive music is offline: ")
        self.root.touch()
        self.daemon.wait_for_log("Not a directory")
        said = [line for line in self.daemon.log.read_text().splitlines() if "is offline" in line]
        self.assertEqual(len(said), 2, said)


class CheckTest(DaemonCase):
    def test_of_a_good_store(self):
        make_tree(self.root)
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())
        self.daemon.stop()
        self.assertTrue(self.daemon.check().strip())

    def test_of_a_store_in_use(self):
        self.daemon.start()
        result = subprocess.run([program("wakelined"), "--check", "--config", str(self.daemon.config)],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertGreater(result.returncode, 0)
        self.assertIn(str(self.daemon.pid), result.stdout + result.stderr)

    def test_a_broken_store_is_put_aside_and_clients_start_afresh(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.kill()
        store = self.daemon.state / "store" / "store.mdb"
        with open(store, "r+b") as file:
            for page in range(2, store.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(os.urandom(4096))
        # The child that reads it first may die of that, as it should; no sanitizer needs to tell us.
        self.daemon.environment = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0"}
        self.daemon.start()
        self.assertTrue([name for name in os.listdir(self.daemon.state) if name.startswith("broken-")])
        self.daemon.tokens.clear()
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "from": replica.cursor})
        self.assertEqual(connection.expect("reset")["reason"], "epoch")
        self.assert_truth(self.replica(connection).from_snapshot())

    def test_a_copied_store_begins_a_new_epoch(self):
        make_tree(self.root)
        self.daemon.start()
        replica = self.replica().from_snapshot()
        self.daemon.stop()
        run("cp", "-a", self.daemon.state, self.work / "backup")
        self.daemon.start()
        (self.root / "later").touch()
        replica.resume(self.daemon.connect())
        self.assert_truth(replica)
        self.daemon.stop()
        run("rm", "-rf", self.daemon.state)
        run("cp", "-a", self.work / "backup", self.daemon.state)
        self.daemon.start()
        connection = self.daemon.connect()
        connection.send({"type": "subscribe", "id": "x", "stream": "drive:music", "from": replica.cursor})
        self.assertEqual(connection.expect("reset")["reason"], "epoch")
        again = self.replica(connection).from_snapshot()
        (self.root / "again").touch()
        self.assert_truth(again)


class DamageTest(DaemonCase):
    """A store that was closed in order and damaged then: it is not read whole at the start."""

    def setUp(self):
        super().setUp()
        make_tree(self.root)
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())
        self.daemon.stop()
        self.store = self.daemon.state / "store" / "store.mdb"
        # What reads a damaged page may die of that, as it should; no sanitizer needs to tell us.
        self.daemon.environment = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0"}

    def damage(self, *words):
        """Make nonsense of every page that holds one of these words."""
        data = bytearray(self.store.read_bytes())
        noise = random.Random(7)
        for at in range(2 * 4096, len(data), 4096):
            if any(word in data[at:at + 4096] for word in words):
                data[at:at + 4096] = noise.randbytes(4096)
        self.store.write_bytes(data)

    def broken(self):
        return [name for name in os.listdir(self.daemon.state) if name.startswith("broken-")]

    def assert_begun_anew(self):
        """It is set aside in the end, and the new one is good."""
        self.daemon.wait_for_log("set aside as")
        self.daemon.tokens.clear()
        self.daemon.wait_until_healthy()
        self.assertEqual(len(self.broken()), 1)
        self.assert_truth(self.replica().from_snapshot())

    def check(self):
        """A check that must find something: what it says."""
        result = subprocess.run([program("wakelined"), "--check", "--config", str(self.daemon.config)], text=True,
                                capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                                env={**os.environ, **self.daemon.environment})
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stderr.splitlines()[-1]

    def test_that_shows_when_it_is_opened(self):
        self.store.write_bytes(self.store.read_bytes()[:4 * 4096])
        self.daemon.start()
        self.assert_begun_anew()

    def test_of_a_small_store(self):
        """That is read whole at each start, since what is damaged can end who reads it."""
        self.damage(b"track")
        self.daemon.start()
        self.assert_begun_anew()

    def test_of_a_large_store(self):
        """That is found out when the start's run reads the index; the daemon goes on with a new store."""
        for i in range(16000):
            (self.root / f"{i:05}-{'long' * 50}").touch()
        self.daemon.start()
        self.assert_truth(self.replica().from_snapshot())
        self.daemon.stop()
        self.assertGreater(self.store.stat().st_size, 8 << 20)
        self.store.write_bytes(self.store.read_bytes().replace(b"longlong", b"lonqlonq"))
        self.daemon.start()
        self.daemon.wait_for_log("the store is damaged")
        self.assert_begun_anew()

    def test_a_check_says_what_to_do(self):
        self.damage(b"track")
        self.assertIn("move it out of the way", self.check())
        self.store.write_bytes(bytes(self.store.stat().st_size))
        self.assertIn("move it out of the way", self.check())

    def test_an_empty_store_is_a_new_one(self):
        self.store.write_bytes(b"")
        self.assertIn("nothing was written to this store yet", self.check())
        self.assertEqual(self.store.stat().st_size, 0)
        self.daemon.start()
        self.daemon.wait_for_log("store.mdb is empty; a new store begins")
        self.daemon.tokens.clear()
        self.assert_truth(self.replica().from_snapshot())
        self.assertEqual(self.broken(), [])


if __name__ == "__main__":
    unittest.main()
