"""Reading what is here of every log, verified: the journal, and the frames up to the tips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from waggle.base.errors import WaggleError
from waggle.log import chain
from waggle.log.chain import Head, Link, Refusal
from waggle.store.frames.logs import Logs
from waggle.store.hearing.heard import Heard
from waggle.store.own.journal import Journal

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects

READ_ENTRIES = 4096
"""Entries of the journal that are read at once."""

Ends = Sequence[tuple[str | None, int]]
"""The known ends of one log: (newest frame or None for the journal alone, last seq)."""


class PastChangedError(Exception):
    """What was folded is no longer what should have been: everything is folded again."""


class Reading:
    """Reads the logs of one space."""

    def __init__(
        self, space: str, journal: Journal, heard: Heard, objects: Callable[[], Objects]
    ) -> None:
        self.space = space
        self.journal = journal
        self.heard = heard
        self._objects = objects

    def start(self, replica: str) -> Head:
        """Give the head of a log before its first entry."""
        return chain.start(self.space, replica)

    def ends(self) -> dict[str, Ends]:
        """Give the ends of every log that is here, by replica; more than one end is a fork."""
        self.journal.refresh()  # another process may have minted a new replica
        ends: dict[str, list[tuple[str | None, int]]] = {}
        for replica, oid, seq in self.journal.db.execute(
            "SELECT replica, oid, seq FROM tip WHERE space=?", (self.space,)
        ):
            ends.setdefault(replica, []).append((oid, seq))
        seq = self.journal.head(self.space)[0]
        if seq:
            own = ends.setdefault(self.journal.replica, [])
            if len(own) < 2:
                ends[self.journal.replica] = [(own[0][0] if own else None, seq)]
        for replica, head in self.heard.ends().items():
            known = ends.setdefault(replica, [])
            if replica != self.journal.replica and len(known) < 2:
                oid, seq = known[0] if known else (None, 0)
                ends[replica] = [(oid, max(seq, head.seq))]
        return dict(ends)

    def histories(self, replica: str) -> list[list[Link]]:
        """Give each history of a log from its first entry; more than one where it was forked."""
        ends = self.ends().get(replica, ())
        if len(ends) > 1:
            logs = Logs(self._objects())
            oids = [oid for oid, _ in ends if oid is not None]
            return [logs.read_all(oid, self.space, replica).links for oid in oids]
        found = self.stored(replica, ends[0][0], self.start(replica)) if ends else ()
        return [[link for links in found for link in links]]

    def holds(self, replica: str, ends: Ends, head: Head) -> bool:
        """Tell whether an entry that was folded still stands in its log.

        What was only heard may be dropped, and git may bring another history in its place. Entries
        within frames, and own ones, are held against what follows when that is read.
        """
        if not head.seq or len(ends) > 1 or replica == self.journal.replica:
            return True
        tip, sealed = self._tip(replica)
        if head.seq < sealed:
            return True
        if head.seq == sealed:
            return tip is not None and self._id(replica, sealed) == head.id
        heard = self.heard.ends().get(replica)
        if heard is None or heard.seq < head.seq:
            return False
        return heard.id == head.id or bool(self.heard.read(replica, head, 1))

    def _id(self, replica: str, seq: int) -> str | None:
        row: tuple[str] | None = self.journal.db.execute(
            "SELECT id FROM tip WHERE space=? AND replica=? AND seq=?", (self.space, replica, seq)
        ).fetchone()
        return row[0] if row else None

    def stored(self, replica: str, oid: str | None, after: Head) -> Iterator[list[Link]]:
        """Give what follows `after` in a log with one end, in batches.

        Of the own log: from the journal, and from frames what left it. Of others': from the frames
        up to `oid`, then what was heard. Raises `damaged` where the log does not verify,
        PastChangedError where `after` is no longer in it.
        """
        if replica == self.journal.replica:
            yield from self._own(replica, after)
            return
        head = after
        _, sealed = self._tip(replica)
        for links in self._framed(replica, oid, after) if oid and after.seq < sealed else ():
            yield links
            head = end_of(links)
        while links := self.heard.read(replica, head, READ_ENTRIES):
            yield links
            if len(links) < READ_ENTRIES:
                return  # the last of them: no need to look once more
            head = end_of(links)

    def _own(self, replica: str, after: Head) -> Iterator[list[Link]]:
        """Give what follows `after` in the own log.

        Another process may seal and trim meanwhile: then the gap is read from the new frames.
        """
        head = after
        while True:
            rows = self.journal.read(self.space, head.seq, READ_ENTRIES)
            if rows and rows[0][0] == head.seq + 1:
                links, refusal = chain.follow(head, [row[2] for row in rows])
                if refusal is not None or links[-1].id != rows[-1][1]:
                    raise _damaged(replica, refusal or Refusal(rows[-1][0], "its hash differs"))
                yield links
                head = end_of(links)
                continue
            tip, sealed = self._tip(replica)
            if tip is None or sealed <= head.seq:
                if rows:
                    raise _damaged(replica, Refusal(head.seq + 1, "the journal lacks it"))
                return
            for links in self._framed(replica, tip, head, folded=head == after):
                yield links
                head = end_of(links)

    def _framed(
        self, replica: str, oid: str, after: Head, *, folded: bool = True
    ) -> Iterator[list[Link]]:
        """Give what follows `after` in frames; `folded` tells that it was read before."""
        head = after
        for part in Logs(self._objects()).read(oid, self.space, replica, after):
            if isinstance(part, Refusal):
                if folded and after.seq and head == after:
                    # What was folded is in no frame: this store went back in time.
                    raise PastChangedError(replica)
                raise _damaged(replica, part)
            yield part
            head = end_of(part)

    def _tip(self, replica: str) -> tuple[str | None, int]:
        """Give the newest frame of a log as it is now, and its last seq."""
        row: tuple[str, int] | None = self.journal.db.execute(
            "SELECT oid, seq FROM tip WHERE space=? AND replica=? ORDER BY seq DESC LIMIT 1",
            (self.space, replica),
        ).fetchone()
        return row or (None, 0)

    def late_head(self, replica: str, last: int) -> Head:
        """Give the head at the newest end of a frame up to seq `last`, else before everything.

        What follows is verified against the hash that the frame states.
        """
        ends = self.ends().get(replica, ())
        oid = ends[0][0] if len(ends) == 1 else None
        for _, statement in Logs(self._objects()).back(oid) if oid else ():
            if statement.last <= last:
                return Head(statement.last, statement.hash, 0)
        return self.start(replica)


def end_of(links: Sequence[Link]) -> Head:
    """Give the end of a run of links."""
    last = links[-1]
    return Head(last.seq, last.id, last.envelope.at)


def _damaged(replica: str, refusal: Refusal) -> WaggleError:
    return WaggleError(
        "damaged",
        f"log {replica[:12]} at seq {refusal.seq}: {refusal.reason}",
        "Run `waggle verify` and `waggle doctor`; nothing was changed.",
    )
