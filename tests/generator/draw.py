"""A script from a seed.

A model of the tree, kept in the order in which lines are drawn, makes most operations possible; where processes run at
once some fail, as in real life.  Each seed uses only some kinds of operations: what goes wrong between two of them is
rarely found where thirty are mixed.
"""
import random

from script import BASE, DRIVER, OPTION, Script

NAMES = ["a", "b", "c", "d", "e", "f"]
STRANGE = ["%C3%A9t%C3%A9", "n%FF", ".hidden", "x" * 250]
DEPTH_MAX = 5
SETTLES = ["0", "5ms", "20ms"]


class Model:
    """Path -> kind, of what should be there."""

    def __init__(self, rng):
        self.rng = rng
        self.kinds = {}
        self.names = rng.sample(NAMES, rng.randrange(3, len(NAMES) + 1))
        if rng.random() < 0.3:
            self.names.append(rng.choice(STRANGE))

    def pick(self, *kinds):
        found = [path for path, kind in self.kinds.items() if kind in kinds and not path.startswith("out/")]
        return self.rng.choice(found) if found else self.rng.choice(self.names)

    def outside(self):
        found = [path for path in self.kinds if path.startswith("out/")]
        return self.rng.choice(found) if found else "out/" + self.rng.choice(self.names)

    def fresh(self):
        """A name that mostly is free: renames go over one that is taken, creations fail."""
        folders = [path + "/" for path, kind in self.kinds.items()
                   if kind == "dir" and path.count("/") < DEPTH_MAX and not path.startswith("out/")]
        path = ""
        for _ in range(self.rng.randrange(1, 6)):
            path = self.rng.choice([""] + folders) + self.rng.choice(self.names)
            if path not in self.kinds:
                break
        return path

    def add(self, path, kind):
        parent = path.rpartition("/")[0]
        if path not in self.kinds and (not parent or parent == "out" or self.kinds.get(parent) == "dir"):
            self.kinds[path] = kind

    def below(self, path):
        return [other for other in self.kinds if other == path or other.startswith(path + "/")]

    def remove(self, path):
        for gone in self.below(path):
            del self.kinds[gone]

    def move(self, old, new):
        if old not in self.kinds or old == new or new.startswith(old + "/"):
            return
        kind = self.kinds[old]
        if new in self.kinds and ((kind == "dir") != (self.kinds[new] == "dir") or len(self.below(new)) > 1):
            return
        tree = {new + path[len(old):]: self.kinds[path] for path in self.below(old)}
        self.remove(old)
        self.remove(new)
        self.kinds.update(tree)

    def swap(self, one, other):
        if one not in self.kinds or other not in self.kinds or one.startswith(other) or other.startswith(one):
            return
        trees = {other + path[len(one):]: self.kinds[path] for path in self.below(one)}
        trees.update({one + path[len(other):]: self.kinds[path] for path in self.below(other)})
        self.remove(one)
        self.remove(other)
        self.kinds.update(trees)


