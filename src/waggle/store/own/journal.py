"""The journal: the replica's own entries, durable before an append returns.

One SQLite file (WAL, synchronous=FULL). Its write lock is the only lock of an append, so many
processes of one replica append at once without gaps. Entries stay until their git frame is known
to be durable (see sealing.py); the last one always stays, because the next one builds on it.

Invariant: for each space, `entry` holds a contiguous run of seqs that ends at the log's head.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import contextmanager

from waggle.base.clock import DRIFT_MS_MAX, from_the_future, observe, stamp
from waggle.base.errors import WaggleError
from waggle.base.ids import digest, genesis
from waggle.log.line import line as make_line
from waggle.store.database import connect, explain
from waggle.store.own.bell import ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

JOURNAL_FILE = "journal.db"
FORMAT = 1
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry(space TEXT, seq INTEGER, id TEXT NOT NULL, at INTEGER NOT NULL,
  line BLOB NOT NULL, PRIMARY KEY(space, seq)) WITHOUT ROWID;
CREATE TABLE keyed(space TEXT, key TEXT, id TEXT NOT NULL, seq INTEGER NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY(space, key)) WITHOUT ROWID;
CREATE TABLE content(space TEXT, seq INTEGER, path TEXT, data BLOB NOT NULL,
  PRIMARY KEY(space, seq, path));
CREATE TABLE carried(space TEXT, seq INTEGER, oid TEXT NOT NULL, PRIMARY KEY(space, seq, oid))
  WITHOUT ROWID;
CREATE TABLE frame(space TEXT, first INTEGER, last INTEGER NOT NULL, parent TEXT, oid TEXT,
  PRIMARY KEY(space, first)) WITHOUT ROWID;
CREATE TABLE tip(space TEXT, replica TEXT, oid TEXT NOT NULL, seq INTEGER NOT NULL,
  id TEXT NOT NULL, PRIMARY KEY(space, replica, oid)) WITHOUT ROWID;
"""


class Pending:
    """A line without its clock, its idempotency key, and what it carries into git."""

    __slots__ = ("commits", "content", "encoded", "key")

    def __init__(
        self,
        encoded: bytes,
        key: str | None = None,
        content: Mapping[str, bytes] | None = None,
        commits: Sequence[str] = (),
    ) -> None:
        self.encoded = encoded
        self.key = key
        self.content = content or {}
        self.commits = commits


class Written:
    """Where an entry stands in the log; `fresh` is False where its key had been seen before."""

    __slots__ = ("at", "fresh", "id", "seq")

    def __init__(self, seq: int, id: str, at: int, *, fresh: bool = True) -> None:  # noqa: A002
        self.seq = seq
        self.id = id
        self.at = at
        self.fresh = fresh


class ClockAheadError(Exception):
    """The log's own last entry lies further ahead of the wall clock than clocks may drift."""


