"""Which tasks can be worked on, what the others wait for, and where they wait in a circle."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from waggle.eventual.task_kinds import State
from waggle.eventual.task_tables import BLOCKED, READY
from waggle.eventual.tasks import COLUMNS, Task, task_of

VISITS_MAX = 1000
"""How many blocked tasks one search for cycles looks at."""
DEPENDENTS_MAX = 100
_ORDER = "ORDER BY priority, at, id"
_FREE = (
    " AND NOT EXISTS(SELECT 1 FROM task_claim c WHERE c.task = task.id AND c.released = 0"
    " AND c.taken_over = 0 AND c.ends_ms > ?)"
)
_OF_LABELS = " AND n IN (SELECT n FROM task_label WHERE label = ?)"


class Needed(Struct, frozen=True, kw_only=True):
    """A task that another depends on; `unknown` where it is not here yet."""

    id: str
    state: Literal["open", "done", "dropped", "removed", "unknown"]


def ready(
    db: sqlite3.Connection, now_ms: int, limit: int, labels: Sequence[str] = ()
) -> list[Task]:
    """Give up to `limit` tasks, -1 for all, that can be worked on and that no claim holds.

    By priority, then age, then id. Costs what it gives, and what it leaves out as claimed; with
    labels, what bears them, too.
    """
    where = f"{READY}{_FREE}{_OF_LABELS * len(labels)}"
    query = f"SELECT {COLUMNS} FROM task INDEXED BY task_ready WHERE {where} {_ORDER} LIMIT ?"  # noqa: S608
    return [task_of(row) for row in db.execute(query, (now_ms, *labels, limit))]


def listed(
    db: sqlite3.Connection,
    limit: int,
    *,
    state: State | None = None,
    labels: Sequence[str] = (),
    conflicts: bool = False,
    removed: bool = False,
) -> list[Task]:
    """Give up to `limit` tasks, -1 for all, by priority, then age: those that fit every word."""
    words = [] if removed else ["visible = 1"]
    values: list[object] = [*labels]
    if state is not None:
        words, values = [*words, "state = ?"], [state, *labels]
    if conflicts:
        words.append("conflicts > 0")
    where = " AND ".join(words or ["1"]) + _OF_LABELS * len(labels)
    query = f"SELECT {COLUMNS} FROM task WHERE {where} {_ORDER} LIMIT ?"  # noqa: S608 - ours
    return [task_of(row) for row in db.execute(query, (*values, limit))]


def needed(db: sqlite3.Connection, task: str) -> list[Needed]:
    """Give the tasks that one depends on, by id."""
    rows = db.execute(
        """SELECT d.needs, CASE WHEN o.id IS NULL THEN 'unknown' WHEN o.state <> 'open'
          THEN o.state WHEN o.visible THEN 'open' ELSE 'removed' END
        FROM task_dep d LEFT JOIN task o ON o.id = d.needs WHERE d.task=? ORDER BY d.needs""",
        (task,),
    )
    return [Needed(id=entry, state=state) for entry, state in rows]


def dependents(db: sqlite3.Connection, task: str) -> list[str]:
    """Give the tasks that depend on one, by id; at most DEPENDENTS_MAX of them."""
    rows = db.execute(
        "SELECT task FROM task_dep WHERE needs=? ORDER BY task LIMIT ?", (task, DEPENDENTS_MAX)
    )
    return [entry for (entry,) in rows]


def cycle_through(db: sqlite3.Connection, task: str) -> tuple[str, ...]:
    """Give the shortest way on which a task waits for itself: it, what it waits for, and so on.

    Empty where there is none among the first VISITS_MAX tasks that it waits for.
    """
    came: dict[str, str] = {}
    queue = deque([task])
    while queue and len(came) < VISITS_MAX:
        one = queue.popleft()
        for other in _blockers(db, one):
            if other == task:
                return _way(came, one)
            if other not in came:
                came[other] = one
                queue.append(other)
    return ()


def _way(came: dict[str, str], last: str) -> tuple[str, ...]:
    way = [last]
    while way[-1] in came:
        way.append(came[way[-1]])
    return tuple(reversed(way))


def cycles(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    """Give circles of tasks that wait for one another, each from its lowest id on.

    Among the first VISITS_MAX blocked tasks. Wherever tasks wait in circles at least one of these
    is given; those that share tasks with it may not be.
    """
    query = f"SELECT id FROM task INDEXED BY task_blocked WHERE {BLOCKED} {_ORDER} LIMIT ?"  # noqa: S608
    rows = db.execute(query, (VISITS_MAX,))
    roots = [task for (task,) in rows]
    return sorted(set(_circles(roots, lambda task: _blockers(db, task))))


def _circles(
    roots: Iterable[str], blockers: Callable[[str], Iterable[str]]
) -> Iterator[tuple[str, ...]]:
    """Walk depth first and give the circles that back edges close."""
    done: set[str] = set()
    for root in roots:
        if root in done:
            continue
        way, open_at = [root], {root: 0}
        left = [iter(blockers(root))]
        while way:
            other = next(left[-1], None)
            if other is None or len(done) + len(way) > VISITS_MAX:
                del open_at[way[-1]]
                done.add(way.pop())
                left.pop()
            elif other in open_at:
                circle = way[open_at[other] :]
                lowest = circle.index(min(circle))
                yield (*circle[lowest:], *circle[:lowest])
            elif other not in done:
                open_at[other] = len(way)
                way.append(other)
                left.append(iter(blockers(other)))


def _blockers(db: sqlite3.Connection, task: str) -> list[str]:
    """Give the open tasks that one waits for, by id."""
    rows = db.execute(
        """SELECT d.needs FROM task_dep d JOIN task o ON o.id = d.needs
        WHERE d.task=? AND o.visible AND o.state = 'open' ORDER BY d.needs""",
        (task,),
    )
    return [entry for (entry,) in rows]
