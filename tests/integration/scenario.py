"""The language of scenarios/*.txt: read into scenarios, with the line of each thing.  test_scenarios.py explains it."""
import ast
import re
from dataclasses import dataclass, field

from replica import SWAP
from truth import item_bytes

EVENTS = ("created", "updated", "moved", "deleted")
KINDS = ("file", "dir", "symlink")
CHANGES = {"content", "meta", "maybe"}
BLOCKS = ("given", "do", "expect")


class BadScenario(Exception):
    def __init__(self, where, message):
        super().__init__(f"{where}: {message}")


def name_bytes(word, where):
    """The bytes of a written path: Python's escapes, `x{255}` and `(ab/){20}` for repetition."""
    word = re.sub(r"(\\x..|[^(){}\\])\{(\d+)\}", lambda m: m[1] * int(m[2]), word)
    word = re.sub(r"\(([^()]*)\)\{(\d+)\}", lambda m: m[1] * int(m[2]), word)
    try:
        return ast.literal_eval('b"' + word.replace('"', '\\"') + '"') if word.isascii() else word.encode()
    except SyntaxError:
        raise BadScenario(where, f"cannot read the name {word}") from None


def name_text(name):
    """The reverse, for people."""
    text = ascii(name)[2:-1] if not name.isascii() or not name.decode("ascii").isprintable() else name.decode()
    return text.replace(" ", "\\x20")


class Seen:
    """One item of the stream, as seen from the scenario's own directory."""

    def __init__(self, item, prefix, before):
        """before: {node: path} of what the last look at the tree had."""
        self.item = item
        self.event = item["event"].rpartition(".")[2]
        self.path = self._below(prefix, "path")
        self.origin = self._below(prefix, "from") if "from" in item else None
        self.was = before.get(item["node"])

    def _below(self, prefix, key):
        path = item_bytes(self.item, key)
        return path[len(prefix):] if path.startswith(prefix) else b"/" + path

    def __str__(self):
        words = [self.event, name_text(self.path)]
        if self.origin is not None:
            words += ["from", name_text(self.origin)]
        words += [self.item["kind"], "+".join(self.item.get("changed", []))]
        words += [word for word in ("recursive", "open") if self.item.get(word)]
        if self.was not in (None, self.path):
            words += ["same node as", name_text(self.was)]
        return " ".join(filter(None, words))


def without_swaps(seen):
    """Who steps aside on the way to another name is not defined: both steps count as one move."""
    told, aside = [], {}
    for one in seen:
        if one.event == "moved" and SWAP in one.path:
            aside[one.path] = one.origin
            continue
        one.origin = aside.pop(one.origin, one.origin)
        told.append(one)
    return told


@dataclass
class Item:
    """One line of an expect block."""
    text: str
    event: str
    path: bytes
    origin: bytes = None
    kind: str = None
    changed: list = None        # of sets: any of them will do
    flags: set = field(default_factory=set)
    node_of: bytes = None
    optional: bool = False

    def fits(self, seen):
        return (self.event == seen.event and self.path == seen.path and self.origin == seen.origin
                and self.kind in (None, seen.item["kind"])
                and (self.changed is None or set(seen.item.get("changed", [])) in self.changed)
                and self.flags == {word for word in ("recursive", "open") if seen.item.get(word)}
                and self.node_of in (None, seen.was))


def parse_item(text, where):
    words = text.split()
    optional = words[0] == "perhaps"
    words = words[optional:]
    if not words or words[0] not in EVENTS or len(words) < 2:
        raise BadScenario(where, f"an item begins with one of {', '.join(EVENTS)} and a path")
    item = Item(text, words[0], name_bytes(words[1], where), optional=optional)
    rest = words[2:]
    while rest:
        word = rest.pop(0)
        if word in KINDS:
            item.kind = word
        elif word in ("recursive", "open"):
            item.flags.add(word)
        elif word == "from" and rest:
            item.origin = name_bytes(rest.pop(0), where)
        elif word == "same" and rest[:2] == ["node", "as"] and len(rest) > 2:
            item.node_of = name_bytes(rest[2], where)
            rest = rest[3:]
        elif all(set(choice.split("+")) <= CHANGES for choice in word.split("|")):
            item.changed = [set(choice.split("+")) for choice in word.split("|")]
        else:
            raise BadScenario(where, f"`{word}` is no word of an item")
    if (item.event == "moved") != (item.origin is not None):
        raise BadScenario(where, "`moved` and only `moved` has a `from`")
    if (item.event == "updated") != (item.changed is not None):
        raise BadScenario(where, "`updated` and only `updated` says content, meta or maybe")
    return item


@dataclass
class Action:
    where: str
    text: str
    words: list


