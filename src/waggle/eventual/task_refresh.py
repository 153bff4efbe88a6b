"""What is worked out of the entries of a task: its shown values, and whether it is ready.

Every function here gives rows that depend on the other tables alone, never on what the rows were:
so it does not matter in which order or in how many batches the entries came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from waggle.eventual.task_kinds import TaskAdd
from waggle.eventual.task_registers import Registers, edited, unseen
from waggle.eventual.task_similar import stems
from waggle.log.entry import Entry

_CHUNK = 500
_ASIDE = frozenset({"note", "state"})
"""Fields that are no part of an add."""
_body = msgspec.json.Decoder(TaskAdd)


class _Row(Struct, frozen=True):
    """A row of `task` without what hangs on other tasks."""

    n: int
    id: str
    by: str
    at: int
    body: str
    now: str | None
    state: str
    visible: int

    @property
    def value(self) -> TaskAdd:
        """The task as it is shown."""
        return _body.decode(self.now or self.body)


def _text(body: TaskAdd) -> str:
    return msgspec.json.encode(body).decode()


def _set(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _shown(body: TaskAdd, fields: Registers) -> TaskAdd:
    """Give a task's add with the fields that were edited since as they are shown now."""
    changes: dict[str, object] = {
        field: getattr(body, field) for field in ("labels", "depends") if getattr(body, field)
    }
    changes |= {field: register.shown for field, register in fields.items() if field not in _ASIDE}
    for field in ("labels", "depends"):
        if field in changes:
            changes[field] = _set(changes[field])  # type: ignore[arg-type] # lists of texts
    return msgspec.structs.replace(body, **changes) if changes else body


class Changes(Struct, frozen=True):
    """What a batch changed of tasks, as far as it concerns others."""

    blocking: set[str] = msgspec.field(default_factory=set)
    """Tasks that others wait for from now on, or no longer."""
    rewired: set[str] = msgspec.field(default_factory=set)
    """Tasks that depend on others than before."""


def add(
    db: sqlite3.Connection, entries: Sequence[tuple[Entry, TaskAdd]], changes: Changes
) -> set[str]:
    """Insert the tasks that are not here yet, as they were added.

    Gives those of them of which edits or removals came first.
    """
    unique = {entry.id: (entry, body) for entry, body in entries}
    known = set(_among(db, "SELECT id FROM task WHERE id IN", unique))
    fresh = [pair for pair in unique.values() if pair[0].id not in known]
    (last,) = db.execute("SELECT coalesce(max(n), 0) FROM task").fetchone()
    rows, deps, labels, stemmed = [], [], [], []
    for n, (entry, body) in enumerate(fresh, last + 1):
        shown = _shown(body, {})
        now = None if shown == body else _text(shown)
        rows.append(
            (n, entry.id, entry.writer, entry.at, _text(body), entry.seq, now, body.priority)
        )
        deps += [(entry.id, one) for one in body.depends]
        labels += [(label, n) for label in body.labels]
        stemmed += [(stem, n) for stem in stems(body.title)]
    db.executemany(
        "INSERT INTO task(n, id, by, at, body, seq, now, priority) VALUES(?,?,?,?,?,?,?,?)", rows
    )
    db.executemany("INSERT OR IGNORE INTO task_dep VALUES(?,?)", deps)
    db.executemany("INSERT OR IGNORE INTO task_label VALUES(?,?)", labels)
    db.executemany("INSERT OR IGNORE INTO task_word VALUES(?,?)", sorted(stemmed))
    ids = [entry.id for entry, _ in fresh]
    changes.rewired.update(task for task, _ in deps)
    early = set(_among(db, "SELECT DISTINCT task FROM task_head WHERE task IN", ids))
    early.update(_among(db, "SELECT DISTINCT task FROM task_removed WHERE task IN", ids))
    return early


def refresh(db: sqlite3.Connection, tasks: Iterable[str], changes: Changes) -> None:
    """Work out anew what tasks show; those that are not here yet wait for their adds."""
    for task in tasks:
        row = db.execute(
            "SELECT n, id, by, at, body, now, state, visible FROM task WHERE id=?", (task,)
        ).fetchone()
        if row is not None:
            _refresh(db, _Row(*row), changes)


def _refresh(db: sqlite3.Connection, old: _Row, changes: Changes) -> None:
    """Bring one task's row and what hangs on it up to date."""
    body = _body.decode(old.body)
    fields = edited(db, old.id, old.by, old.at, body)
    before, after = old.value, _shown(body, fields)
    state = msgspec.json.decode(fields["state"].heads[0].value)[0] if "state" in fields else "open"
    visible = int(unseen(db, old.id, fields) != [])
    conflicts = sum(register.conflict for register in fields.values())
    now = None if after == body else _text(after)
    db.execute(
        "UPDATE task SET now=?, priority=?, state=?, visible=?, conflicts=? WHERE n=?",
        (now, after.priority, state, visible, conflicts, old.n),
    )
    was_open, is_open = old.visible and old.state == "open", visible and state == "open"
    if (was_open, before.title) != (is_open, after.title):
        # Only open tasks are pointed out as similar.
        words = (
            stems(one.title) if yes else () for one, yes in ((before, was_open), (after, is_open))
        )
        _replace(db, "task_word", "word", old.n, *words)
    if before.labels != after.labels:
        _replace(db, "task_label", "label", old.n, before.labels, after.labels)
    if before.depends != after.depends:
        changes.rewired.add(old.id)
        db.execute("DELETE FROM task_dep WHERE task=?", (old.id,))
        rows = [(old.id, one) for one in after.depends]
        db.executemany("INSERT INTO task_dep VALUES(?,?)", rows)
    if (old.state, old.visible) != (state, visible):
        changes.blocking.add(old.id)


def _replace(
    db: sqlite3.Connection,
    table: str,
    column: str,
    n: int,
    old: Iterable[object],
    new: Iterable[object],
) -> None:
    """Make a task's rows in a table of (column, n) those of `new`."""
    was, now = set(old), set(new)
    gone, come = [(one, n) for one in was - now], [(one, n) for one in now - was]
    db.executemany(f"DELETE FROM {table} WHERE {column}=? AND n=?", gone)  # noqa: S608 - our names
    db.executemany(f"INSERT OR IGNORE INTO {table} VALUES(?,?)", come)


def count(db: sqlite3.Connection, changes: Changes) -> None:
    """Count again what tasks wait for, where that may have changed.

    An open task blocks, and so does one that is not here yet. One that was dropped, or removed
    before it was done, blocks no longer, since nobody will finish it: it is counted as gone.
    """
    waiting = set(_among(db, "SELECT DISTINCT task FROM task_dep WHERE needs IN", changes.blocking))
    db.executemany(
        """UPDATE task SET (blockers, gone) = (
          SELECT count(*) FILTER (WHERE o.id IS NULL OR (o.visible AND o.state = 'open')),
            count(*) FILTER (WHERE o.state = 'dropped' OR (o.state = 'open' AND NOT o.visible))
          FROM task_dep d LEFT JOIN task o ON o.id = d.needs WHERE d.task = ?1) WHERE id = ?1""",
        [(task,) for task in waiting | changes.rewired],
    )


def _among(db: sqlite3.Connection, query: str, values: Iterable[str]) -> Iterator[str]:
    """Give the first column of a query that ends in `IN`, for any number of values."""
    left = list(values)
    for start in range(0, len(left), _CHUNK):
        chunk = left[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        yield from (one for (one,) in db.execute(f"{query} ({marks})", chunk))
