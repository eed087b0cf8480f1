"""TRUTH: what the file system says, in the words of the protocol, and how a replica differs from it."""
import base64
import calendar
import os
import re
import stat
import time

TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z$")
RESERVED_PREFIXES = (b".wakeline-stage-", b".wakeline-swap-")


def parse_time(text):
    """Nanoseconds since 1970; the text must have exactly nine decimals and a Z."""
    match = TIME.match(text)
    assert match, f"{text!r} is no time of the protocol"
    seconds = calendar.timegm(time.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(match.group(2))


def item_bytes(item, key):
    """The bytes of a path, from or target, which are the _b64 field's where there is one."""
    text = item[key]
    encoded = item.get(key + "_b64")
    if encoded is None:
        return text.encode()
    name = base64.b64decode(encoded, validate=True)
    assert name.decode(errors="replace") == text, f"{key} {text!r} does not show {name!r}"
    assert b"\xef\xbf\xbd" in text.encode(), f"{key}_b64 beside a name that is UTF-8: {item}"
    return name


def item_state(item):
    """What an item says of an entry, comparable with entry_state()."""
    state = {key: item[key] for key in ("kind", "mode", "uid", "gid")}
    if item["kind"] == "dir":
        assert "size" not in item and "mtime" not in item, f"size or time of a directory: {item}"
    else:
        state["size"] = item["size"]
        state["mtime"] = parse_time(item["mtime"])
    if item["kind"] == "symlink":
        state["target"] = item_bytes(item, "target")
    return state


def entry_state(name, status, folder=None):
    """The same of what `name` stands for (in the directory open as `folder`); None for what is no entry of a drive."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}
    kind = kinds.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    state = {"kind": kind, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
    if kind != "dir":
        state["size"] = status.st_size
        state["mtime"] = status.st_mtime_ns
    if kind == "symlink":
        state["target"] = os.readlink(name, dir_fd=folder)
    return state


def walk(root):
    """{relative path: state} of every entry below root; all as bytes."""
    found = {}
    walk_into(os.open(os.fsencode(root), os.O_RDONLY | os.O_DIRECTORY), b"", found)
    return found


def walk_into(folder, prefix, found):
    """The same below an open directory, which is closed: no path is too long for that."""
    try:
        for name in map(os.fsencode, os.listdir(folder)):
            path = prefix + name
            if name.startswith(RESERVED_PREFIXES) or path == b".wakeline":
                continue
            state = entry_state(name, os.stat(name, dir_fd=folder, follow_symlinks=False), folder)
            if state is None:
                continue
            found[path] = state
            if state["kind"] == "dir":
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                walk_into(below, path + b"/", found)
    finally:
        os.close(folder)


def differences(root, tree):
    """One line for each path on which drive and replica disagree."""
    there, here = walk(root), tree.states()
    lines = [f"not in the replica: {path!r}" for path in sorted(there.keys() - here.keys())]
    lines += [f"only in the replica: {path!r}" for path in sorted(here.keys() - there.keys())]
    for path in sorted(there.keys() & here.keys()):
        for key in there[path].keys() | here[path].keys():
            if there[path].get(key) != here[path].get(key):
                lines.append(f"{path!r}: {key} is {there[path].get(key)!r} on the drive, "
                             f"{here[path].get(key)!r} in the replica")
    return lines


def assert_equal(root, tree):
    lines = differences(root, tree)
    if lines:
        raise AssertionError("drive and replica differ in %d ways:\n  %s" % (len(lines), "\n  ".join(lines[:20])))
