"""Reading facts: what is known, since when and from whom; what was known; where heads differ.

A read of heads costs what it gives. One as of an earlier time walks the history of the registers
that it gives, up to then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import REPLICA_CHARS
from waggle.eventual.fact_tables import HEAD

Row = tuple[str, str, str, str | None, str | None, str, int, int, str]
_ids = msgspec.json.Decoder(tuple[str, ...]).decode
COLUMNS = "f.id, r.entity, r.attribute, f.value, f.source, w.text, f.at, f.until, f.supersedes"
_NAMES = "JOIN fact_register r ON r.n = f.register JOIN name w ON w.n = f.writer"
TABLES = f"fact f {_NAMES}"
_FACTS = f"SELECT {COLUMNS} FROM {TABLES}"  # noqa: S608 - put together from constants
# By itself SQLite would go through a register's history, which lies in the order of the result.
_HEADS = f"SELECT {COLUMNS} FROM fact f INDEXED BY fact_head {_NAMES} WHERE f.{HEAD}"  # noqa: S608 - the same
# Stamp, replica, id: the same order wherever the same entries are.
_LATEST = f"f.at DESC, substr(w.text, 1, {REPLICA_CHARS}) DESC, f.id DESC"


class Fact(Struct, frozen=True, kw_only=True):
    """A fact as the view has it."""

    id: str
    entity: str
    attribute: str
    value: str | None
    """None where this retracts what was known."""
    source: str | None
    writer: str
    """`replica/agent`."""
    at: int
    """A stamp: from when it is known."""
    until: int
    """The least stamp of what supersedes it; ALWAYS for a head."""
    supersedes: tuple[str, ...]


class Register(Struct, frozen=True, kw_only=True):
    """What is known of one attribute of an entity: its heads, the latest first, at least one."""

    heads: tuple[Fact, ...]

    @property
    def shown(self) -> Fact:
        """The latest head: what counts as the value until a conflict is settled."""
        return self.heads[0]

    @property
    def conflict(self) -> bool:
        """Whether the heads have differing values; a retraction differs from every value."""
        return len({head.value for head in self.heads}) > 1


def registers(
    db: sqlite3.Connection, entity: str, attribute: str | None = None, as_of: int | None = None
) -> list[Register]:
    """Give an entity's registers, or the one of an attribute, in the order of attributes.

    With `as_of`, a stamp: as the facts up to it, and those alone, made them.
    """
    query, values = _HEADS, list[str | int]()
    if as_of is not None:
        query, values = f"{_FACTS} WHERE f.at <= ? AND f.until > ?", [as_of, as_of]
    query, values = f"{query} AND r.entity = ?", [*values, entity]
    if attribute is not None:
        query, values = f"{query} AND r.attribute = ?", [*values, attribute]
    return list(_grouped(db.execute(f"{query} ORDER BY r.attribute, {_LATEST}", values)))


def conflicts(db: sqlite3.Connection, limit: int = -1) -> list[Register]:
    """Give up to `limit` registers whose heads differ, in the order of entities and attributes."""
    chosen = "SELECT n FROM fact_register WHERE conflict ORDER BY entity, attribute LIMIT ?"
    rows = db.execute(
        f"{_HEADS} AND r.n IN ({chosen}) ORDER BY r.entity, r.attribute, {_LATEST}",
        (limit,),
    )
    return list(_grouped(rows))


def count_conflicts(db: sqlite3.Connection) -> int:
    """Give how many registers have heads that differ."""
    (count,) = db.execute("SELECT count(*) FROM fact_register WHERE conflict").fetchone()
    return int(count)


def history(
    db: sqlite3.Connection, entity: str, attribute: str | None = None, limit: int = -1
) -> list[Fact]:
    """Give up to `limit` facts of an entity, or of one attribute of it, the latest first."""
    query, values = "SELECT n FROM fact_register WHERE entity = ?", [entity]
    if attribute is not None:
        query, values = f"{query} AND attribute = ?", [entity, attribute]
    found = [
        fact_of(row)
        for register in db.execute(query, values).fetchall()
        for row in db.execute(
            f"{_FACTS} WHERE f.register = ? ORDER BY {_LATEST} LIMIT ?", (*register, limit)
        )
    ]
    found.sort(key=lambda one: (one.at, one.writer[:REPLICA_CHARS], one.id), reverse=True)
    return found if limit < 0 else found[:limit]


def named(db: sqlite3.Connection, entity: str, attribute: str, prefix: str) -> str:
    """Give the id of a fact of one register from its beginning; raise `not_found`, `ambiguous`."""
    rows = db.execute(
        "SELECT f.id FROM fact f JOIN fact_register r ON r.n = f.register"
        " WHERE f.id >= ? AND f.id < ? AND r.entity = ? AND r.attribute = ? LIMIT 2",
        (prefix, prefix + "g", entity, attribute),
    ).fetchall()
    if len(rows) == 1:
        return str(rows[0][0])
    raise WaggleError(
        "ambiguous" if rows else "not_found",
        f"{'several facts' if rows else 'no fact'} of this entity and attribute "
        f"{'have ids that start' if rows else 'has an id that starts'} with {prefix}",
        "See `waggle fact history ENTITY ATTRIBUTE --json`, which gives whole ids.",
    )


def values(db: sqlite3.Connection) -> Iterator[Fact]:
    """Give every value that is a head: by entity and attribute, and the latest last."""
    order = _LATEST.replace(" DESC", "")
    rows = db.execute(
        f"{_FACTS} WHERE f.{HEAD} AND f.value IS NOT NULL ORDER BY r.entity, r.attribute, {order}"
    )
    return map(fact_of, rows)


def fact_of(row: Row) -> Fact:
    """Make a fact of a row of COLUMNS."""
    entry, entity, attribute, value, source, writer, at, until, supersedes = row
    return Fact(
        id=entry,
        entity=entity,
        attribute=attribute,
        value=value,
        source=source,
        writer=writer,
        at=at,
        until=until,
        supersedes=_ids(supersedes),
    )


def _grouped(rows: Iterable[Row]) -> Iterator[Register]:
    """Give the registers of heads that come register by register."""
    for _, heads in groupby(map(fact_of, rows), key=lambda one: (one.entity, one.attribute)):
        yield Register(heads=tuple(heads))
