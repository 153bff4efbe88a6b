"""The view: view = fold(version, admitted). Disposable, rebuilt from logs and journal at will.

Each layer above brings folds: the kinds it folds, the tables it keeps, and a function that folds
a batch of entries. The admitted vector moves in the transaction of the fold, so a crash leaves
both or neither. Tables hold integers and texts, no floats; long texts that repeat (ids, writers,
families) are numbered once in `name`, and digests never see the numbers.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

from waggle.base.errors import WaggleError
from waggle.log.chain import Head
from waggle.log.entry import Body, Entry
from waggle.store.database import connect, explain
from waggle.store.views import scanning
from waggle.store.views.admission import FIRST_USE, Policy

VIEW_DIR = "view"
NUMBERS_MAX = 1 << 16
"""How many numbers of names a process keeps in memory."""
CACHE_KIB = 64 * 1024
"""How much of the file SQLite may keep in memory: a rebuild touches all of it, in no order."""
CHECKPOINT_PAGES = 16_384
_VERSION = 3
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE admitted(replica TEXT PRIMARY KEY, seq INTEGER, id TEXT, at INTEGER) WITHOUT ROWID;
CREATE TABLE name(n INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE moved(id TEXT PRIMARY KEY, was TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE skipped(replica TEXT, seq INTEGER, kind TEXT, reason TEXT, PRIMARY KEY(replica, seq))
  WITHOUT ROWID;
"""
_DIGESTS = {
    "moved": "SELECT id, was FROM moved ORDER BY id",
    "skipped": "SELECT replica, seq, kind, reason FROM skipped ORDER BY replica, seq",
}


class Tables:
    """What a fold writes to: the open transaction, numbered names, and the operators' keys."""

    def __init__(self, db: sqlite3.Connection, space: str, operators: frozenset[str]) -> None:
        self.db = db
        self.space = space
        self.operators = operators
        self._numbers: dict[str, int] = {}
        self._generation: tuple[int, str] | None = None

    def number(self, text: str) -> int:
        """Give the number of a name, taking a new one for a new name."""
        known = self._numbers.get(text)
        if known is None:
            self.db.execute("INSERT OR IGNORE INTO name(text) VALUES(?)", (text,))
            row = self.db.execute("SELECT n FROM name WHERE text=?", (text,)).fetchone()
            if len(self._numbers) >= NUMBERS_MAX:
                self._numbers.clear()
            known = self._numbers[text] = int(row[0])
        return known

    def forget(self) -> None:
        """Drop the cache of numbers: a transaction was rolled back or the view was cleared."""
        self._numbers.clear()

    def refresh(self) -> None:
        """Drop the cache, within a transaction, if another process numbered names anew."""
        (schema,) = self.db.execute("PRAGMA schema_version").fetchone()
        (cleared,) = self.db.execute("SELECT value FROM meta WHERE name='cleared'").fetchone()
        if self._generation != (schema, cleared):
            self._generation = (schema, cleared)
            self.forget()


class Fold(Protocol):
    """A layer's fold. For any split, order and repetition of entries, the tables come out equal."""

    @property
    def name(self) -> str:
        """Its name, part of the view's version."""

    @property
    def version(self) -> int:
        """Raised whenever tables or their meaning change; the view is then folded anew."""

    @property
    def kinds(self) -> tuple[type[Body], ...]:
        """The kinds it folds."""

    @property
    def schema(self) -> str:
        """SQL that makes its tables; statements end in a semicolon at the end of a line."""

    @property
    def digests(self) -> Mapping[str, str]:
        """For each table, a SELECT that gives its rows without numbers, in one order."""

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch, all of this fold's kinds, in any order."""


