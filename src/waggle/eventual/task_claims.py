"""Claims on tasks: who says to be at work on what. Optimistic: a claim waits for nobody.

Of the claims on a task that hold at a moment, the earliest wins (stamp, writer, id), the same
everywhere where the same entries are. A claim holds until its lease is over, which its writer can
prolong, unless its writer gave it up or another claim knowingly took over from it. So two who
claimed without seeing each other both hold a claim, and the loser sees that it lost as soon as
the other's entry arrives. Gray and Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for
Distributed File Cache Consistency", SOSP 1989, section 2; without a server a lease here is a
promise among agents and excludes nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from waggle.base.clock import millis
from waggle.base.errors import WaggleError
from waggle.eventual.task_kinds import TaskClaim, TaskRelease, TaskRenew
from waggle.log.entry import Entry

LAPSED_SHOWN_MS = 24 * 3600 * 1000
"""How long an agent is shown a claim of its own after it lapsed."""
CLAIMS_MAX = 100
"""How many claims on one task are shown."""
_COLUMNS = "id, task, by, at, ends_ms, taken_over"


class Claim(Struct, frozen=True):
    """A claim that was not given up."""

    id: str
    task: str
    by: str
    at: int
    ends_ms: int
    """When its lease ends, in milliseconds since 1970."""
    taken_over: int
    """Whether a later claim knowingly took over from it."""

    def holds(self, now_ms: int) -> bool:
        """Tell whether it counts at a moment."""
        return self.ends_ms > now_ms and not self.taken_over


def fold_claims(db: sqlite3.Connection, entries: Iterable[tuple[Entry, TaskClaim]]) -> None:
    """Fold claims; what was said of them before they came is waiting in the other tables."""
    rows, over = [], []
    for entry, body in entries:
        ends_ms = millis(entry.at) + body.lease_s * 1000
        rows.append((entry.id, body.task, entry.writer, entry.at, ends_ms))
        over += [(body.task, one) for one in body.over if one != entry.id]
    db.executemany("INSERT OR IGNORE INTO task_taken_over VALUES(?,?)", over)
    db.executemany(
        """INSERT OR IGNORE INTO task_claim SELECT ?1, ?2, ?3, ?4,
          max(?5, coalesce((SELECT ends_ms FROM task_lease WHERE claim=?1 AND by=?3), 0)),
          EXISTS(SELECT 1 FROM task_taken_over WHERE task=?2 AND claim=?1),
          coalesce((SELECT released FROM task_lease WHERE claim=?1 AND by=?3), 0)""",
        rows,
    )
    db.executemany("UPDATE task_claim SET taken_over=1 WHERE task=? AND id=?", over)


def fold_leases(
    db: sqlite3.Connection, entries: Iterable[tuple[Entry, TaskRenew | TaskRelease]]
) -> None:
    """Fold what writers say later of their own claims; nobody else's word counts for a claim."""
    rows: list[tuple[str, str, int, int]] = []
    for entry, body in entries:
        if isinstance(body, TaskRenew):
            ends_ms = millis(entry.at) + body.lease_s * 1000
            rows.append((body.claim, entry.writer, ends_ms, 0))
        else:
            rows += [(claim, entry.writer, 0, 1) for claim in body.claims]
    db.executemany(
        """INSERT INTO task_lease VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET
          ends_ms=max(ends_ms, excluded.ends_ms), released=max(released, excluded.released)""",
        rows,
    )
    db.executemany(
        """UPDATE task_claim SET ends_ms=max(ends_ms, ?3), released=max(released, ?4)
        WHERE id=?1 AND by=?2""",
        rows,
    )


def claims(db: sqlite3.Connection, task: str, now_ms: int, limit: int = CLAIMS_MAX) -> list[Claim]:
    """Give up to `limit` claims on a task that hold, the winner first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task_claim WHERE task=? AND released=0 AND ends_ms>?"  # noqa: S608
        " AND taken_over=0 ORDER BY at, by, id LIMIT ?",
        (task, now_ms, limit),
    )
    return [Claim(*row) for row in rows]


def holder(db: sqlite3.Connection, task: str, now_ms: int) -> Claim | None:
    """Give the claim that wins a task, None where it is free."""
    return next(iter(claims(db, task, now_ms, 1)), None)


def holders(db: sqlite3.Connection, now_ms: int) -> dict[str, Claim]:
    """Give the winning claim of every task that is claimed."""
    found: dict[str, Claim] = {}
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task_claim WHERE released=0 AND ends_ms>?"  # noqa: S608
        " AND taken_over=0 ORDER BY at, by, id",
        (now_ms,),
    )
    for row in rows:
        claim = Claim(*row)
        found.setdefault(claim.task, claim)
    return found


def standing(db: sqlite3.Connection, task: str) -> list[Claim]:
    """Give the claims on a task that nobody gave up or took over from, lapsed ones too."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task_claim WHERE task=? AND released=0"  # noqa: S608
        " AND taken_over=0 ORDER BY at, by, id",
        (task,),
    )
    return [Claim(*row) for row in rows]


def of_writer(
    db: sqlite3.Connection, writer: str, now_ms: int, task: str | None = None
) -> list[Claim]:
    """Give a writer's claims, on one task or on all, that hold, or ended less than a day ago.

    Those that were taken over from are among them, those that were given up are not. The newest
    comes first; `writer` is `replica/agent`.
    """
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM task_claim WHERE by=? AND released=0 AND ends_ms>?"  # noqa: S608
        " ORDER BY at DESC, id",
        (writer, now_ms - LAPSED_SHOWN_MS),
    )
    return [claim for row in rows if task in (None, (claim := Claim(*row)).task)]


def find_claim(db: sqlite3.Connection, entry: str) -> Claim:
    """Give the claim of a whole id; raise `not_found` where it does not count here."""
    query = f"SELECT {_COLUMNS} FROM task_claim WHERE id=?"  # noqa: S608 - our columns
    row = db.execute(query, (entry,)).fetchone()
    if row is None:
        raise WaggleError(
            "not_found",
            f"claim {entry[:8]} does not count here",
            "See why this log's entries are held back: `waggle members`.",
        )
    return Claim(*row)