@dataclass
class Expect:
    """What a `do` has to bring; of several in a row the one with the most conditions that hold counts."""
    where: str
    conditions: set
    ordered: bool
    items: list
    nothing: bool = False

    def holds(self, seen, ordered):
        missing = list(self.items)
        for one in seen:
            while ordered and missing and missing[0].optional and not missing[0].fits(one):
                missing.pop(0)
            match = next((item for item in (missing[:1] if ordered else missing) if item.fits(one)), None)
            if match is None:
                return False
            missing.remove(match)
        return all(item.optional for item in missing)

    def fault(self, seen, ordered=True):
        """None, or how what was seen differs, for people."""
        ordered = ordered and self.ordered
        if self.holds(seen, ordered):
            return None
        wanted = [item.text for item in self.items] or ["nothing"]
        got = [str(one) for one in seen] or ["nothing"]
        order = "" if ordered else ", in any order"
        return "\n        ".join([f"{self.where}: expected{order}", *wanted]) + \
            "\n    but what came was\n        " + "\n        ".join(got)


@dataclass
class Step:
    kind: str                   # given or do
    actions: list
    expects: list


@dataclass
class Scenario:
    where: str
    title: str
    steps: list = field(default_factory=list)
    excluded: list = field(default_factory=list)        # of sets of words, as in `not on`
    down: bool = False
    repeat: int = 1

    def runs_on(self, words):
        return not any(conditions <= words for conditions in self.excluded)


def parse_expect(words, where, known):
    expect = Expect(where, set(), True, [])
    while words:
        word = words.pop(0)
        if word == "nothing":
            expect.nothing = True
        elif word == "in" and words[:2] == ["any", "order"]:
            expect.ordered = False
            words = words[2:]
        elif word == "on" and words:
            expect.conditions = conditions_of(words, where, known)
            words = []
        else:
            raise BadScenario(where, f"`{word}` is no word of an expect")
    return expect


def conditions_of(words, where, known):
    for word in words:
        if word not in known:
            raise BadScenario(where, f"`{word}` is none of {', '.join(sorted(known))}")
    return set(words)


class Reader:
    """Parses one file; `known` are the words that may follow `on`."""

    def __init__(self, name, known):
        self.name, self.known = name, known
        self.scenarios = []
        self.add = None         # takes an indented line

    def read(self, text):
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{self.name}:{number}"
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if line[0].isspace():
                if self.add is None:
                    raise BadScenario(where, "an indented line belongs to `given`, `do` or `expect`")
                self.add(where, line.strip())
            else:
                self._heading(where, line.split())
        for scenario in self.scenarios:
            self._check(scenario)
        return self.scenarios

    def _heading(self, where, words):
        self.add = None
        if words[0] == "scenario" and len(words) > 1:
            self.scenarios.append(Scenario(where, " ".join(words[1:])))
            return
        if not self.scenarios:
            raise BadScenario(where, "a file begins with `scenario` and a claim")
        scenario = self.scenarios[-1]
        if words[:2] == ["not", "on"]:
            places, _, reason = " ".join(words[2:]).partition(":")
            if not reason.strip():
                raise BadScenario(where, "`not on` ends with a colon and the reason")
            scenario.excluded.append(conditions_of(places.split(), where, self.known))
        elif words == ["also", "down"]:
            scenario.down = True
        elif words[0] == "repeat" and len(words) == 2 and words[1].isdigit():
            scenario.repeat = int(words[1])
        elif words in (["given"], ["do"]):
            scenario.steps.append(Step(words[0], [], []))
            self.add = self._add_action
        elif words[0] == "expect" and scenario.steps and scenario.steps[-1].kind == "do":
            scenario.steps[-1].expects.append(parse_expect(words[1:], where, self.known))
            self.add = self._add_item
        else:
            raise BadScenario(where, f"`{' '.join(words)}` is out of place")

    def _add_action(self, where, text):
        self.scenarios[-1].steps[-1].actions.append(Action(where, text, text.split()))

    def _add_item(self, where, text):
        self.scenarios[-1].steps[-1].expects[-1].items.append(parse_item(text, where))

    @staticmethod
    def _check(scenario):
        if not any(step.kind == "do" for step in scenario.steps):
            raise BadScenario(scenario.where, "nothing is done")
        for step in scenario.steps:
            if step.kind == "do" and not any(not expect.conditions for expect in step.expects):
                raise BadScenario(scenario.where, "each `do` needs an `expect` without conditions")
            for expect in step.expects:
                if expect.nothing == bool(expect.items):
                    raise BadScenario(expect.where, "`expect nothing` stands alone, any other has items")


def choose_expect(expects, words):
    fitting = [expect for expect in expects if expect.conditions <= words]
    most = max(len(expect.conditions) for expect in fitting)
    best = [expect for expect in fitting if len(expect.conditions) == most]
    if len(best) > 1:
        raise BadScenario(best[1].where, "which of these counts is not clear")
    return best[0]
