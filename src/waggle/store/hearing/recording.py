"""Writing down what is heard: the file, its transactions, and its bounds.

The file is disposable (heard.py), so whatever is wrong with it is mended by making it anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from waggle.base.errors import WaggleError
from waggle.log.said import SignedHead
from waggle.store.database import connect, explain
from waggle.store.hearing.heard import FORMAT, SCHEMA, DamagedError, Heard
from waggle.store.hearing.known import Known, Run
from waggle.store.hearing.proofs import Side
from waggle.store.own.journal import Journal

TOTAL_BYTES_MAX = 256 * 1024 * 1024
"""All runs together. Beyond it, whole runs are dropped: strangers' first, the silent ones first."""
STRANGERS_MAX = 256
"""Logs of which git has nothing yet. Anybody can make any number of these."""
AHEAD_MAX = 8
"""Signed heads beyond its end that are kept of one log: the lowest, which are passed first."""
CHECKPOINT_PAGES = 4096
"""How far the file's write-ahead log grows before it is copied back, which takes two syncs."""
WAL_BYTES_MAX = 16 * 1024 * 1024
"""What the file's write-ahead log shrinks to, in bytes, after it has grown."""
_DAMAGE = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_CONSTRAINT",
    "SQLITE_MISMATCH",
    "SQLITE_ERROR",
)
"""What SQLite calls a file that is no longer as it was written; the last one: a table is gone."""
T = TypeVar("T")


