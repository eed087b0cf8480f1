"""A client that applies a snapshot and the events after it, and asserts the invariants after every single event.

TREE  no orphan, no duplicate name, no cycle; parents exist and are directories; `deleted` removes a leaf, or a subtree
      when it says so; `moved` takes the subtree along.
ORD   seqs grow.  GAP: each frame's `prev` is the cursor we hold, and without a filter no seq is skipped.
DUP   follows from both.  EPOCH: the ledger remembers what each (epoch, seq) was used for, for the whole run.
"""
import base64
import json

from truth import item_bytes, item_state, parse_time

SWAP = b".wakeline-swap-"
FILE_EVENTS = ("drive.file.created", "drive.file.updated", "drive.file.moved", "drive.file.deleted")


def parse_cursor(cursor):
    """(epoch, seq) of a cursor."""
    position, _, check = cursor.partition("~")
    epoch, _, seq = position.partition("-")
    assert len(check) == 16 and int(check, 16) >= 0, f"{cursor!r} is no cursor"
    return int(epoch), int(seq)


class Ledger:
    """What each position of each stream was used for."""

    def __init__(self):
        self._used = {}

    def enter(self, stream, epoch, item):
        key = (stream, epoch, item["seq"])
        text = json.dumps(item, sort_keys=True)
        before = self._used.setdefault(key, text)
        assert before == text, f"{key} was used for two things:\n  {before}\n  {text}"


class Node:
    __slots__ = ("number", "name", "parent", "children", "item")

    def __init__(self, number, name, parent, item):
        self.number = number
        self.name = name
        self.parent = parent
        self.item = item
        self.children = {}

    def kind(self):
        return self.item["kind"] if self.item else "dir"

    def path(self):
        parts = []
        node = self
        while node.parent is not None:
            parts.append(node.name)
            node = node.parent
        return b"/".join(reversed(parts))


class Tree:
    """The namespace of one drive as a client knows it."""

    def __init__(self):
        self.root = Node(0, b"", None, None)
        self.nodes = {}

    def scaffold(self, prefix):
        """Stand-ins for what lies above a prefix, which no item tells of."""
        node = self.root
        for name in prefix.split(b"/")[:-1]:
            node = node.children.setdefault(name, Node(0, name, node, None))

    def find(self, path):
        node = self.root
        for name in path.split(b"/") if path else []:
            node = node.children.get(name)
            if node is None:
                return None
        return node

    def _place(self, path):
        """The directory that a path lies in, and the last name."""
        assert path and not path.startswith(b"/") and b"//" not in path, f"{path!r} is no path"
        head, _, name = path.rpartition(b"/")
        assert 1 <= len(name) <= 255 and name not in (b".", b".."), f"{name!r} is no name"
        parent = self.find(head)
        assert parent is not None, f"orphan: {path!r} has no parent"
        assert parent.kind() == "dir", f"orphan: the parent of {path!r} is a {parent.kind()}"
        return parent, name

    def add(self, item):
        path = item_bytes(item, "path")
        parent, name = self._place(path)
        assert name not in parent.children, f"duplicate name: {path!r}"
        assert item["node"] not in self.nodes, f"node {item['node']} has two names, {path!r} is one of them"
        node = Node(item["node"], name, parent, item)
        parent.children[name] = node
        self.nodes[node.number] = node

    def _known(self, item, key="path"):
        path = item_bytes(item, key)
        node = self.find(path)
        assert node is not None, f"there is no {path!r}: {item}"
        assert node.number == item["node"], f"{path!r} is node {node.number}, not {item['node']}"
        assert node.kind() == item["kind"], f"{path!r} is a {node.kind()}, not a {item['kind']}"
        return node

    def update(self, item):
        self._known(item).item = item

    def move(self, item):
        node = self._known(item, "from")
        path = item_bytes(item, "path")
        del node.parent.children[node.name]
        parent, name = self._place(path)
        above = parent
        while above is not None:
            assert above is not node, f"cycle: {path!r} lies below itself"
            above = above.parent
        assert name not in parent.children, f"duplicate name: {path!r}"
        node.parent, node.name, node.item = parent, name, item
        parent.children[name] = node

    def delete(self, item):
        node = self._known(item)
        assert item.get("recursive") or not node.children, f"orphans below {item['path']!r}, deleted alone"
        del node.parent.children[node.name]
        todo = [node]
        while todo:
            gone = todo.pop()
            todo.extend(gone.children.values())
            del self.nodes[gone.number]

    def states(self):
        return {node.path(): item_state(node.item) for node in self.nodes.values()}

    def apply(self, item):
        {"drive.file.created": self.add, "drive.file.updated": self.update, "drive.file.moved": self.move,
         "drive.file.deleted": self.delete}[item["event"]](item)


