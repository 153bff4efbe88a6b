"""The task set: pieces of work, added by anyone, and how they stand.

The kinds are in task_kinds.py, the tables in task_tables.py; this module folds and reads them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from waggle.base.ids import unique
from waggle.eventual import task_claims, task_refresh, task_registers
from waggle.eventual.task_kinds import (
    KINDS,
    State,
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)
from waggle.eventual.task_refresh import Changes
from waggle.eventual.task_registers import Registers
from waggle.eventual.task_tables import DIGESTS, SCHEMA
from waggle.log.entry import Body, Entry
from waggle.store.views.view import Tables

__all__ = ["TASK_FOLD", "Task", "TaskAdd", "TaskFold", "find_task", "tasks"]

COLUMNS = "id, by, at, seq, coalesce(now, body), state, visible, conflicts, blockers, gone"
"""What `task_of` makes a task of."""


class Task(Struct, frozen=True, kw_only=True):
    """A task as the view has it."""

    id: str
    by: str
    """Who added it, as `replica/agent`."""
    at: int
    seq: int
    """Where its entry stands in its writer's log: short, and not unique among replicas."""
    body: TaskAdd
    """As it was added, with the edited fields as they are shown now."""
    state: State = "open"
    visible: bool = True
    """False where it was removed."""
    conflicts: int = 0
    """How many of its fields have several values at odds."""
    blockers: int = 0
    """How many tasks it waits for: open ones, and ones that are not here yet."""
    gone: int = 0
    """How many tasks it depends on that will not be done: dropped or removed."""

    @property
    def prompt(self) -> str:
        """What agents are given."""
        return self.body.prompt or self.body.title


class TaskFold:
    """The fold of the task set; see store/views/view.py for what a fold promises."""

    name = "tasks"
    version = 2
    kinds: tuple[type[Body], ...] = KINDS
    schema = SCHEMA
    digests: Mapping[str, str] = DIGESTS

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch: first what entries say, then what follows of it for the tasks touched."""
        db = tables.db
        pairs = [(entry, entry.body) for entry in entries]
        adds = [(entry, body) for entry, body in pairs if isinstance(body, TaskAdd)]
        edits = [(entry, body) for entry, body in pairs if isinstance(body, TaskEdit)]
        removals = [(entry, body) for entry, body in pairs if isinstance(body, TaskRemove)]
        claims = [(entry, body) for entry, body in pairs if isinstance(body, TaskClaim)]
        leases = [
            (entry, body) for entry, body in pairs if isinstance(body, TaskRenew | TaskRelease)
        ]
        task_claims.fold_claims(db, claims)
        task_claims.fold_leases(db, leases)
        touched = task_registers.fold_edits(db, edits)
        touched |= task_registers.fold_removals(db, removals)
        changes = Changes()
        touched |= task_refresh.add(db, adds, changes)
        task_refresh.refresh(db, touched, changes)
        task_refresh.count(db, changes)


TASK_FOLD = TaskFold()
_body = msgspec.json.Decoder(TaskAdd)


def task_of(row: tuple[str, str, int, int, str, State, int, int, int, int]) -> Task:
    """Make a task of a row of `COLUMNS`."""
    entry, by, at, seq, body, state, visible, conflicts, blockers, gone = row
    return Task(
        id=entry,
        by=by,
        at=at,
        seq=seq,
        body=_body.decode(body),
        state=state,
        visible=bool(visible),
        conflicts=conflicts,
        blockers=blockers,
        gone=gone,
    )


def tasks(db: sqlite3.Connection, limit: int = -1) -> list[Task]:
    """Give the tasks that were not removed, newest first."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM task INDEXED BY task_at WHERE visible = 1"  # noqa: S608 - ours
        " ORDER BY at DESC, id DESC LIMIT ?",
        (limit,),
    )
    return [task_of(row) for row in rows]


def some(db: sqlite3.Connection, ids: Iterable[str]) -> list[Task]:
    """Give the tasks of whole ids, removed or not, in their order; those that are not here miss."""
    query = f"SELECT {COLUMNS} FROM task WHERE id=?"  # noqa: S608 - our columns
    rows = (db.execute(query, (entry,)).fetchone() for entry in ids)
    return [task_of(row) for row in rows if row is not None]


def find_task(db: sqlite3.Connection, prefix: str) -> Task:
    """Give the task, removed or not, of an abbreviated id; raise `not_found` or `ambiguous`."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM task WHERE id >= ? AND id < ?",  # noqa: S608 - our columns
        (prefix, prefix + "g"),
    ).fetchall()
    entry = unique(prefix, [row[0] for row in rows], "task")
    return next(task_of(row) for row in rows if row[0] == entry)


def registers(db: sqlite3.Connection, task: str) -> Registers:
    """Give the fields of a task that is here, each with its heads."""
    by, at, body = db.execute("SELECT by, at, body FROM task WHERE id=?", (task,)).fetchone()
    return task_registers.registers(db, task, by, at, _body.decode(body))
