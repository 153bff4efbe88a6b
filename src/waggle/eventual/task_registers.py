"""The fields of tasks as registers, and removals: what is written, and what of it stands.

A write is a head of its field as long as no write to the same field of the same task names it in
`over`. The latest head is shown (stamp, writer, id); heads of different values are a conflict,
shown with it until a write supersedes them knowingly. So nothing hangs on the clocks but which of
several values stands first.

A removal hides a task as far as its author saw it: as soon as a head is an edit that no removal
names, the task is in the set again, and says so. Whoever edits a removed task restores it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from waggle.eventual.task_kinds import FIELDS, Field, TaskAdd, TaskEdit, TaskRemove, value
from waggle.log.entry import Entry


class Write(Struct, frozen=True, order=True):
    """A write to a field that still stands."""

    at: int
    by: str
    id: str
    value: str
    """As canonical JSON."""


class Register(Struct, frozen=True):
    """A field of one task: its heads, the latest first; at least one."""

    field: Field
    heads: tuple[Write, ...]

    @property
    def shown(self) -> object:
        """The value that counts."""
        return msgspec.json.decode(self.heads[0].value)

    @property
    def values(self) -> list[object]:
        """All values, the one that is shown first."""
        return [msgspec.json.decode(head.value) for head in self.heads]

    @property
    def conflict(self) -> bool:
        """Whether heads differ in their values."""
        return len({head.value for head in self.heads}) > 1


Registers = Mapping[Field, Register]


def fold_edits(db: sqlite3.Connection, entries: Iterable[tuple[Entry, TaskEdit]]) -> set[str]:
    """Fold edits; give the tasks whose registers may have changed."""
    heads, superseded, tasks = [], [], set()
    for entry, body in entries:
        if entry.id in {body.task, *body.over}:
            continue  # only a forged `was` makes an entry name itself
        tasks.add(body.task)
        for field in FIELDS:
            written = value(body, field)
            if written is not None:
                heads.append((body.task, field, entry.id, entry.at, entry.writer, written))
                superseded += [(body.task, field, one) for one in body.over]
    db.executemany("INSERT OR IGNORE INTO task_superseded VALUES(?,?,?)", superseded)
    # The add is no row of heads: see `edited`.
    gone = [row for row in superseded if row[0] != row[2]]
    db.executemany("DELETE FROM task_head WHERE task=? AND field=? AND id=?", gone)
    db.executemany(
        """INSERT OR IGNORE INTO task_head SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT EXISTS(SELECT 1 FROM task_superseded WHERE task=?1 AND field=?2 AND id=?3)""",
        heads,
    )
    return tasks


def fold_removals(db: sqlite3.Connection, entries: Iterable[tuple[Entry, TaskRemove]]) -> set[str]:
    """Fold removals; give the tasks that they name."""
    rows, tasks = [], set()
    for entry, body in entries:
        tasks.add(body.task)
        rows += [(body.task, one, entry.writer, entry.at) for one in (body.task, *body.over)]
    db.executemany(
        """INSERT INTO task_removed VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET
          by=excluded.by, at=excluded.at WHERE (excluded.at, excluded.by) > (at, by)""",
        rows,
    )
    return tasks


def edited(db: sqlite3.Connection, task: str, by: str, at: int, body: TaskAdd) -> Registers:
    """Give those fields that were edited of the task that an entry added, by name."""
    found: dict[Field, list[Write]] = {}
    rows = db.execute(
        """SELECT field, EXISTS(
            SELECT 1 FROM task_superseded s WHERE s.task=?1 AND s.field=h.field AND s.id=?1),
          at, by, id, value FROM task_head h WHERE task=?1""",
        (task,),
    )
    for field, over, *write in rows:
        if field not in found:
            found[field] = [] if over else [Write(at, by, task, value(body, field) or "")]
        found[field].append(Write(*write))
    return {
        field: Register(field, tuple(sorted(heads, reverse=True))) for field, heads in found.items()
    }


def registers(db: sqlite3.Connection, task: str, by: str, at: int, body: TaskAdd) -> Registers:
    """Give all fields of the task that an entry added, by name.

    A field whose every write is superseded, as only forged entries do in a circle, is as added.
    """
    found = edited(db, task, by, at, body)
    return {
        field: found.get(field) or Register(field, (Write(at, by, task, value(body, field) or ""),))
        for field in FIELDS
    }


def unseen(db: sqlite3.Connection, task: str, fields: Registers) -> list[Write] | None:
    """Give the edits that keep a removed task in the set; None where nobody removed the task.

    `fields` are at least those that were edited. The latest comes first; an empty list means that
    the task is removed.
    """
    named = {
        one for (one,) in db.execute("SELECT id FROM task_removed WHERE task=?", (task,)).fetchall()
    }
    if task not in named:
        return None
    left = {head for register in fields.values() for head in register.heads if head.id not in named}
    by_id = {head.id: head for head in sorted(left)}
    return sorted(by_id.values(), reverse=True)


def edits(fields: Registers) -> list[Write]:
    """Give one head of each entry that still stands in some field, the add too, oldest first."""
    heads = {head.id: head for register in fields.values() for head in register.heads}
    return sorted(heads.values())


def written(db: sqlite3.Connection, task: str, fields: Registers) -> set[str]:
    """Give the ids of all writes to a task that stand or that others named as superseded."""
    rows = db.execute("SELECT DISTINCT id FROM task_superseded WHERE task=?", (task,))
    return {entry for (entry,) in rows} | {head.id for head in edits(fields)}


def result(fields: Registers) -> str | None:
    """Give the candidate that was named with the state that is shown."""
    _, candidate = msgspec.json.decode(fields["state"].heads[0].value, type=tuple[str, str | None])
    return candidate
