"""A process that appends and seals in a loop, and is struck where the test wants it.

Started as `python writer.py JSON`. It speaks on standard output, one unbuffered line each:
`ack KEY ID` once an append has returned, `sealed FIRST LAST`, `error CODE`, and `strike` just
before it kills itself with SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable

import msgspec
import pygit2

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.faces.machine import now_ms
from waggle.log.entry import Agent
from waggle.store.outside import Outside
from waggle.store.repo import git
from waggle.store.repo.locate import find
from waggle.store.space import Draft, Space

BEFORE_COMMIT = "before the journal's commit"
AFTER_COMMIT = "after the journal's commit"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to write, and where to strike."""

    folder: str
    name: str
    entries: int
    seal_every: int = 0
    """Seal after so many entries; 0 seals never."""
    padding: int = 0
    """Size in bytes of each task's prompt."""
    strike: str = ""
    """A phase of sealing, or before or after the journal's commit."""
    nth: int = 1
    unsynced: bool = False
    """Switch off every sync, to prove that a power cut would be noticed."""


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def _striker(job: Job) -> Callable[[str], None]:
    left = job.nth

    def reached(place: str) -> None:
        nonlocal left
        if place == job.strike:
            left -= 1
            if left == 0:
                say("strike")
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _stop_syncing(space: Space) -> None:
    """The product has no such switch, so its insides are changed here."""
    space.journal.db.execute("PRAGMA synchronous=OFF")
    _ = space.objects
    pygit2.settings.enable_fsync_gitdir(False)  # noqa: FBT003 - pygit2's own signature
    unsynced = tuple(word.replace("core.fsync=all", "core.fsync=none") for word in git._SETTINGS)  # noqa: SLF001
    setattr(git, "_SETTINGS", unsynced)  # noqa: B010 - mypy counts its words
    setattr(os, "fsync", lambda _handle: None)  # noqa: B010 - mypy compares its parameter


def draft(job: Job, number: int, task: str | None) -> Draft:
    """The entry of this number: every fifth is a candidate with a file in it."""
    key = f"{job.name}-{number}"
    if task is None or number % 5:
        body = TaskAdd(title=key, prompt="x" * job.padding)
        return Draft(body=body, key=key)
    files = {"answer.txt": key.encode() * 20}
    candidate = Candidate(task=task, files=tuple(files), result=f"{number:032x}", size=number)
    return Draft(body=candidate, key=key, content=files)


def write(space: Space, job: Job, reached: Callable[[str], None]) -> None:
    """Append and seal as the job says."""
    task: str | None = None
    for number in range(job.entries):
        item = draft(job, number, task)
        written = space.append(item, Agent(name=job.name))
        reached(AFTER_COMMIT)
        say("ack", item.key, written.id)
        task = task or written.id
        if job.seal_every and (number + 1) % job.seal_every == 0:
            for frame in space.seal():
                say("sealed", frame.first, frame.last)


def main() -> None:
    job = msgspec.json.decode(sys.argv[1], type=Job)
    reached = _striker(job)
    outside = Outside(now_ms=now_ms, entropy=os.urandom, reached=reached)
    with Space(find(job.folder, os.environ), "main", FOLDS, outside) as space:
        if job.unsynced:
            _stop_syncing(space)
        if job.strike == BEFORE_COMMIT:
            space.journal.db.set_trace_callback(
                lambda sql: reached(BEFORE_COMMIT) if sql == "COMMIT" else None
            )
        try:
            write(space, job, reached)
        except WaggleError as error:
            say("error", json.dumps(error.to_dict()))
            sys.exit(error.kind.status)


if __name__ == "__main__":
    main()
