"""What lies inside the settle window, with windows so long that only a barrier or a full window ends them."""
import os

from harness import DaemonCase


class LongWindowTest(DaemonCase):
    settings = {"settle": "30s", "max_wait": "60s"}

    def setUp(self):
        super().setUp()
        (self.root / "old").write_text("old\n")
        self.daemon.start()
        self.replica_ = self.replica().from_snapshot()

    def events(self):
        self.assert_truth(self.replica_)
        return [(item["event"].rpartition(".")[2], item["path"]) for item in self.replica_.log]

    def test_created_and_deleted_is_nothing(self):
        (self.root / "passing").touch()
        (self.root / "passing").unlink()
        self.assertEqual(self.events(), [])

    def test_many_writes_are_one_event(self):
        for i in range(100):
            with open(self.root / "new", "a") as file:
                file.write(f"{i}\n")
        self.assertEqual(self.events(), [("created", "new")])

    def test_write_and_rename_is_one_event(self):
        (self.root / "temporary").write_text("new\n")
        (self.root / "temporary").rename(self.root / "final")
        self.assertEqual(self.events(), [("created", "final")])

    def test_a_renamed_and_renamed_back_is_nothing(self):
        (self.root / "old").rename(self.root / "elsewhere")
        (self.root / "elsewhere").rename(self.root / "old")
        self.assertEqual([event for event in self.events() if event[0] != "updated"], [])

    def test_a_file_that_stays_open_says_so_until_it_is_closed(self):
        with open(self.root / "recording", "w") as file:
            file.write("one\n")
            file.flush()
            self.assertEqual(self.events(), [("created", "recording")])
            self.assertIs(self.replica_.log[-1]["open"], True)
            file.write("two\n")
        self.assertEqual(self.events()[-1], ("updated", "recording"))
        self.assertNotIn("open", self.replica_.log[-1])


class ShortWindowTest(DaemonCase):
    """HOLD: what never rests is announced all the same."""
    settings = {"settle": "200ms", "max_wait": "400ms"}

    def test_a_file_that_never_rests_is_announced(self):
        self.daemon.start()
        replica = self.replica().from_snapshot()
        seen = []
        file = os.open(self.root / "busy", os.O_CREAT | os.O_WRONLY)
        while not seen:
            os.pwrite(file, os.urandom(8), 0)
            os.utime(file)
            replica.connection.ping()
            seen = [frame for frame in replica.connection.kept() if frame["type"] == "ev"]
        os.close(file)
        replica.settle()
        self.assertEqual({item["path"] for item in replica.log}, {"busy"})