class Recorder(Heard):
    """What was heard in one space, for the one process that writes it down."""

    def __init__(self, store_dir: str, space: str, journal: Journal) -> None:
        """Open the file, made anew where it is missing or damaged; raise `environment`."""
        super().__init__(store_dir, space)
        self.journal = journal
        self._total: tuple[int, int] | None = None
        """Bytes of all runs, and the last turn; None until they are counted."""
        self._open()

    # --- the file --------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            if self._db is not None and os.stat(self.path).st_ino == self._inode:
                return self._db
        except FileNotFoundError:
            pass  # somebody took it away: there will be another
        self.close()
        try:
            try:
                self._db = self._connect()
            except DamagedError:
                self._discard()
                self._db = self._connect()
            self._inode, self._opened = os.stat(self.path).st_ino, self._opened + 1
        except OSError as error:
            raise WaggleError(
                "environment",
                f"cannot write {self.path}: {error.strerror}",
                "Free some disk space or make the folder writable; nothing is lost without it.",
            ) from error
        self._total = None
        return self._db

    def _connect(self) -> sqlite3.Connection:
        """Open the file and make its tables; raise DamagedError, OSError, `environment`, `busy`."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        try:
            db = connect(self.path)
        except WaggleError as error:
            if error.code == "damaged":
                raise DamagedError(error.message) from error
            raise
        try:
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            db.execute(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version={FORMAT};COMMIT")
            elif version != FORMAT or db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise DamagedError(f"{self.path} is damaged, or another version's")
        except BaseException as error:
            db.close()
            if isinstance(error, sqlite3.Error):
                raise _explained(error, self.path) from error
            if isinstance(error, UnicodeDecodeError):  # SQLite's message quotes what is damaged
                raise DamagedError(f"{self.path} holds what is no text") from error
            raise
        return db

    def _discard(self) -> None:
        """Take the file away; its log first, which must not be taken for the next file's."""
        self.close()
        for suffix in ("-wal", "-shm", ""):
            try:
                os.remove(self.path + suffix)
            except FileNotFoundError:
                continue  # it is gone, which is what is wanted

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction; any error rolls it back."""
        db = self._open()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            self._total = None
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def guarded(self, work: Callable[[], T]) -> T:
        """Do some work on the file; where the file is damaged, once more on a new one.

        Raises `environment` and `busy` as the journal does.
        """
        try:
            return self._explaining(work)
        except DamagedError:
            self._discard()
        try:
            return self._explaining(work)
        except DamagedError as error:
            raise WaggleError(
                "damaged",
                f"{self.path} is damaged again as soon as it is made: {error}",
                "Look at the disk; nothing is lost without this file.",
            ) from error

    def _explaining(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise DamagedError(str(error)) from error

    # --- one log, within a transaction -----------------------------------------------------

    def run(self, db: sqlite3.Connection, replica: str) -> Run | None:
        """Give what is held of a log."""
        query = "SELECT base, seq, id, at, key, bytes FROM run WHERE replica=?"
        row = db.execute(query, (replica,)).fetchone()
        return None if row is None else msgspec.convert(row, Run)

    def save(self, db: sqlite3.Connection, known: Known, run: Run) -> None:
        """Write down what is held of a log now."""
        if known.new and known.tip is None:
            self._limit_strangers(db)
        total, turn = self._counted(db)
        self._total = total + run.size - known.run.size, turn + 1
        row = (known.log[1], run.base, run.seq, run.id, run.at, run.key, run.size, turn + 1)
        db.execute("INSERT OR REPLACE INTO run VALUES(?,?,?,?,?,?,?,?)", row)

    def drop(self, db: sqlite3.Connection, replica: str) -> None:
        """Hold nothing of a log any more."""
        for table in ("line", "ahead", "run"):
            db.execute(f"DELETE FROM {table} WHERE replica=?", (replica,))  # noqa: S608 - the names above
        self._total = None

    def ahead(
        self, db: sqlite3.Connection, known: Known, first: int, last: int
    ) -> list[tuple[int, Side]]:
        """Give the heads that are kept of a log from one seq to another, by seq."""
        rows = db.execute(
            "SELECT seq, id, signature FROM ahead WHERE replica=? AND seq BETWEEN ? AND ?"
            " ORDER BY seq",
            (known.log[1], first, last),
        ).fetchall()
        return [
            (seq, Side(id=entry, head=known.head(seq, entry, signature)))
            for seq, entry, signature in msgspec.convert(rows, list[tuple[int, str, bytes]])
        ]

    def keep_ahead(self, db: sqlite3.Connection, known: Known, head: SignedHead) -> None:
        """Keep a head that lies beyond the end of what is held."""
        row = (head.replica, head.seq, head.hash, head.signature)
        if db.execute("INSERT OR IGNORE INTO ahead VALUES(?,?,?,?)", row).rowcount:
            db.execute(
                "DELETE FROM ahead WHERE replica=?1 AND seq NOT IN"
                " (SELECT seq FROM ahead WHERE replica=?1 ORDER BY seq LIMIT ?2)",
                (head.replica, AHEAD_MAX),
            )
        self.save(db, known, msgspec.structs.replace(known.run, key=head.key))

    # --- bounds ----------------------------------------------------------------------------

    def make_room(self, db: sqlite3.Connection, known: Known, size: int) -> None:
        """Drop other logs' runs until `size` more bytes fit."""
        if self._counted(db)[0] + size <= TOTAL_BYTES_MAX:
            return
        rows = db.execute(
            "SELECT replica FROM run WHERE replica<>? AND bytes>0 ORDER BY turn", (known.log[1],)
        ).fetchall()
        in_git = self._in_git()
        for (replica,) in sorted(rows, key=lambda row: row[0] in in_git):
            self.drop(db, replica)
            if self._counted(db)[0] + size <= TOTAL_BYTES_MAX:
                return

    def _limit_strangers(self, db: sqlite3.Connection) -> None:
        """Leave room for one more log that git does not have."""
        rows = db.execute("SELECT replica FROM run ORDER BY turn").fetchall()
        in_git = self._in_git()
        strangers = [replica for (replica,) in rows if replica not in in_git]
        for replica in strangers[: max(0, len(strangers) + 1 - STRANGERS_MAX)]:
            self.drop(db, replica)

    def _in_git(self) -> set[str]:
        query = "SELECT DISTINCT replica FROM tip WHERE space=?"
        try:
            return {row[0] for row in self.journal.db.execute(query, (self.space,))}
        except sqlite3.Error as error:
            raise explain(error, self.journal.path) from error

    def _counted(self, db: sqlite3.Connection) -> tuple[int, int]:
        if self._total is None:
            row = db.execute("SELECT total(bytes), max(turn) FROM run").fetchone()
            self._total = int(row[0]), row[1] or 0
        return self._total


def _explained(error: sqlite3.Error, path: str) -> Exception:
    # Python's own errors, such as bytes that are no text, have no name of SQLite's.
    name = getattr(error, "sqlite_errorname", None)
    damaged = name is None or name.startswith(_DAMAGE)
    return DamagedError(str(error)) if damaged else explain(error, path)
