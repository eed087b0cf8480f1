"""Who is served: tokens made, listed and revoked over the control socket."""
import json
import os
import stat
import time
import unittest

from harness import DaemonCase


class TokensTest(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon.start()

    def listed(self):
        result = self.daemon.command("token", "list", "--state", str(self.daemon.state), "--json")
        return {entry["id"]: entry for entry in json.loads(result.stdout)["tokens"]}

    def works(self, token):
        return self.daemon.http("GET", "/api/sync/status", token=token).status == 200

    def test_a_token_is_256_random_bits(self):
        tokens = {self.daemon.new_token()["token"] for _ in range(5)}
        self.assertEqual(len(tokens), 5)
        for token in tokens:
            self.assertRegex(token, r"^[A-Za-z0-9_-]{43}$")

    def create(self, *options, check=True):
        return self.daemon.command("token", "create", "--state", str(self.daemon.state), *options, check=check)

    def test_the_command_prints_it_alone(self):
        result = self.create("--name", "desk", "--drive", "music", "--expires", "30d")
        self.assertTrue(self.works(result.stdout.strip()))
        entry = next(entry for entry in self.listed().values() if entry["name"] == "desk")
        self.assertEqual((entry["scopes"], entry["drives"]), (["read"], ["music"]))
        self.assertIsNotNone(entry["expires"])

    def test_a_drive_that_is_not_there_is_refused(self):
        result = self.create("--name", "desk", "--drive", "music", "--drive", "musik", check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr, "wakeline: there is no drive `musik` here; there are music\n")
        self.assertNotIn("desk", [entry["name"] for entry in self.listed().values()])

    def test_a_list_never_shows_the_token(self):
        made = self.daemon.new_token("read", "admin", drives=("music",))
        result = self.daemon.command("token", "list", "--state", str(self.daemon.state))
        self.assertNotIn(made["token"], result.stdout)
        entry = self.listed()[made["id"]]
        self.assertNotIn("token", entry)
        self.assertEqual((sorted(entry["scopes"]), entry["drives"]), (["admin", "read"], ["music"]))

    def test_the_token_is_nowhere_in_the_store(self):
        token = self.daemon.new_token()["token"].encode()
        self.daemon.stop()
        for folder, _, files in os.walk(self.daemon.state):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(token, file.read(), name)

    def test_revoked_means_out(self):
        made = self.daemon.new_token()
        connection = self.daemon.connect(made["token"])
        self.assertTrue(self.works(made["token"]))
        self.daemon.command("token", "revoke", "--state", str(self.daemon.state), str(made["id"]))
        self.assertEqual(connection.wait_closed().code, 4403)
        self.assertFalse(self.works(made["token"]))
        late = self.daemon.connect(token="")
        late.send({"type": "hello", "token": made["token"]})
        self.assertEqual(late.wait_closed().code, 4401)

    def test_expired_means_out(self):
        made = self.daemon.new_token(expires_in=2)
        connection = self.daemon.connect(made["token"])
        began = time.monotonic()
        self.assertEqual(connection.wait_closed().code, 4403)
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse(self.works(made["token"]))

    def test_tokens_outlive_a_restart(self):
        token = self.daemon.token()
        self.daemon.stop()
        self.daemon.start()
        self.assertTrue(self.works(token))

    def test_the_state_is_for_its_owner_alone(self):
        self.assertEqual(stat.S_IMODE(self.daemon.state.stat().st_mode), 0o700)
        for path in self.daemon.state.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)

    @unittest.skipIf(os.geteuid() != 0, "becoming somebody else needs root")
    def test_somebody_else_is_no_administrator(self):
        for path in (self.work, self.daemon.folder, self.daemon.state):
            path.chmod(0o755)
        control = self.daemon.state / "control"
        control.chmod(0o666)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                status = self.daemon.control("GET", "/api/tokens").status
            except OSError:
                status = 403        # closed on sight is as good
            os._exit(0 if status in (401, 403) else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


if __name__ == "__main__":
    unittest.main()
