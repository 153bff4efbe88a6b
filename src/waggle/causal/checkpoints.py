"""Checkpoints: saved progress from which another agent can go on. Chains stay short.

The content of a checkpoint is a commit on a local ref that the next one replaces; the fact that it
was taken is an entry. So nothing is lost when an agent dies, and the log does not swell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from waggle.log.entry import Body, Count, Entry, Id, Oid
from waggle.store.views.view import Tables

CHECKPOINT_REFS = "refs/waggle-checkpoint"


class Checkpoint(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Progress on a task: the n-th of its run, with its size and what the agent says of it."""

    KIND: ClassVar[str] = "checkpoint.save"
    TEXTS: ClassVar[tuple[str, ...]] = ("note",)
    REFS: ClassVar[tuple[str, ...]] = ("task",)
    task: Id
    run: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}\\Z")]
    """Which piece of work within the task: a race's slot, or the agent's own name for it."""
    commit: Oid
    n: Count
    size: Count
    """Bytes that are new against the base."""
    note: Annotated[str, Meta(max_length=1024)] | None = None


class Saved(Struct, frozen=True):
    """The latest checkpoint of a run."""

    run: str
    writer: str
    commit: str
    n: int
    size: int
    at: int
    note: str | None


class CheckpointFold:
    """The fold of checkpoints: per task, writer and run, the latest."""

    name = "checkpoints"
    version = 1
    kinds: tuple[type[Body], ...] = (Checkpoint,)
    schema = """
CREATE TABLE checkpoint(task TEXT, writer TEXT, run TEXT, commit_id TEXT NOT NULL,
  n INTEGER NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL, note TEXT,
  PRIMARY KEY(task, writer, run)) WITHOUT ROWID;
"""
    digests: Mapping[str, str] = {
        "checkpoint": "SELECT * FROM checkpoint ORDER BY task, writer, run"
    }

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch; a writer's stamps are unique, so the latest is one."""
        rows = [
            (body.task, entry.writer, body.run, body.commit, body.n, body.size, entry.at, body.note)
            for entry in entries
            if isinstance(body := entry.body, Checkpoint)
        ]
        tables.db.executemany(
            """INSERT INTO checkpoint VALUES(?,?,?,?,?,?,?,?)
            ON CONFLICT(task, writer, run) DO UPDATE SET commit_id=excluded.commit_id,
              n=excluded.n, size=excluded.size, at=excluded.at, note=excluded.note
            WHERE excluded.at > at""",
            rows,
        )


CHECKPOINT_FOLD = CheckpointFold()


def checkpoints(db: sqlite3.Connection, task: str) -> list[Saved]:
    """Give the latest checkpoint of each run of a task, in order of runs."""
    rows = db.execute(
        "SELECT run, writer, commit_id, n, size, at, note FROM checkpoint WHERE task=?"
        " ORDER BY run, writer",
        (task,),
    )
    return [Saved(*row) for row in rows]


def ref_of(space: str, task: str, run: str) -> str:
    """Give the local ref that holds a run's latest checkpoint."""
    return f"{CHECKPOINT_REFS}/{space}/{task[:16]}/{run}"