class View:
    """The view of one space. Use from one thread."""

    def __init__(
        self,
        store_dir: str,
        space: str,
        folds: Sequence[Fold],
        operators: frozenset[str],
        policy: Policy = FIRST_USE,
    ) -> None:
        self.path = os.path.join(store_dir, VIEW_DIR, f"{space}.db")
        self.folds = tuple(folds)
        self.policy = policy
        names = [[fold.name, fold.version] for fold in folds]
        self.version = json.dumps([_VERSION, names, sorted(operators), policy.version])
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        try:
            self.db = self._open()
        except WaggleError as error:
            if error.code != "damaged":
                raise
            self._discard()
            self.db = self._open()
        self.tables = Tables(self.db, space, operators)

    def _open(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            db.execute("PRAGMA synchronous=NORMAL")
            # Votes on many candidates touch many pages: keep them, and copy them back rarely.
            db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            self._ready(db)
        except sqlite3.DatabaseError as error:
            db.close()
            raise explain(error, self.path) from error
        return db

    def _ready(self, db: sqlite3.Connection) -> None:
        """Make the tables, or make them anew where another version left its own."""
        if self._made_here(db):
            return
        db.execute("BEGIN IMMEDIATE")
        if not self._made_here(db):
            self._make(db)
        db.execute("COMMIT")

    def _made_here(self, db: sqlite3.Connection) -> bool:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone():
            return False
        row: tuple[str] | None = db.execute(
            "SELECT value FROM meta WHERE name='version'"
        ).fetchone()
        return row == (self.version,)

    def _make(self, db: sqlite3.Connection) -> None:
        _drop_all(db)
        for schema in (_SCHEMA, scanning.SCHEMA, *(fold.schema for fold in self.folds)):
            for statement in statements(schema):
                db.execute(statement)
        meta = [("version", self.version), ("cleared", "0")]
        db.executemany("INSERT INTO meta VALUES(?,?)", meta)

    def current(self) -> bool:
        """Tell whether the tables are this version's still.

        A process with a newer waggle, or with other operators, makes them its own.
        """
        return self._made_here(self.db)

    def state(self) -> tuple[int, int]:
        """Give what changes whenever the tables do: by another connection, and by this one."""
        (others,) = self.db.execute("PRAGMA data_version").fetchone()
        return others, self.db.total_changes

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.path + suffix):
                os.remove(self.path + suffix)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        """Fold within one transaction; any error rolls it back, and the view is as before."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                if not self.current():
                    self._make(self.db)
                self.tables.refresh()
                yield self.tables
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                self.tables.forget()
                raise
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def admitted(self) -> dict[str, Head]:
        """Give the admitted vector: for each replica, the end of the prefix that was folded."""
        rows = self.db.execute("SELECT replica, seq, id, at FROM admitted").fetchall()
        return {replica: Head(seq, entry, at) for replica, seq, entry, at in rows}

    def latest(self) -> int:
        """Give the latest stamp among the ends of what was folded; 0 where nothing was."""
        row: tuple[int | None] = self.db.execute("SELECT max(at) FROM admitted").fetchone()
        return row[0] or 0

    def admit(self, replica: str, head: Head) -> None:
        """Move the admitted vector, within the transaction that folded up to `head`."""
        self.db.execute(
            "INSERT OR REPLACE INTO admitted VALUES(?,?,?,?)",
            (replica, head.seq, head.id, head.at),
        )

    def clear(self) -> None:
        """Empty every table, within a transaction: the past changed, all is folded again."""
        plain, indexes = _tables(self.db)
        for index in indexes:
            self.db.execute(f'INSERT INTO "{index}"("{index}") VALUES(\'delete-all\')')
        for table in plain:
            if table != "meta":
                self.db.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own tables
        self.db.execute("UPDATE meta SET value = value + 1 WHERE name='cleared'")
        self.tables.refresh()

    def fold(self, entries: Sequence[Entry]) -> None:
        """Hand a batch to the folds, within a transaction."""
        by_kind: dict[type[Body], list[Entry]] = {}
        for entry in entries:
            by_kind.setdefault(type(entry.body), []).append(entry)
        for fold in self.folds:
            batch = [entry for kind in fold.kinds for entry in by_kind.get(kind, ())]
            if batch:
                fold.apply(self.tables, batch)

    def digest(self) -> str:
        """Give a digest of all rows, independent of the order in which entries came."""
        hasher = blake2b(digest_size=16)
        queries = dict(_DIGESTS)
        for fold in self.folds:
            queries.update({f"{fold.name}.{name}": sql for name, sql in fold.digests.items()})
        for name, sql in sorted(queries.items()):
            hasher.update(f"\n{name}\n".encode())
            for row in self.db.execute(sql):
                hasher.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        return hasher.hexdigest()


def statements(schema: str) -> Iterator[str]:
    """Give the statements of a schema one by one; triggers hold semicolons of their own."""
    collected = ""
    for row in schema.splitlines():
        collected += row + "\n"
        if sqlite3.complete_statement(collected):
            yield collected
            collected = ""


def _tables(db: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Give the names of plain tables and of full-text indexes.

    The tables that SQLite keeps under an index (`<index>_data` and others) are in neither list:
    they are written through the index alone, or it is damaged.
    """
    tables = db.execute(
        "SELECT name, sql LIKE 'CREATE VIRTUAL TABLE%' FROM sqlite_master"
        " WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    indexes = [name for name, virtual in tables if virtual]
    under = tuple(f"{index}_" for index in indexes)
    plain = [name for name, virtual in tables if not virtual and not name.startswith(under)]
    return plain, indexes


def _drop_all(db: sqlite3.Connection) -> None:
    for kind, name in db.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('view','trigger')"
    ).fetchall():
        db.execute(f'DROP {kind.upper()} IF EXISTS "{name}"')
    for tables in _tables(db):
        for table in tables:
            db.execute(f'DROP TABLE "{table}"')
