"""Decrees: the operator's own entries on whose logs count here, and how far.

A decree is signed by the operator and not only by the replica that appended it, so it counts
whatever log carries it: one that is distrusted, forked or from the future, too. The set of decrees
thus rests on the verified entries alone and only grows, and what is admitted rests on the decrees
(see admission.py): nothing goes round in a circle, and equal entries give equal admission.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from waggle.base.clock import MILLIS_MAX
from waggle.base.ids import REPLICA_CHARS
from waggle.log.chain import Link
from waggle.log.entry import Body, Count, Id, registry
from waggle.log.sshsig import public_text, sign, verify

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from waggle.store.space import Space

NAMESPACE = "waggle-decree"
EVERYTHING = 2**63 - 1
"""How far a trusted log counts: no seq lies beyond it."""
Replica = Annotated[str, Meta(pattern=f"^[0-9a-f]{{{REPLICA_CHARS}}}\\Z")]
Short = Annotated[str, Meta(max_length=1024)]


class Decree(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What all decrees say: about which replica, why, when and by whom."""

    TEXTS: ClassVar[tuple[str, ...]] = ("reason",)
    replica: Replica
    reason: Short = ""
    made: Annotated[int, Meta(ge=0, le=MILLIS_MAX)]
    """When, in milliseconds since 1970; signed, so that an old decree cannot be replayed as new."""
    operator: Short
    signature: Short

    @property
    def detail(self) -> str:
        """What this decree says besides, as it is signed."""
        return ""


class Trust(Decree, frozen=True, kw_only=True, omit_defaults=True):
    """The whole log counts, whatever was decreed before."""

    KIND: ClassVar[str] = "member.trust"


class Distrust(Decree, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing of the log counts after an entry."""

    KIND: ClassVar[str] = "member.distrust"
    last: Count
    """The last seq that still counts; 0 where nothing does."""

    @property
    def detail(self) -> str:
        """The last seq that still counts."""
        return str(self.last)


class Admit(Decree, frozen=True, kw_only=True, omit_defaults=True):
    """The chain of the log through an entry counts.

    So nothing up to that entry is from the future, and of the histories of a fork it is the one
    that holds the entry. It lifts no distrust.
    """

    KIND: ClassVar[str] = "member.admit"
    entry: Id

    @property
    def detail(self) -> str:
        """The entry's id."""
        return self.entry


KINDS: tuple[type[Decree], ...] = (Trust, Distrust, Admit)
NAMES = frozenset(kind.KIND for kind in KINDS)
_DECODERS = registry(KINDS)
SCHEMA = """
CREATE TABLE decree(kind TEXT, replica TEXT, detail TEXT, made INTEGER, operator TEXT, reason TEXT,
  PRIMARY KEY(kind, replica, detail, made, operator, reason)) WITHOUT ROWID;
"""


def statement(space: str, decree: Decree) -> bytes:
    """Give the bytes that an operator signs; only the last field may hold line breaks."""
    fields = (decree.KIND, space, decree.replica, decree.detail, str(decree.made), decree.reason)
    return "\n".join(("waggle decree", *fields)).encode()


def signed(key: Ed25519PrivateKey, space: str, decree: Decree) -> Decree:
    """Give the decree with its signature, by the key of the operator that it names."""
    signature = sign(key, statement(space, decree), NAMESPACE)
    return msgspec.structs.replace(decree, signature=signature)


def flaw(space: str, decree: Decree, operators: frozenset[str]) -> str | None:
    """Give why a decree does not count in a space; None where it does."""
    if decree.operator not in operators:
        return "its signer is no operator here"
    try:
        signer = verify(decree.signature, statement(space, decree), NAMESPACE)
    except ValueError as error:
        return str(error)
    return None if public_text(signer) == decree.operator else "another key signed it"


def read(link: Link) -> Decree | None:
    """Give the decree that an entry states, not verified; None where it states none."""
    if link.envelope.kind not in NAMES:
        return None
    try:
        value = _DECODERS[link.envelope.kind](link.line)
    except msgspec.DecodeError:
        # Not of the kind's form: it is skipped like any such entry, and `waggle verify` shows it.
        return None
    return value if isinstance(value, Decree) else None


class Standing(Struct, frozen=True):
    """The decree in force on whether a log counts."""

    limit: int
    """The last seq that counts; EVERYTHING where the log is trusted."""
    made: int
    operator: str
    reason: str


class Decrees(Struct, frozen=True):
    """The decrees of a space's operators that are known here."""

    standings: dict[str, Standing]
    """By replica: the latest trust or distrust. Of two at one time the more cautious one counts."""
    admitted: dict[str, tuple[str, ...]]
    """By replica: the entries whose chains count, those decreed last first."""

    @property
    def distrusted(self) -> frozenset[str]:
        """Replicas of whose logs nothing counts, by decree."""
        return frozenset(replica for replica, one in self.standings.items() if one.limit == 0)


def note(
    db: sqlite3.Connection, space: str, operators: frozenset[str], links: Sequence[Link]
) -> bool:
    """Keep the decrees among these entries that count; tell whether one was not known yet."""
    new = 0
    for link in links:
        decree = read(link)
        if decree is not None and flaw(space, decree, operators) is None:
            row = (decree.KIND, decree.replica, decree.detail, decree.made, decree.operator,
                   decree.reason)  # fmt: skip
            new += db.execute("INSERT OR IGNORE INTO decree VALUES(?,?,?,?,?,?)", row).rowcount
    return bool(new)


def load(db: sqlite3.Connection) -> Decrees:
    """Give what is decreed, out of a view's table."""
    return settle(db.execute("SELECT kind, replica, detail, made, operator, reason FROM decree"))


def settle(rows: Iterable[tuple[str, str, str, int, str, str]]) -> Decrees:
    """Give what a set of decrees comes to, in whatever order they stand."""
    standings: dict[str, Standing] = {}
    admits: dict[str, list[tuple[int, str]]] = {}
    for kind, replica, detail, made, operator, reason in rows:
        if kind == Admit.KIND:
            admits.setdefault(replica, []).append((made, detail))
            continue
        limit = int(detail) if kind == Distrust.KIND else EVERYTHING
        one, other = Standing(limit, made, operator, reason), standings.get(replica)
        if other is None or _rank(one) > _rank(other):
            standings[replica] = one
    latest_first = {
        replica: tuple(dict.fromkeys(entry for _, entry in sorted(found, reverse=True)))
        for replica, found in admits.items()
    }
    return Decrees(standings, latest_first)


def _rank(one: Standing) -> tuple[int, int, str, str]:
    return one.made, -one.limit, one.operator, one.reason


def distrusted(space: Space) -> frozenset[str]:
    """Give the replicas whose logs need not be fetched: nothing of them counts, by decree."""
    return load(space.db).distrusted


def latest(db: sqlite3.Connection, replica: str) -> int:
    """Give when the last decree on a replica was made, in milliseconds; 0 where there is none."""
    row = db.execute("SELECT max(made) FROM decree WHERE replica=?", (replica,)).fetchone()
    return int(row[0] or 0)