class Journal:
    """The open journal of a store. Use from one thread."""

    __slots__ = ("db", "path", "replica")

    def __init__(self, store_dir: str) -> None:
        self.path = os.path.join(store_dir, JOURNAL_FILE)
        self.db = connect(self.path)
        self.replica = ""
        try:
            self.db.execute("PRAGMA synchronous=FULL")
            if sys.platform == "darwin":
                self.db.execute("PRAGMA fullfsync=1")
                self.db.execute("PRAGMA checkpoint_fullfsync=1")
            self._ready()
            self.refresh()
        except sqlite3.Error as error:
            self.close()
            raise explain(error, self.path) from error

    def _ready(self) -> None:
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self.db.execute("BEGIN IMMEDIATE")
            if self.db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    self.db.execute(statement)
                self.db.execute(f"PRAGMA user_version={FORMAT}")
            self.db.execute("COMMIT")
        elif version != FORMAT:
            raise WaggleError(
                "damaged",
                f"{self.path} has format {version}; this waggle knows format {FORMAT}",
                "Use a newer waggle.",
            )

    def refresh(self) -> None:
        """Read again which replica writes here: another process may have minted a new one."""
        row = self.db.execute("SELECT value FROM meta WHERE name='replica'").fetchone()
        self.replica = row[0] if row else ""

    def close(self) -> None:
        """Close the file; what was acknowledged is durable already."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a durable transaction; any error rolls it back."""
        committing = False
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                committing = True
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise explain(error, self.path, committing=committing) from error

    def spaces(self) -> list[str]:
        """Give the spaces of which this store holds anything, written here or fetched."""
        rows = self.db.execute("SELECT space FROM entry UNION SELECT space FROM tip ORDER BY 1")
        return [space for (space,) in rows]

    def head(self, space: str) -> tuple[int, str, int]:
        """Give (seq, id, at) of the log's last entry; (0, h(0), 0) for an empty log."""
        row: tuple[int, str, int] | None = self.db.execute(
            "SELECT seq, id, at FROM entry WHERE space=? ORDER BY seq DESC LIMIT 1", (space,)
        ).fetchone()
        return row or (0, genesis(space, self.replica), 0)

    def append(
        self, space: str, pending: Sequence[Pending], wall_ms: int, seen_at: int = 0
    ) -> list[Written]:
        """Append entries in one durable transaction; all of them or none.

        `seen_at` is the latest stamp that the writer could see; theirs come after it. Raises
        ClockAheadError where the log is ahead of the wall clock, `environment` and `busy` where
        nothing was appended, `in_doubt` where the disk failed in the middle.
        """
        with self.transaction() as db:
            written = write(db, space, pending, wall_ms, seen_at)
        ring(os.path.dirname(self.path))
        return written

    def read(self, space: str, after: int, limit: int = -1) -> list[tuple[int, str, bytes]]:
        """Give up to `limit` entries (seq, id, line) with seq > `after` that are still here."""
        return self.db.execute(
            "SELECT seq, id, line FROM entry WHERE space=? AND seq>? ORDER BY seq LIMIT ?",
            (space, after, limit),
        ).fetchall()

    def sealed(self, space: str) -> int:
        """Give the last seq that stands in a frame whose ref was moved."""
        row = self.db.execute(
            "SELECT max(seq) FROM tip WHERE space=? AND replica=?", (space, self.replica)
        ).fetchone()
        return int(row[0] or 0)


def write(
    db: sqlite3.Connection,
    space: str,
    pending: Sequence[Pending],
    wall_ms: int,
    seen_at: int = 0,
) -> list[Written]:
    """Append entries within an open transaction; see `Journal.append`."""
    meta: dict[str, str] = dict(db.execute("SELECT name, value FROM meta").fetchall())
    head = db.execute(
        "SELECT seq, id, at FROM entry WHERE space=? ORDER BY seq DESC LIMIT 1", (space,)
    ).fetchone()
    seq, last, at = head or (0, genesis(space, meta.get("replica", "")), 0)
    if from_the_future(at, wall_ms):
        raise ClockAheadError(f"the log is more than {DRIFT_MS_MAX // 60_000} minutes ahead")
    at = observe(max(at, int(meta.get("clock", 0))), seen_at, wall_ms)
    now, raw = stamp(wall_ms), bytes.fromhex(last)
    written: list[Written] = []
    rows: list[tuple[str, int, str, int, bytearray]] = []
    for item in pending:
        if item.key is not None:
            seen = db.execute(
                "SELECT seq, id, at FROM keyed WHERE space=? AND key=?", (space, item.key)
            ).fetchone()
            if seen:
                written.append(Written(*seen, fresh=False))
                continue
        seq, at = seq + 1, at + 1 if at >= now else now  # clock.tick, thousands of times
        line = make_line(at, item.encoded)
        raw = digest(raw, line)
        last = raw.hex()
        # sqlite3 asks its adapters about bytes, which takes longer than copying them.
        rows.append((space, seq, last, at, bytearray(line)))
        written.append(Written(seq, last, at))
        if item.key is not None:
            db.execute("INSERT INTO keyed VALUES(?,?,?,?,?)", (space, item.key, last, seq, at))
        if item.content:
            files = [(space, seq, path, data) for path, data in item.content.items()]
            db.executemany("INSERT INTO content VALUES(?,?,?,?)", files)
        if item.commits:
            commits = [(space, seq, oid) for oid in item.commits]
            db.executemany("INSERT INTO carried VALUES(?,?,?)", commits)
    db.executemany("INSERT INTO entry VALUES(?,?,?,?,?)", rows)
    return written
