"""File systems for the tests: made in a directory of the test's own, and unmounted whatever happens.

    with contextlib.ExitStack() as stack:
        folder = mounts.make("xfs", work, stack)

`folder` is an empty directory on a fresh file system of that kind.  CannotMount says why this machine has none.
"""
import os
import subprocess
from pathlib import Path

# The smallest that mkfs.xfs makes is 300 MB.  The images are sparse: a few MB of each are really there.
IMAGE_BYTES = 320 << 20


class CannotMount(Exception):
    pass


def call(*command):
    words = [os.fspath(word) for word in command]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise CannotMount(f"{words[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise CannotMount(f"`{' '.join(words)}` failed: {(error.stderr or error.stdout).strip()}") from None


def unmount(folder):
    """Also one that is in use: what uses it has failed or is about to end."""
    result = subprocess.run(["umount", folder], capture_output=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        subprocess.run(["umount", "--lazy", folder], check=True, stdin=subprocess.DEVNULL)


def mounted(folder, stack, *command):
    call(*command)
    stack.callback(unmount, folder)
    return folder


def empty_folder(work, name):
    folder = Path(work) / name
    folder.mkdir()
    return folder


def on_loop(mkfs, kind, work, stack):
    image, folder = Path(work) / "image", empty_folder(work, "mount")
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    call(*mkfs, image)
    return mounted(folder, stack, "mount", "-t", kind, "-o", "loop", image, folder)


def ext4(work, stack):
    return on_loop(["mkfs.ext4", "-q", "-F"], "ext4", work, stack)


def xfs(work, stack):
    return on_loop(["mkfs.xfs", "-q"], "xfs", work, stack)


def btrfs(work, stack):
    return on_loop(["mkfs.btrfs", "-q"], "btrfs", work, stack)


def subvolume(work, stack):
    folder = btrfs(work, stack) / "subvolume"
    call("btrfs", "subvolume", "create", folder)
    return folder


def tmpfs(work, stack):
    folder = empty_folder(work, "mount")
    return mounted(folder, stack, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder)


def overlay(work, stack):
    lower, upper, scratch, folder = (empty_folder(work, name) for name in ("lower", "upper", "scratch", "mount"))
    return mounted(folder, stack, "mount", "-t", "overlay", "-o",
                   f"lowerdir={lower},upperdir={upper},workdir={scratch}", "overlay", folder)


def fuse(work, stack):
    source, folder = empty_folder(work, "source"), empty_folder(work, "mount")
    # The kernel would believe for a second what it knows of a file, although it was written under another name.
    return mounted(folder, stack, "bindfs", "-o", "attr_timeout=0", source, folder)


KINDS = {make.__name__: make for make in (ext4, xfs, btrfs, subvolume, tmpfs, overlay, fuse)}


def make(kind, work, stack):
    if os.geteuid() != 0:
        raise CannotMount("only root may mount")
    return KINDS[kind](work, stack)
