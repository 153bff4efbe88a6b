"""The task set: pieces of work, added by anyone. `task.add` is the add of an OR-Set.

Shapiro, Preguica, Baquero, Zawirski, "A comprehensive study of Convergent and Commutative
Replicated Data Types", 2011, section 3.3.5: every add is its own element, named by its entry's id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from waggle.base.ids import unique
from waggle.log.entry import Body, Count, Entry, Oid
from waggle.store.view import Tables

Text = Annotated[str, Meta(max_length=32 * 1024)]
Line = Annotated[str, Meta(min_length=1, max_length=1024)]


class TaskAdd(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of work, with how its candidates are to be tested and chosen."""

    KIND: ClassVar[str] = "task.add"
    TEXTS: ClassVar[tuple[str, ...]] = ("title", "prompt", "tests", "setup")
    title: Line
    prompt: Text = ""
    """The whole text that agents are given; empty where the title says it all."""
    base: Oid | None = None
    """The commit that work starts from."""
    rule: Line | None = None
    """How to choose; None is the default rule."""
    electorate: tuple[Line, ...] = ()
    """Whose votes can decide, as `replica/agent`; empty is everyone, and then nothing decides."""
    tests: tuple[Line, ...] = ()
    """Commands that check a candidate: each is evidence of its own kind."""
    setup: Line | None = None
    """A command that prepares a worktree."""
    protect: tuple[Line, ...] = ()
    """Globs of paths that come from the base before a check runs."""
    timeout_s: Count | None = None


class Task(Struct, frozen=True, kw_only=True):
    """A task as the view has it."""

    id: str
    by: str
    at: int
    body: TaskAdd

    @property
    def prompt(self) -> str:
        """What agents are given."""
        return self.body.prompt or self.body.title


class TaskFold:
    """The fold of the task set; see store/view.py for what a fold promises."""

    name = "tasks"
    version = 1
    kinds: tuple[type[Body], ...] = (TaskAdd,)
    schema = """
CREATE TABLE task(id TEXT PRIMARY KEY, by TEXT NOT NULL, at INTEGER NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX task_at ON task(at, id);
"""
    digests: Mapping[str, str] = {"task": "SELECT id, by, at, body FROM task ORDER BY id"}

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch of adds: a grow-only set."""
        rows = [
            (entry.id, entry.writer, entry.at, msgspec.json.encode(entry.body).decode())
            for entry in entries
        ]
        tables.db.executemany("INSERT OR IGNORE INTO task VALUES(?,?,?,?)", rows)


TASK_FOLD = TaskFold()
_body = msgspec.json.Decoder(TaskAdd)


def _task(row: tuple[str, str, int, str]) -> Task:
    entry, by, at, body = row
    return Task(id=entry, by=by, at=at, body=_body.decode(body))


def tasks(db: sqlite3.Connection, limit: int = -1) -> list[Task]:
    """Give the tasks, newest first."""
    rows = db.execute(
        "SELECT id, by, at, body FROM task ORDER BY at DESC, id DESC LIMIT ?", (limit,)
    )
    return [_task(row) for row in rows]


def find_task(db: sqlite3.Connection, prefix: str) -> Task:
    """Give the task that an abbreviated id names; raise `not_found` or `ambiguous`."""
    rows = db.execute(
        "SELECT id, by, at, body FROM task WHERE id >= ? AND id < ?", (prefix, prefix + "g")
    ).fetchall()
    entry = unique(prefix, [row[0] for row in rows], "task")
    return next(_task(row) for row in rows if row[0] == entry)