class Drawer:
    """Each method gives the lines of one operation."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.model = Model(self.rng)
        self.counter = 0

    def bytes(self):
        return str(self.rng.choice([0, 1, 10, 100, 5000, self.rng.randrange(100000)]))

    def create(self):
        path = self.model.fresh()
        self.model.add(path, "file")
        return [["create", path]]

    def write(self):
        path = self.rng.choice([self.model.fresh(), self.model.pick("file")])
        self.model.add(path, "file")
        return [["write", path, self.bytes()]]

    def append(self):
        return [["append", self.model.pick("file"), self.bytes()]]

    def truncate(self):
        return [["truncate", self.model.pick("file"), self.bytes()]]

    def mmap(self):
        return [["mmap", self.model.pick("file"), self.bytes()]]

    def save(self):
        path = self.model.pick("file")
        temporary = path + ".new"
        return [["write", temporary, self.bytes()], ["rename", temporary, path]]

    def rename(self):
        old, new = self.model.pick("file", "dir", "symlink"), self.model.fresh()
        self.model.move(old, new)
        return [["rename", old, new]]

    def rename_dir(self):
        old, new = self.model.pick("dir"), self.model.fresh()
        self.model.move(old, new)
        return [["rename", old, new]]

    def rename_over(self):
        old, new = self.model.pick("file", "symlink"), self.model.pick("file", "symlink")
        self.model.move(old, new)
        return [["rename", old, new]]

    def chain(self):
        """a to t, b to a, t to b; or back and forth."""
        one, other = self.model.pick("file", "dir"), self.model.pick("file", "dir")
        temporary = self.model.fresh()
        lines = [["rename", one, temporary], ["rename", other, one], ["rename", temporary, other]]
        if self.rng.random() < 0.3:
            return [["rename", one, temporary], ["rename", temporary, one]]
        self.model.swap(one, other)
        return lines

    def exchange(self):
        one, other = self.model.pick("file", "dir", "symlink"), self.model.pick("file", "dir", "symlink")
        self.model.swap(one, other)
        return [["exchange", one, other]]

    def link(self):
        old, new = self.model.pick("file"), self.model.fresh()
        if old in self.model.kinds:
            self.model.add(new, "file")
        return [["link", old, new]]

    def symlink(self):
        path = self.model.fresh()
        self.model.add(path, "symlink")
        return [["symlink", self.rng.choice(NAMES + ["..", "/nowhere"]), path]]

    def chmod(self):
        return [["chmod", self.model.pick("file", "dir"), self.rng.choice(["700", "755", "640", "2775"])]]

    def mkdir(self):
        path = self.model.fresh()
        self.model.add(path, "dir")
        return [["mkdir", path]]

    def mkdir_deep(self):
        lines = []
        path = self.model.fresh()
        for _ in range(self.rng.randrange(1, 4)):
            self.model.add(path, "dir")
            lines.append(["mkdir", path])
            path += "/" + self.rng.choice(self.model.names)
        self.model.add(path, "file")
        return lines + [["write", path, self.bytes()]]

    def rmdir(self):
        path = self.model.pick("dir")
        if len(self.model.below(path)) == 1:
            self.model.remove(path)
        return [["rmdir", path]]

    def unlink(self):
        path = self.model.pick("file", "symlink")
        self.model.remove(path)
        return [["unlink", path]]

    def remove(self):
        path = self.model.pick("file", "dir", "symlink")
        self.model.remove(path)
        return [["remove", path]]

    def move_out(self):
        old, new = self.model.pick("file", "dir"), "out/" + self.rng.choice(self.model.names)
        self.model.move(old, new)
        return [["rename", old, new]]

    def move_in(self):
        old, new = self.model.outside(), self.model.fresh()
        self.model.move(old, new)
        return [["rename", old, new]]

    def work_outside(self):
        path = self.model.outside()
        if self.model.kinds.get(path) == "dir":
            self.model.add(path + "/w", "file")
            return [["write", path + "/w", self.bytes()]]
        return [["append", path, self.bytes()]]

    def replace_kind(self):
        path = self.model.pick("file", "dir", "symlink")
        kind = self.rng.choice(["file", "dir", "symlink"])
        make = {"file": ["write", path, self.bytes()], "dir": ["mkdir", path], "symlink": ["symlink", "a", path]}
        self.model.remove(path)
        self.model.add(path, kind)
        return [["remove", path], make[kind]]

    def hold_open(self):
        slot = str(self.rng.randrange(4))
        path = self.rng.choice([self.model.fresh(), self.model.pick("file")])
        self.model.add(path, "file")
        return [["open", slot, path], ["put", slot, self.bytes()]]

    def put(self):
        return [["put", str(self.rng.randrange(4)), self.bytes()]]

    def close(self):
        return [["close", str(self.rng.randrange(4))]]

    def pause(self):
        return [["pause", str(self.rng.choice([200, 2000, 8000, self.rng.randrange(30000)]))]]


COMMON = ["create", "write", "mkdir", "rename", "unlink"]
GROUPS = [["append", "truncate", "mmap", "save"], ["rename_dir", "rename_over"], ["chain", "exchange"], ["link"],
          ["symlink", "chmod"], ["mkdir_deep", "rmdir", "remove"], ["move_out", "move_in", "work_outside"],
          ["replace_kind"], ["hold_open", "put", "close"]]


def operations_of(rng):
    """The kinds of operations that a seed uses, some of them more often than others."""
    kinds = list(COMMON)
    for group in GROUPS:
        if rng.random() < 0.45:
            kinds += group * rng.choice([1, 1, 4])
    return kinds


def driver_lines(rng):
    """Trouble for the daemons; whatever is stopped goes on again at the end at the latest."""
    lines = []
    for _ in range(rng.randrange(1, 4)):
        lines.append(["pause", str(rng.randrange(15000))])
        who = rng.choice(["watcher", "watcher", "daemon"])
        if rng.random() < 0.5:
            lines.append(["kill", who])
        else:
            lines += [["stop", who], ["pause", str(rng.randrange(30000))], ["continue", who]]
    return lines


def draw(seed):
    drawer = Drawer(seed)
    rng = drawer.rng
    lines = [[OPTION, "settle", SETTLES[seed // 20 % len(SETTLES)]]]
    for _ in range(rng.randrange(4, 15)):
        kind = rng.choice(["mkdir", "mkdir_deep", "write", "symlink"])
        lines += [[BASE] + line for line in getattr(drawer, kind)()]
    kinds = operations_of(rng)
    processes = [str(1 + i) for i in range(rng.choice([1, 1, 2, 3, 4]))]
    pauses = rng.choice([0, 0, 0.02, 0.1])
    for _ in range(rng.randrange(5, 120)):
        process = rng.choice(processes)
        kind = "pause" if rng.random() < pauses else rng.choice(kinds)
        lines += [[process] + line for line in getattr(drawer, kind)()]
    if rng.random() < 0.15:
        lines += [[DRIVER] + line for line in driver_lines(rng)]
    return Script(lines, f"seed {seed}")


def churn(seed, operations=600, processes=3):
    """All kinds at once, by several processes, inside the drive alone."""
    drawer = Drawer(seed)
    kinds = COMMON * 3 + sum((group for group in GROUPS if "move_out" not in group), []) + ["pause"]
    lines = []
    for _ in range(operations):
        process = str(1 + drawer.rng.randrange(processes))
        lines += [[process] + line for line in getattr(drawer, drawer.rng.choice(kinds))()]
    return Script(lines, f"churn {seed}")
