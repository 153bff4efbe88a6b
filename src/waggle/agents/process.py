"""Running other people's programs: each in a process group of its own, with a time limit.

Output goes to a file on this machine; what enters the log is its digest and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import psutil
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.limits import TAIL_BYTES_MAX

NOTE_VARIABLE = "WAGGLE_PROCESS"
"""Carries the path of the note that tells of a program, to the program and all that it starts."""
GRACE_S = 3.0
"""Between asking a process group to end and ending it."""
_LEAD_ASTRAY = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
     "GIT_PREFIX", "GIT_NAMESPACE"}
)  # fmt: skip


class Ended(Struct, frozen=True, kw_only=True):
    """How a program ended: its exit status (negative: by that signal), and whether time ran out."""

    exit: int
    timed_out: bool
    duration_ms: int


def environment(base: Mapping[str, str], cwd: str, more: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a program in `cwd`: no git variable leads it elsewhere."""
    kept = {name: value for name, value in base.items() if name not in _LEAD_ASTRAY}
    return {**kept, "PWD": cwd, **more}


def shell(command: str) -> tuple[str, ...]:
    """Give the argument list that hands a user's own command line, as it is, to their shell."""
    if sys.platform == "win32":
        return ("cmd", "/d", "/c", command)
    return ("sh", "-c", command)


async def start(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: bytes, log: str, note: str
) -> asyncio.subprocess.Process:
    """Start a program as the leader of its own process group, its output going to a file.

    Raises `environment` when it cannot be started. Standard input comes from a file, so a program
    that never reads it blocks nobody. What is started is noted at `note`, for `end_orphans`.
    """
    source, sink = _streams(stdin, log)
    _note(note, None)
    try:
        started = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env={**env, NOTE_VARIABLE: note},
            stdin=source,
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise WaggleError(
            "environment",
            f"cannot start {argv[0]!r}: {error}",
            "Check that the program is installed and on PATH, or give its whole path.",
        ) from error
    finally:
        os.close(source)
        os.close(sink)
    _note(note, started.pid)
    return started


def _streams(stdin: bytes, log: str) -> tuple[int, int]:
    """Give handles to read `stdin` from and to append output to."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.seek(0)
        source = os.dup(file.fileno())
    return source, os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it started: first asked, then made to."""
    _signal(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), GRACE_S)
    except TimeoutError:
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
    _signal(process.pid, signal.SIGKILL)  # children that outlived their leader


def _signal(group: int, number: int) -> None:
    # The group may be gone already: then there is nothing left to end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(group, number)
        else:
            os.killpg(group, number)


async def wait(process: asyncio.subprocess.Process, limit_s: float | None) -> Ended:
    """Wait for a program, at most `limit_s` seconds; end its whole group in any case."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    timed_out = False
    try:
        await asyncio.wait_for(process.wait(), limit_s)
    except TimeoutError:
        timed_out = True
    finally:
        if process.returncode is None:
            await asyncio.shield(stop(process))
        else:
            _signal(process.pid, signal.SIGKILL)
    took = int((loop.time() - began) * 1000)
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    return Ended(exit=code, timed_out=timed_out, duration_ms=took)


def digest_and_tail(log: str) -> tuple[str, str]:
    """Give the digest of a whole output file and its end as text (at most TAIL_BYTES_MAX)."""
    hasher = blake2b(digest_size=32)
    tail = b""
    with open(log, "rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
            tail = (tail + piece)[-TAIL_BYTES_MAX:]
    text = tail.decode(errors="replace").replace("\0", "\ufffd")
    while len(text.encode()) > TAIL_BYTES_MAX:
        text = text[len(text) // 8 + 1 :]
    return hasher.hexdigest(), text


def birth(pid: int) -> float | None:
    """Give when a process was started, or None where there is none: with the pid it names one."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # it is gone, or is nobody that we may look at
        return None


def _note(path: str, pid: int | None) -> None:
    """Write down which process is ours, so that whoever comes after a crash can end it.

    A first note says that one is about to be: a crash may come before its number is known.
    """
    born = None if pid is None else birth(pid)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump({"pid": pid, "born": born}, file)
    os.replace(f"{path}.new", path)


def forget(path: str) -> None:
    """Take the note of a program away that has ended with all that it started."""
    with contextlib.suppress(FileNotFoundError):  # gone is what is wanted
        os.remove(path)


def end_orphans(path: str) -> bool:
    """End what is left of the process group noted at `path`; tell whether anything was.

    Invariant: only processes are ended that are, or descend from, the one that was noted. A number
    is not given anew while its group lives, so a group without its leader is judged by its ages;
    where the crash came before the number was known, by a variable that only ours were given.
    """
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    except FileNotFoundError:
        return False
    forget(path)
    pid, born = known["pid"], known["born"]
    if pid is None:
        found = [one.pid for one in psutil.process_iter() if _is_marked(one, path)]
    elif birth(pid) in {None, born} and any(
        _belongs(one, pid, born) for one in psutil.process_iter()
    ):
        found = [pid]
    else:
        found = []  # all ended, or that number is someone else's now
    for group in found:
        _signal(group, signal.SIGKILL)
    return bool(found)


def _is_marked(one: psutil.Process, path: str) -> bool:
    """Tell whether a process leads a group and was started with this very note."""
    try:
        leads = sys.platform == "win32" or os.getpgid(one.pid) == one.pid
        return leads and one.environ().get(NOTE_VARIABLE) == path
    except (psutil.Error, OSError):
        return False  # it ended while we looked, or is another user's


def _belongs(one: psutil.Process, group: int, born: float | None) -> bool:
    try:
        inside = one.pid == group if sys.platform == "win32" else os.getpgid(one.pid) == group
        alive = inside and one.status() != psutil.STATUS_ZOMBIE
        return alive and (born is None or one.create_time() >= born)
    except (psutil.Error, OSError):
        return False  # it ended while we looked
