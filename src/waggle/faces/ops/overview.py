"""What is going on in a space, for `prime` and `status`: a few of each thing, and how many.

Every query is bounded by what it shows, by an index that holds just what it counts, or by WINDOW.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from waggle.causal.checkpoints import Saved, checkpoints
from waggle.eventual import fact_reads, task_claims
from waggle.eventual.fact_reads import Fact
from waggle.eventual.fact_tables import HEAD
from waggle.eventual.task_tables import READY

WINDOW = 200
"""How many of the facts and candidates that came here last are looked at."""
_MINE = "SELECT n FROM name WHERE text = ?"
_OPEN = "t.visible = 1 AND t.state = 'open'"


class Ballot(Struct, frozen=True):
    """A candidate of an open task that waits for votes."""

    candidate: str
    task: str
    title: str


class Tasks(Struct, frozen=True, kw_only=True):
    """How many tasks stand how; `ready` and `claimed` ones are among the open ones."""

    open: int
    ready: int
    claimed: int
    done: int
    conflicts: int
    """With fields whose values are at odds."""


def count_tasks(db: sqlite3.Connection, now_ms: int) -> Tasks:
    """Count the tasks that were not removed, by how they stand at a moment."""
    states = dict(
        db.execute("SELECT state, count(*) FROM task WHERE visible = 1 GROUP BY state").fetchall()
    )
    workable, taken, claimed = _workable(db, now_ms)
    return Tasks(
        open=states.get("open", 0),
        ready=workable - taken,
        claimed=claimed,
        done=states.get("done", 0),
        conflicts=count_conflicts(db),
    )


def count_ready(db: sqlite3.Connection, now_ms: int) -> int:
    """Count the tasks that can be worked on and that no claim holds."""
    workable, taken, _ = _workable(db, now_ms)
    return workable - taken


def count_conflicts(db: sqlite3.Connection) -> int:
    """Count the tasks with fields whose values are at odds."""
    query = "SELECT count(*) FROM task WHERE visible = 1 AND conflicts > 0"
    (count,) = db.execute(query).fetchone()
    return int(count)


def _workable(db: sqlite3.Connection, now_ms: int) -> tuple[int, int, int]:
    """Give how many tasks can be worked on, how many of them and of all open ones are claimed."""
    (workable,) = db.execute(
        f"SELECT count(*) FROM task INDEXED BY task_ready WHERE {READY}"  # noqa: S608 - ours
    ).fetchone()
    claimed = [
        db.execute(
            f"SELECT {READY} FROM task t WHERE id = ? AND {_OPEN}",  # noqa: S608 - ours
            (task,),
        ).fetchone()
        for task in task_claims.holders(db, now_ms)
    ]
    found = [row[0] for row in claimed if row is not None]
    return workable, sum(found), len(found)


def unvoted(db: sqlite3.Connection, writer: str) -> list[Ballot]:
    """Give the candidates that a writer could vote on and has not, the latest first.

    Among the WINDOW that came here last: of open tasks, not ruled on, not the writer's own, and not
    superseded by their authors.
    """
    rows = db.execute(
        f"""SELECT c.id, c.task, json_extract(coalesce(t.now, t.body), '$.title')
        FROM (SELECT * FROM candidate ORDER BY n DESC LIMIT ?2) c JOIN task t ON t.id = c.task
        WHERE {_OPEN} AND c.ruled = 0 AND c.author IS NOT ({_MINE.replace("?", "?1")})
        AND NOT EXISTS (SELECT 1 FROM vote v WHERE v.candidate = c.n
          AND v.voter = ({_MINE.replace("?", "?1")}))
        AND NOT EXISTS (SELECT 1 FROM candidate s WHERE s.task = c.task AND s.supersedes = c.id
          AND s.author = c.author)
        ORDER BY c.at DESC, c.id""",  # noqa: S608 - put together from constants
        (writer, WINDOW),
    )
    return [Ballot(*row) for row in rows]


def count_candidates(db: sqlite3.Connection) -> tuple[int, int, bool]:
    """Give how many candidates there are of open tasks, and how many tasks these are.

    Among the WINDOW candidates that came here last; those of tasks with a ruling are left out. And
    tell whether there are older ones.
    """
    candidates, of = db.execute(
        f"""SELECT count(*), count(DISTINCT c.task)
        FROM (SELECT * FROM candidate ORDER BY n DESC LIMIT ?) c JOIN task t ON t.id = c.task
        WHERE {_OPEN} AND NOT EXISTS (SELECT 1 FROM ruling r WHERE r.task = c.task)""",  # noqa: S608
        (WINDOW,),
    ).fetchone()
    older = db.execute("SELECT 1 FROM candidate LIMIT 1 OFFSET ?", (WINDOW,)).fetchone()
    return candidates, of, older is not None


def latest_facts(db: sqlite3.Connection, limit: int) -> list[Fact]:
    """Give values that count now, the latest said first, among the WINDOW that came here last."""
    rows = db.execute(
        f"""SELECT {fact_reads.COLUMNS} FROM {fact_reads.TABLES}
        WHERE f.n > (SELECT max(n) FROM fact) - ? AND f.{HEAD} AND f.value IS NOT NULL
        ORDER BY f.at DESC, f.id LIMIT ?""",  # noqa: S608 - the same
        (WINDOW, limit),
    )
    return [fact_reads.fact_of(row) for row in rows]


def count_facts(db: sqlite3.Connection) -> int:
    """Count the attributes of entities of which anything was ever said; nothing takes them away."""
    (count,) = db.execute("SELECT coalesce(max(n), 0) FROM fact_register").fetchone()
    return int(count)


def last_checkpoint(db: sqlite3.Connection, task: str) -> Saved | None:
    """Give the checkpoint from which a task is best resumed: the latest of any run."""
    return max(checkpoints(db, task), key=lambda one: (one.at, one.writer), default=None)