class Replica:
    """One subscription to a drive's stream, and the tree it gives.  `log` has every item in order."""

    def __init__(self, connection, drive, ledger=None):
        self.connection = connection
        self.drive = drive
        self.stream = "drive:" + drive
        self.ledger = ledger if ledger is not None else Ledger()
        self.tree = Tree()
        self.log = []
        self.frames = []
        self.cursor = None
        self.sub = None
        self._whole = True
        self.prefixes = []
        self.resets = 0

    # Beginning

    def from_snapshot(self, identifier="s"):
        self._subscribe(identifier, "snapshot")
        self.tree, last = Tree(), False
        for prefix in self.prefixes:
            self.tree.scaffold(prefix)
        while not last:
            page = self.connection.expect("snap", sub=self.sub)
            for item in page["items"]:
                assert not {"event", "seq", "at"} & item.keys(), f"an entry of a snapshot with an event: {item}"
                self._check_item(item)
                self.tree.add(item)
            last = page.get("last", False)
        self.cursor = page["cursor"]
        return self

    def within(self, *prefixes):
        """See these prefixes (bytes) alone.  Items that go past are known to be there, and seqs skip."""
        self.prefixes = list(prefixes)
        return self

    def fits(self, path):
        return not self.prefixes or any(path == prefix or path.startswith(prefix + b"/") for prefix in self.prefixes)

    def from_now(self, identifier="s", events=None):
        self.cursor = self._subscribe(identifier, "now", events)["cursor"]
        self._whole = not events
        return self

    def resume(self, connection, identifier="s"):
        """Go on from the cursor over another connection."""
        self.connection = connection
        answer = self._subscribe(identifier, self.cursor)
        assert answer["cursor"] == self.cursor, f"asked for {self.cursor}, got {answer}"
        return self

    def _subscribe(self, identifier, start, events=None):
        frame = {"type": "subscribe", "id": identifier, "stream": self.stream, "from": start}
        if events:
            frame["events"] = events
        if self.prefixes:
            frame["prefix_b64"] = [base64.b64encode(prefix).decode() for prefix in self.prefixes]
        self.connection.send(frame)
        answer = self.connection.receive(lambda f: f.get("id") == identifier)
        assert answer["type"] == "subscribed", f"not subscribed: {answer}"
        assert answer["stream"] == self.stream and (("cursor" in answer) == (start != "snapshot")), answer
        self.sub = answer["sub"]
        return answer

    # Going on

    def step(self):
        """Take one frame of this subscription and apply it."""
        frame = self.connection.receive(
            lambda f: f.get("sub") == self.sub and f["type"] in ("ev", "mark", "reset"))
        if self.prefixes and frame["type"] == "reset" and frame["reason"] == "moved":
            self.resets += 1
            before = self.cursor
            self.from_snapshot()
            assert parse_cursor(self.cursor) > parse_cursor(before), f"{self.cursor} is from before the reset"
            return frame
        assert frame["type"] != "reset", f"the stream was reset: {frame}"
        assert frame["prev"] == self.cursor, f"gap: we hold {self.cursor}, the frame follows {frame['prev']}"
        if frame["type"] == "ev":
            self._apply(frame)
        assert parse_cursor(frame["cursor"]) > parse_cursor(self.cursor), f"no progress: {frame}"
        self.cursor = frame["cursor"]
        self.frames.append(frame)
        return frame

    def _apply(self, frame):
        epoch, seq = parse_cursor(self.cursor)
        end_epoch, end = parse_cursor(frame["cursor"])
        assert epoch == end_epoch and frame["stream"] == self.stream and frame["items"], frame
        for item in frame["items"]:
            assert item["seq"] > seq, f"out of order: {item['seq']} after {seq}"
            assert not self._whole or self.prefixes or item["seq"] == seq + 1, f"gap: {item['seq']} after {seq}"
            seq = item["seq"]
            self.ledger.enter(self.stream, epoch, item)
            self._check_item(item)
            self.log.append(item)
            if item["event"] in FILE_EVENTS:
                revision = item.get("rev", f"{epoch}-{seq}" if item["event"] == "drive.file.deleted" else None)
                assert revision == f"{epoch}-{seq}", f"the revision is not the position: {item}"
                if self._whole:
                    self.tree.apply(item)
        assert seq <= end and (not self._whole or self.prefixes or seq == end), f"the last item is {seq}, the cursor {end}"
        if self._whole:
            names = [node.name for node in self.tree.nodes.values() if node.name.startswith(SWAP)] \
                if SWAP.decode() in frame.raw else []
            assert not names, f"a swap name outlives its frame: {names}"

    def _check_item(self, item):
        assert item["drive"] == self.drive, item
        for key in ("path", "from"):
            assert key not in item or self.fits(item_bytes(item, key)), f"outside of {self.prefixes}: {item}"
        if "at" in item:
            parse_time(item["at"])
        if item.get("event") in (None, *FILE_EVENTS[:3]):
            item_state(item)
            parse_cursor(item["rev"] + "~" + "0" * 16)

    def advance_to(self, cursor):
        """Apply all up to and including a position."""
        goal = parse_cursor(cursor)
        while parse_cursor(self.cursor) < goal:
            self.step()
        return self

    def settle(self):
        """Be level with everything done on the drive before this call."""
        return self.advance_to(self.connection.barrier(self.stream))

    def until(self, match):
        """Step until an item (also one already seen) matches; that item."""
        seen = 0
        while True:
            for item in self.log[seen:]:
                if match(item):
                    return item
            seen = len(self.log)
            self.step()

    def events(self, *names):
        return [item for item in self.log if not names or item["event"] in names]

    def is_last_word(self, item):
        """Whether an item only takes `open` away from what was said before: so it ends, 5 s after the last write, where
        no close was seen."""
        before = next((other for other in reversed(self.log) if other.get("node") == item["node"]
                       and other["seq"] < item["seq"]), {})
        return (item["event"] == "drive.file.updated" and bool(before.get("open")) and not item.get("open")
                and item_state(before) == item_state(item))
