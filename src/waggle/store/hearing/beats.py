"""Beats on disk: this replica's, and what was heard of others. No history, and none of it precious.

One small SQLite file a space, `beats/<space>.db`, written by every process that beats and by
whoever hears or syncs. It is not synced to the disk, because what a power cut takes is beaten
again; a damaged file is made anew. Counters survive even that: a replica's next counter is never
below the wall clock's milliseconds, nor below what a remote shows of its own.

    record   a replica's record: its counter and, once it was signed, its bytes
    beat     the beats in it, one row an agent, and when each was heard here
    watch    what the node's failure detector thinks, for other processes to read
    carried  when beats were last exchanged with a git remote
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from waggle.log.beat import Beat, Record, SignedBeats, read
from waggle.store.database import BUSY_MS
from waggle.store.hearing import beat_rows as rows
from waggle.store.hearing.beat_rows import HeardBeat, Watched
from waggle.store.hearing.disposable import Disposable

BEATS_DIR = "beats"
_SIGNED = "SELECT body, key, signature FROM record WHERE replica=? AND signature IS NOT NULL"


class Renewed(Struct, frozen=True, kw_only=True):
    """What a renewal came to."""

    beat: Beat
    back: bool
    """Whether the membership had lapsed before."""


class Adopted(Struct, frozen=True, kw_only=True):
    """What became of a record that came."""

    how: Literal["new", "known", "older", "refused"]
    reason: str = ""
    """Why it was refused."""
    fresh: tuple[Beat, ...] = ()
    """The beats that are new here: arrivals, to a failure detector."""


class Beats:
    """The beats of one space, as this store knows them. Each call opens the file and closes it."""

    def __init__(self, store_dir: str, space: str, wait_ms: int = BUSY_MS) -> None:
        """`wait_ms`: how long a call waits for other processes until it is `busy`."""
        self.space = space
        path = os.path.join(store_dir, BEATS_DIR, f"{space}.db")
        self.file = Disposable(path, rows.SCHEMA, rows.FORMAT, wait_ms)

    # --- this replica's own ----------------------------------------------------------------

    def renew(
        self,
        replica: str,
        name: str,
        now_ms: int,
        *,
        lease: int | None = None,
        note: str | None = None,
        doing: str | None = None,
    ) -> Renewed | None:
        """Beat for an agent of this replica; None, and nothing done, where it has not joined.

        With `lease` (seconds) it joins. A `note` or `doing` of None leaves what was said; an empty
        one takes it back. Raises `environment`, `busy`.
        """

        def work(db: sqlite3.Connection) -> Renewed | None:
            was = rows.beat(db, replica, name)
            if was is None and lease is None:
                return None
            unbroken = was is not None and now_ms <= was.at + was.lease * 1000
            beat = Beat(
                name=name,
                counter=rows.take_counter(db, replica, now_ms, now_ms),
                at=now_ms,
                since=min(was.since, now_ms) if was and unbroken else now_ms,
                lease=lease or (was.lease if was else 0),
                note=(was.note if was else "") if note is None else note,
                doing=(was.doing if was else None) if doing is None else doing or None,
            )
            rows.put(db, HeardBeat(replica=replica, beat=beat, heard=now_ms, live=True))
            rows.bound_own(db, replica)
            return Renewed(beat=beat, back=was is not None and not unbroken)

        return self.file.do(work)

    def drop(self, replica: str, name: str, now_ms: int) -> bool:
        """Take an agent of this replica out: it left. Tell whether it was there."""

        def work(db: sqlite3.Connection) -> bool:
            gone = db.execute("DELETE FROM beat WHERE replica=? AND name=?", (replica, name))
            if gone.rowcount:
                rows.take_counter(db, replica, now_ms, now_ms)
            return gone.rowcount > 0

        return self.file.do(work)

    def unsigned(self, replica: str) -> tuple[int, list[Beat]] | None:
        """Give this replica's record, counter and beats; None where there is none to be signed."""

        def work(db: sqlite3.Connection) -> tuple[int, list[Beat]] | None:
            query = "SELECT counter FROM record WHERE replica=? AND signature IS NULL"
            row = db.execute(query, (replica,)).fetchone()
            if row is None:
                return None
            return row[0], [one.beat for one in rows.beats(db, replica).values()]

        return self.file.look(work, None)

    def keep(self, signed: SignedBeats, counter: int) -> None:
        """Keep this replica's record as it was signed, unless it has changed meanwhile."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE record SET body=?, key=?, signature=? WHERE replica=? AND counter=?",
                (signed.body, signed.key, signed.signature, signed.replica, counter),
            )

        self.file.do(work)

    # --- other replicas' -------------------------------------------------------------------

    def signed(self, replica: str) -> SignedBeats | None:
        """Give a replica's record as it was signed, None where there is none."""

        def work(db: sqlite3.Connection) -> SignedBeats | None:
            row = db.execute(_SIGNED, (replica,)).fetchone()
            if row is None:
                return None
            body, key, signature = row
            return SignedBeats(
                space=self.space, replica=replica, body=body, key=key, signature=signature
            )

        return self.file.look(work, None)

    def adopt(
        self, signed: SignedBeats, now_ms: int, *, live: bool, own: str, stranger: bool = False
    ) -> Adopted:
        """Take a record that came from anywhere, if it verifies and is newer than what is held.

        `own` is this replica: of itself it learns only which counters are taken. A `stranger` is a
        replica without a log here; anybody can make any number of these. Nothing that comes raises;
        `environment` and `busy` are this store's own troubles.
        """
        held = self.signed(signed.replica)
        if held is not None and held.body == signed.body:
            return Adopted(how="known")  # most of what comes by git; its signature was verified
        try:
            record = read(signed, self.space, now_ms)
        except ValueError as error:
            return Adopted(how="refused", reason=str(error))

        def work(db: sqlite3.Connection) -> Adopted:
            query = "SELECT counter, coalesce(body, x'') FROM record WHERE replica=?"
            held = db.execute(query, (signed.replica,)).fetchone() or (0, b"")
            if (record.counter, signed.body) <= held:
                return Adopted(how="known" if signed.body == held[1] else "older")
            if signed.replica == own:
                rows.take_counter(db, own, record.counter + 1, now_ms)
                return Adopted(how="older", reason="this store said more than it knows of")
            fresh = _replace(db, signed.replica, record, now_ms, live=live)
            db.execute(
                "INSERT OR REPLACE INTO record VALUES(?,?,?,?,?,?,?)",
                (signed.replica, record.counter, signed.body, signed.key, signed.signature,
                 now_ms, stranger),
            )  # fmt: skip
            rows.bound_records(db, own)
            return Adopted(how="new", fresh=fresh)

        return self.file.do(work)

    def heard(self) -> list[HeardBeat]:
        """Give the last beat of every agent, own ones too, by replica and name."""
        return self.file.look(rows.every, [])

    # --- carrying them by git -------------------------------------------------------------

    def due(self, place: str, now_ms: int, every_ms: int) -> bool:
        """Tell whether beats were not exchanged with a remote for so long."""

        def work(db: sqlite3.Connection) -> bool:
            row = db.execute("SELECT at FROM carried WHERE place=?", (place,)).fetchone()
            # A time that lies ahead was told by a clock that was set right since.
            return row is None or not row[0] <= now_ms < row[0] + every_ms

        return self.file.look(work, nothing=True)

    def carried(self, place: str, now_ms: int) -> None:
        """Note that beats were exchanged with a remote just now."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO carried VALUES(?,?)", (place, now_ms))

        self.file.do(work)

    # --- what the failure detector thinks ---------------------------------------------------

    def watch(self, watched: Iterable[Watched]) -> None:
        """Write down what the node's failure detector thinks now, of all that it watches."""
        self.file.do(lambda db: rows.watch(db, watched))

    def watched(self) -> list[Watched]:
        """Give what the node's failure detector thought last; it is of use while a node runs."""
        return self.file.look(rows.watched, [])


def _replace(
    db: sqlite3.Connection, replica: str, record: Record, now_ms: int, *, live: bool
) -> tuple[Beat, ...]:
    """Put a record's beats in the place of those before; give the ones that are new here.

    What is not new keeps the time when it came first.
    """
    known = rows.beats(db, replica)
    db.execute("DELETE FROM beat WHERE replica=?", (replica,))
    fresh = []
    for beat in record.beats:
        was = known.get(beat.name)
        new = HeardBeat(replica=replica, beat=beat, heard=now_ms, live=live)
        if was is not None and beat.counter <= was.beat.counter:
            new = replace(new, heard=was.heard, live=was.live)
        else:
            fresh.append(beat)
        rows.put(db, new)
    return tuple(fresh)
