"""A small SQLite file that is worth no more than its loss: made anew where it is damaged.

Each call opens the file, does its work in one transaction, and closes it; so nobody holds a file
that another process has replaced. Nothing is synced to the disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

import msgspec

from waggle.base.errors import WaggleError
from waggle.store.database import BUSY_MS, explain
from waggle.store.hearing.heard import DamagedError
from waggle.store.own.lock import locked

_NO_DAMAGE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
    "SQLITE_PERM",
    "SQLITE_NOMEM",
)
"""What SQLite calls troubles that are none of the file's content."""
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Something done in one transaction. Rows that are not of their form raise DamagedError or
msgspec.ValidationError."""


class Disposable:
    """One such file. May be used from any thread and process."""

    def __init__(
        self, path: str, schema: Sequence[str], version: int, wait_ms: int = BUSY_MS
    ) -> None:
        """`schema`: statements that make the tables; `version` is raised when they change.

        `wait_ms`: how long to wait for other processes until it is `busy`.
        """
        self.path = path
        self._wait_ms = wait_ms
        self._schema = schema
        self._version = version

    def look(self, work: Work[T], nothing: T) -> T:
        """Do something that only reads; give `nothing` where there is no file yet."""
        return self._mended(work, "BEGIN") if os.path.exists(self.path) else nothing

    def do(self, work: Work[T]) -> T:
        """Do something in one transaction; may do it again. Raises `environment`, `busy`."""
        return self._mended(work, "BEGIN IMMEDIATE")

    def _mended(self, work: Work[T], begin: str) -> T:
        try:
            return self._once(work, begin)
        except DamagedError:
            folder, name = os.path.split(self.path)
            with locked(folder, name, self._wait_ms):
                try:
                    return self._once(
                        work, begin
                    )  # another process may have made it anew meanwhile
                except DamagedError:
                    self._discard()
                    return self._once(work, begin)

    def _once(self, work: Work[T], begin: str) -> T:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            wait_s = self._wait_ms / 1000
            with closing(sqlite3.connect(self.path, isolation_level=None, timeout=wait_s)) as db:
                db.execute("PRAGMA synchronous=OFF")
                db.execute(begin)
                self._ready(db)
                found = work(db)
                db.execute("COMMIT")
                return found
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DamagedError(str(error)) from error
        except sqlite3.ProgrammingError:
            raise  # a defect of ours
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorname", "") or "").startswith(_NO_DAMAGE):
                raise explain(error, self.path) from error
            raise DamagedError(str(error)) from error
        except OSError as error:
            raise self._unusable(error) from error

    def _ready(self, db: sqlite3.Connection) -> None:
        """Make the tables where there are none yet; raise DamagedError for other ones."""
        if db.execute("PRAGMA user_version").fetchone() == (self._version,):
            return
        if db.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise DamagedError("another version's tables")
        for statement in (*self._schema, f"PRAGMA user_version={self._version}"):
            db.execute(statement)

    def _discard(self) -> None:
        try:
            for path in (self.path, f"{self.path}-journal"):
                if os.path.exists(path):
                    os.remove(path)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> WaggleError:
        return WaggleError(
            "environment",
            f"cannot write {self.path}: {error.strerror}",
            "Free some disk space or make the folder writable; entries are not concerned.",
        )
