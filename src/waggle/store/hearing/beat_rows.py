"""The tables of beats (beats.py), and the queries that read and write their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from waggle.log.beat import BEATS_MAX, Beat

FORMAT = 1
RECORDS_MAX = 1024
"""Replicas whose records are kept. Strangers' go first, and those not heard for longest."""
SCHEMA = (
    """CREATE TABLE record(replica TEXT PRIMARY KEY, counter INTEGER NOT NULL, body BLOB, key BLOB,
    signature BLOB, heard INTEGER NOT NULL, stranger INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE beat(replica TEXT, name TEXT, counter INTEGER NOT NULL, at INTEGER NOT NULL,
    since INTEGER NOT NULL, lease INTEGER NOT NULL, note TEXT NOT NULL, doing TEXT,
    heard INTEGER NOT NULL, live INTEGER NOT NULL, PRIMARY KEY(replica, name)) WITHOUT ROWID""",
    """CREATE TABLE watch(replica TEXT, name TEXT, level INTEGER NOT NULL,
    phi_milli INTEGER NOT NULL, heard_ms INTEGER NOT NULL, intervals_ms TEXT NOT NULL,
    PRIMARY KEY(replica, name)) WITHOUT ROWID""",
    "CREATE TABLE carried(place TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
)


class HeardBeat(Struct, frozen=True, kw_only=True):
    """An agent's last beat, and when it came."""

    replica: str
    beat: Beat
    heard: int
    """When it was new here, in milliseconds since 1970; of this replica's own: when it was made."""
    live: bool
    """Whether it came by the live path, or is this replica's own."""


class Watched(Struct, frozen=True, kw_only=True):
    """What the node's failure detector thinks of an agent."""

    replica: str
    name: str
    level: int
    phi_milli: int
    heard_ms: int
    """When it was heard last, by this machine's wall clock."""
    intervals_ms: tuple[int, ...]


_SELECT = "SELECT replica, name, counter, at, since, lease, note, doing, heard, live FROM beat"


def every(db: sqlite3.Connection) -> list[HeardBeat]:
    """Give all beats, by replica and name; raise msgspec.ValidationError for a damaged row."""
    return [_heard(row) for row in db.execute(f"{_SELECT} ORDER BY replica, name")]


def beats(db: sqlite3.Connection, replica: str) -> dict[str, HeardBeat]:
    """Give a replica's beats, by name, in its order."""
    found = db.execute(f"{_SELECT} WHERE replica=? ORDER BY name", (replica,))
    return {row[1]: _heard(row) for row in found}


def beat(db: sqlite3.Connection, replica: str, name: str) -> Beat | None:
    """Give one agent's beat, None where there is none."""
    query = f"{_SELECT} WHERE replica=? AND name=?"
    row = db.execute(query, (replica, name)).fetchone()
    return None if row is None else _heard(row).beat


def _heard(row: tuple[Any, ...]) -> HeardBeat:
    names = ("name", "counter", "at", "since", "lease", "note", "doing")
    beat = dict(zip(names, row[1:8], strict=True))
    whole = {"replica": row[0], "beat": beat, "heard": row[8], "live": bool(row[9])}
    return msgspec.convert(whole, HeardBeat)


def put(db: sqlite3.Connection, one: HeardBeat) -> None:
    """Write an agent's beat in the place of the one before."""
    beat = one.beat
    db.execute(
        "INSERT OR REPLACE INTO beat VALUES(?,?,?,?,?,?,?,?,?,?)",
        (one.replica, beat.name, beat.counter, beat.at, beat.since, beat.lease, beat.note,
         beat.doing, one.heard, one.live),
    )  # fmt: skip


def take_counter(db: sqlite3.Connection, replica: str, least: int, now_ms: int) -> int:
    """Give this replica's next counter, at least `least`; its record has to be signed anew."""
    row = db.execute("SELECT counter FROM record WHERE replica=?", (replica,)).fetchone()
    counter = max(least, row[0] + 1 if row else 1)
    db.execute(
        "INSERT OR REPLACE INTO record VALUES(?,?,NULL,NULL,NULL,?,0)", (replica, counter, now_ms)
    )
    return counter


def bound_own(db: sqlite3.Connection, replica: str) -> None:
    """Let the agents go that were silent for longest, where there are too many for a record."""
    db.execute(
        "DELETE FROM beat WHERE replica=?1 AND name NOT IN (SELECT name FROM beat WHERE replica=?1"
        " ORDER BY counter DESC LIMIT ?2)",
        (replica, BEATS_MAX),
    )


def bound_records(db: sqlite3.Connection, own: str) -> None:
    """Let go of records beyond RECORDS_MAX, this replica's own apart."""
    gone = db.execute(
        "SELECT replica FROM record WHERE replica<>? ORDER BY stranger, heard DESC, replica"
        " LIMIT -1 OFFSET ?",
        (own, RECORDS_MAX),
    ).fetchall()
    db.executemany("DELETE FROM beat WHERE replica=?", gone)
    db.executemany("DELETE FROM record WHERE replica=?", gone)


def watched(db: sqlite3.Connection) -> list[Watched]:
    """Give what the node's failure detector thought last, by replica and name."""
    names = Watched.__struct_fields__
    found = db.execute("SELECT * FROM watch ORDER BY replica, name").fetchall()
    whole = ((*row[:-1], msgspec.json.decode(row[-1])) for row in found)
    return [msgspec.convert(dict(zip(names, row, strict=True)), Watched) for row in whole]


def watch(db: sqlite3.Connection, watched: Iterable[Watched]) -> None:
    """Put what the node's failure detector thinks now in the place of what it thought."""
    db.execute("DELETE FROM watch")
    db.executemany(
        "INSERT INTO watch VALUES(?,?,?,?,?,?)",
        [
            (one.replica, one.name, one.level, one.phi_milli, one.heard_ms,
             msgspec.json.encode(one.intervals_ms).decode())
            for one in watched
        ],
    )  # fmt: skip
