"""How far each log was looked through, whether it counts or not.

Decrees count wherever they stand (decrees.py), so every verified entry is looked at once. What was
found is kept in the view beside the rows of the folds: the decrees, the names of agents, and how
far each log was read and why no further. None of it is part of the digest: it depends on what is
here, not on what is admitted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from waggle.base.clock import from_the_future
from waggle.log.chain import Head, Link
from waggle.store.views import decrees
from waggle.store.views.admission import Bounds
from waggle.store.views.reading import Ends

if TYPE_CHECKING:
    from waggle.store.views.view import Tables

SCHEMA = f"""{decrees.SCHEMA}
CREATE TABLE agent(replica TEXT, name TEXT, PRIMARY KEY(replica, name)) WITHOUT ROWID;
CREATE TABLE scanned(replica TEXT PRIMARY KEY, seq INTEGER, id TEXT, at INTEGER, ends TEXT,
  reach INTEGER, admits TEXT, wakes INTEGER, forked INTEGER) WITHOUT ROWID;
"""


class Scan(Struct, frozen=True, kw_only=True):
    """A look through one log: up to where, what it rested on, and what it found."""

    head: Head
    """The last entry that was looked at; of a forked log, the last of its longest history."""
    ends: str
    """Where the log ended then; see `text`."""
    bounds: Bounds
    """The bounds that held then."""
    wakes: int
    """The stamp of the first entry that is from the future and not admitted; 0 where none is."""
    forked: bool
    """Whether the log has histories that are at odds, and no decree has settled it."""

    @property
    def several(self) -> bool:
        """Whether the log has more than one history, settled or not."""
        return " " in self.ends

    def holds(self, ends: Ends, bounds: Bounds, wall_ms: int) -> bool:
        """Tell whether another look would find the same."""
        due = self.wakes and not from_the_future(self.wakes, wall_ms)
        return not due and self.bounds == bounds and self.ends == text(ends)


def text(ends: Ends) -> str:
    """Give the ends of a log as they are kept: newest frame and last seq, of each history."""
    return " ".join(f"{oid or ''}:{seq}" for oid, seq in ends)


def load(db: sqlite3.Connection) -> dict[str, Scan]:
    """Give the last look through each log, by replica."""
    rows = db.execute(
        "SELECT replica, seq, id, at, ends, reach, admits, wakes, forked FROM scanned"
    )
    return {
        replica: Scan(
            head=Head(seq, entry, at),
            ends=ends,
            bounds=Bounds(reach, tuple(admits.split())),
            wakes=wakes,
            forked=bool(forked),
        )
        for replica, seq, entry, at, ends, reach, admits, wakes, forked in rows
    }


def keep(db: sqlite3.Connection, replica: str, scan: Scan) -> None:
    """Keep a look through a log, within the transaction that folds what it found."""
    head, bounds = scan.head, scan.bounds
    row = (replica, head.seq, head.id, head.at, scan.ends, bounds.limit, " ".join(bounds.admits),
           scan.wakes, scan.forked)  # fmt: skip
    db.execute("INSERT OR REPLACE INTO scanned VALUES(?,?,?,?,?,?,?,?,?)", row)


def note(tables: Tables, replica: str, links: Sequence[Link]) -> bool:
    """Note who wrote these entries and what they decree; tell whether a decree is new here."""
    names = {link.envelope.by.name for link in links}
    tables.db.executemany(
        "INSERT OR IGNORE INTO agent VALUES(?,?)", [(replica, name) for name in names]
    )
    return decrees.note(tables.db, tables.space, tables.operators, links)
