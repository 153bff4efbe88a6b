"""Facts: what is known of an entity's attributes. Grow-only; a new fact supersedes what it names.

Every (entity, attribute) is a multi-value register (Shapiro, Preguica, Baquero, Zawirski, "A
comprehensive study of Convergent and Commutative Replicated Data Types", 2011, section 3.2.2):
its heads are the facts that no other fact of the same register supersedes. Where they come after
one another is not told by a version vector but by ids: a fact names those that its author saw, so
agents that share a replica can be concurrent, too. Of several heads the latest (stamp, replica,
id) is shown; heads of differing values are a conflict. A retraction is a head without a value.

Invariant: `until` is the least stamp among the facts that supersede a fact, so a register as of a
time t has the heads with `at <= t < until`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from waggle.base.errors import WaggleError
from waggle.eventual import fact_tables as sql
from waggle.eventual.fact_tables import ALWAYS
from waggle.log.entry import Body, Entry, Id
from waggle.store.views.view import Tables

TERM_CHARS_MAX = 256
"""The name of an entity or an attribute."""
VALUE_CHARS_MAX = 16 * 1024
SOURCE_CHARS_MAX = 1024
SUPERSEDES_MAX = 256
"""How many facts one entry can supersede."""
_TERM = r"^(?!\s)[^\x00-\x1f\x7f-\x9f\u2028\u2029]+(?<!\s)\Z"
Term = Annotated[str, Meta(min_length=1, max_length=TERM_CHARS_MAX, pattern=_TERM)]
"""One line, without control characters and without space around it."""
Value = Annotated[str, Meta(max_length=VALUE_CHARS_MAX)]
Source = Annotated[str, Meta(max_length=SOURCE_CHARS_MAX)]


class FactAssert(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A value of an entity's attribute; the entry's stamp is the time from which it is known."""

    KIND: ClassVar[str] = "fact.assert"
    TEXTS: ClassVar[tuple[str, ...]] = ("entity", "attribute", "value", "source")
    REFS: ClassVar[tuple[str, ...]] = ("supersedes",)
    entity: Term
    attribute: Term
    value: Value
    source: Source | None = None
    """From what it is known: a URL, a path at a commit, words."""
    supersedes: Annotated[tuple[Id, ...], Meta(max_length=SUPERSEDES_MAX)] = ()
    """Facts of the same register, as the author saw them; of others it has no effect."""


class FactRetract(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of an entity's attribute no longer holds, and no other value is known."""

    KIND: ClassVar[str] = "fact.retract"
    TEXTS: ClassVar[tuple[str, ...]] = ("entity", "attribute", "source")
    REFS: ClassVar[tuple[str, ...]] = ("supersedes",)
    entity: Term
    attribute: Term
    source: Source | None = None
    supersedes: Annotated[tuple[Id, ...], Meta(max_length=SUPERSEDES_MAX)] = ()


FactBody = FactAssert | FactRetract
Edges = Mapping[tuple[str, str, str], int]
"""Id of a superseded fact, entity, attribute; and the least stamp of what supersedes it."""


class FactFold:
    """The fold of facts; see store/views/view.py for what a fold promises."""

    name = "facts"
    version = 1
    kinds: tuple[type[Body], ...] = (FactAssert, FactRetract)
    schema = sql.SCHEMA
    digests: Mapping[str, str] = sql.DIGESTS

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch. What the batch itself supersedes never enters the index."""
        db = tables.db
        facts = [(one, one.body) for one in entries if isinstance(one.body, FactBody)]
        edges = _edges(facts)
        registers = {(body.entity, body.attribute): None for _, body in facts}
        (last,) = db.execute(sql.LAST).fetchone()
        db.executemany(sql.REGISTER, registers)
        db.executemany(sql.ADD, [_row(tables, entry, body, edges) for entry, body in facts])
        if db.execute("SELECT EXISTS(SELECT 1 FROM fact_awaited)").fetchone()[0]:
            db.executemany(sql.ARRIVED, [(entry.id,) for entry, _ in facts])
        db.executemany(sql.UNINDEX, _stale(db, edges, last))
        superseded = [(*edge, until) for edge, until in edges.items()]
        db.executemany(sql.SUPERSEDE, superseded)
        db.executemany(sql.AWAIT, superseded)
        db.execute(sql.INDEX, (last,))
        db.executemany(sql.SETTLE, registers)


FACT_FOLD = FactFold()


def check_term(what: str, text: str) -> str:
    """Give the name of an entity or an attribute back, or raise `invalid`."""
    if len(text) > TERM_CHARS_MAX or not re.search(_TERM, text):
        raise WaggleError(
            "invalid",
            f"{text[:TERM_CHARS_MAX]!r} is no name of an {what}",
            f"Use 1 to {TERM_CHARS_MAX} characters on one line, without space around them; long "
            "text belongs in the value.",
        )
    return text


def mark_of(value: str | None) -> int:
    """Give a value's mark: 64 bits of its digest, signed; 0 for a retraction.

    Two values with one mark (by chance one pair in 2**64) would be missing from the list of
    conflicts; a read of their register compares the values themselves.
    """
    if value is None:
        return 0
    raw = blake2b(value.encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big", signed=True)


def _edges(facts: Iterable[tuple[Entry, FactBody]]) -> Edges:
    """Give what the facts of a batch supersede."""
    edges: dict[tuple[str, str, str], int] = {}
    for entry, body in facts:
        for one in body.supersedes:
            edge = (one, body.entity, body.attribute)
            edges[edge] = min(entry.at, edges.get(edge, ALWAYS))
    return edges


def _stale(db: sqlite3.Connection, edges: Edges, last: int) -> list[tuple[int, str, str, str]]:
    """Give what the index holds of heads, up to number `last`, that are superseded now.

    In the order of numbers: FTS5 writes out what it has gathered whenever a lower one comes.
    """
    return sorted(
        (n, entity, attribute, value)
        for one, entity, attribute in edges
        for n, value in db.execute(sql.STALE, (one, entity, attribute, last))
    )


def _row(
    tables: Tables, entry: Entry, body: FactBody, edges: Edges
) -> tuple[str | int | None, ...]:
    """Give a fact's row, with its register's terms in place of the number."""
    value = body.value if isinstance(body, FactAssert) else None
    return (
        entry.id,
        body.entity,
        body.attribute,
        entry.at,
        edges.get((entry.id, body.entity, body.attribute), ALWAYS),
        tables.number(entry.writer),
        mark_of(value),
        value,
        body.source,
        msgspec.json.encode(body.supersedes).decode(),
    )
