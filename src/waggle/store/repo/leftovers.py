"""What killed gits left in a repository: locks, torn refs. What is at work is left alone.

A lock is stale when it is older than LOCK_STALE_S and no git process that may work here is as old
as it is.
"""

from __future__ import annotations

import os
import re
import socket
import tempfile
from contextlib import suppress

from waggle.store.repo.git import running

LOCK_STALE_S = 10
"""Age in seconds from which a lock may be taken for what a killed git left behind."""
GC_S_MAX = 12 * 3600
"""How old git lets its own mark of a `gc` on another host become."""
REF = re.compile(rb"([0-9a-f]{40})\n|ref: .*\n")
"""What the file of a ref holds."""


def head(path: str) -> bytes:
    """Give the start of a small file; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(4096)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return b""


def mend_ref_file(common_dir: str, path: str) -> None:
    """Clear what a crash left of a ref of our own: a stale lock, a file without an id.

    A lock that is not stale stays, and moving the ref raises `busy`.
    """
    lock = f"{path}.lock"
    if os.path.exists(lock) and _stale(common_dir, lock):
        os.remove(lock)
    if not _broken(path):
        return
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # git is at work on it, and leaves it whole
    try:
        # Under git's own lock: nobody has mended it in between.
        if _broken(path):
            os.remove(path)
    finally:
        os.close(handle)
        os.remove(lock)


def clear_locks(common_dir: str, prefix: str) -> int:
    """Take away stale locks of the refs under a prefix of our own, and of packed refs.

    Gives how many.
    """
    folder = os.path.join(common_dir, *prefix.strip("/").split("/"))
    locks = [os.path.join(common_dir, "packed-refs.lock")]
    for here, _, names in os.walk(folder):
        locks += [os.path.join(here, name) for name in names if name.endswith(".lock")]
    count = 0
    for lock in locks:
        with suppress(FileNotFoundError):  # it was no stale one: its git has just ended
            if _stale(common_dir, lock):
                os.remove(lock)
                count += 1
    return count


def collecting(common_dir: str) -> bool:
    """Tell whether `git gc` is at work here; `git prune` by hand does not say that it is.

    gc.pid holds its process and host. Like git itself, this takes a file of a process that is
    gone, or of more than 12 hours ago, for what a crash left.
    """
    path = os.path.join(common_dir, "gc.pid")
    pid, _, host = head(path).decode(errors="replace").strip().partition(" ")
    if not pid.isdecimal():
        return False
    if host == socket.gethostname():
        import psutil

        return psutil.pid_exists(int(pid))
    try:
        return _age(common_dir, os.stat(path).st_mtime) < GC_S_MAX
    except FileNotFoundError:
        return False


def _stale(common_dir: str, lock: str) -> bool:
    made = os.stat(lock).st_mtime
    return _age(common_dir, made) > LOCK_STALE_S and not running(common_dir, made)


def _age(common_dir: str, made: float) -> float:
    """Give the seconds since a file time, by the clock that stamps files here."""
    with tempfile.TemporaryFile(dir=common_dir) as probe:
        return os.fstat(probe.fileno()).st_mtime - made


def _broken(path: str) -> bool:
    """Tell whether the file of a ref is there without an id in it."""
    try:
        with open(path, "rb") as file:
            return not REF.fullmatch(file.read(4096))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
