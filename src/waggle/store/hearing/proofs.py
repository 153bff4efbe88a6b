"""Proofs that a log has two histories, kept in the journal: they outlive what was heard.

Git keeps the proof of a fork among frames by itself (discovery.py). What arrived live may show a
fork before any frame does, or one that no frame ever will; such a proof is kept here. It stands on
its own: whoever has it needs no log to check it. A log's running hash covers all lines before, so
a signed head with the lines before it also vouches for the hash where those lines begin.

The table is made when the first proof is kept, so a journal of an older version is as good, and an
older version that opens this one does not miss it.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import extend
from waggle.log.entry import Id, Oid
from waggle.log.said import Seq, SignedHead, check_head

if TYPE_CHECKING:
    from waggle.store.frames.discovery import Log
    from waggle.store.own.journal import Journal

PROOFS_MAX = 1024
"""Logs whose proofs are kept. Whoever makes a key makes a log: they must not fill the disk."""
LINES_BYTES_MAX = 64 * 1024
"""Lines that are kept in one side of a proof."""
COPIED = "copied"
"""The name in the journal's `meta` of the replica that somebody else was heard to write as."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS proof(space TEXT, replica TEXT, seq INTEGER NOT NULL,"
    " proof BLOB NOT NULL, PRIMARY KEY(space, replica)) WITHOUT ROWID"
)


class Side(Struct, frozen=True, kw_only=True, array_like=True):
    """One history of a log: what its running hash is at the proof's seq, and who vouches for it.

    Invariant: either `head` is there, or `frame` is.
    """

    id: Id
    head: SignedHead | None = None
    lines: tuple[bytes, ...] | None = ()
    """The lines after the proof's seq up to the head's; None where they were too many to keep."""
    frame: Oid | None = None
    """The frame that holds the entry, where git has it."""


class Proof(Struct, frozen=True, kw_only=True, array_like=True):
    """What a log's writer signed and cannot have written honestly: two histories of one log.

    Invariant: the ids of the sides differ.
    """

    seq: Seq
    sides: tuple[Side, Side]


def check(log: Log, proof: Proof) -> None:
    """Raise ValueError unless the signed sides of a proof vouch for what it says.

    A side that git has was verified when its log's tip moved; it is not read again here.
    """
    if proof.sides[0].id == proof.sides[1].id:
        raise ValueError("its sides say the same")
    for side in proof.sides:
        if side.head is None:
            continue
        check_head(side.head)
        if (side.head.space, side.head.replica) != log:
            raise ValueError("it is about another log")
        if side.lines is None:
            continue
        last = side.id
        for line in side.lines:
            last = extend(last, line)
        if (proof.seq + len(side.lines), last) != (side.head.seq, side.head.hash):
            raise ValueError("its lines do not lead to the signed head")


def keep(journal: Journal, log: Log, proof: Proof) -> bool:
    """Keep the proof durably unless there is one already; tell whether one is there now.

    Proofs about logs that git has crowd out those about strangers' logs, which anybody can make
    any number of. Raises what `Journal.transaction` does.
    """
    one, other = map(_short, proof.sides)
    data = msgspec.msgpack.encode(Proof(seq=proof.seq, sides=(one, other)))
    with journal.transaction() as db:
        db.execute(_SCHEMA)
        if db.execute("SELECT 1 FROM proof WHERE space=? AND replica=?", log).fetchone():
            return True
        (count,) = db.execute("SELECT count(*) FROM proof").fetchone()
        if count >= PROOFS_MAX and not _forget_a_stranger(db):
            return False
        db.execute("INSERT INTO proof VALUES(?,?,?,?)", (*log, proof.seq, data))
    return True


def _short(side: Side) -> Side:
    if side.lines is not None and sum(map(len, side.lines)) > LINES_BYTES_MAX:
        return msgspec.structs.replace(side, lines=None)
    return side


def _forget_a_stranger(db: sqlite3.Connection) -> bool:
    gone = db.execute(
        "DELETE FROM proof WHERE (space, replica) IN (SELECT space, replica FROM proof"
        " WHERE NOT EXISTS (SELECT 1 FROM tip WHERE tip.space=proof.space"
        " AND tip.replica=proof.replica) LIMIT 1)"
    )
    return gone.rowcount > 0


def proved(journal: Journal, space: str) -> dict[str, int]:
    """Give the logs of a space that have a proof, by replica, with the seq where they differ."""
    return dict(_rows(journal, "SELECT replica, seq FROM proof WHERE space=?", (space,)))


def load(journal: Journal, log: Log) -> Proof | None:
    """Give the proof about a log, None where there is none; raise `damaged`."""
    rows = _rows(journal, "SELECT proof FROM proof WHERE space=? AND replica=?", log)
    if not rows:
        return None
    try:
        return msgspec.msgpack.decode(rows[0][0], type=Proof)
    except msgspec.DecodeError as error:
        raise WaggleError(
            "damaged",
            f"the proof that the log of {log[1][:12]} has two histories cannot be read: {error}",
            "Run `waggle doctor`; what was admitted stays as it is.",
        ) from error


def _rows(journal: Journal, query: str, values: tuple[str, ...]) -> list[tuple]:  # type: ignore[type-arg]
    """Give the rows of a query, none where the table was never needed."""
    table = "SELECT 1 FROM sqlite_master WHERE name='proof'"
    if journal.db.execute(table).fetchone() is None:
        return []
    return journal.db.execute(query, values).fetchall()


def note_copy(journal: Journal) -> None:
    """Note durably that another store writes under this one's key; raise as `keep` does.

    It holds for this replica alone, so it is over once a new one is minted.
    """
    with journal.transaction() as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", (COPIED, journal.replica))


def copied(journal: Journal) -> bool:
    """Tell whether it is noted that another store writes under this one's key."""
    row = journal.db.execute("SELECT value FROM meta WHERE name=?", (COPIED,)).fetchone()
    return row is not None and row[0] == journal.replica
