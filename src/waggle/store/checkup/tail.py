"""The journal's end of the own log, held against its frames."""

from __future__ import annotations

from collections.abc import Iterator

from waggle.log.chain import Head, Link, follow
from waggle.store.checkup.report import Tally
from waggle.store.own.journal import Journal

_TAIL_ENTRIES = 1024


class Tail:
    """The journal's entries of one log, in order, held against the frames as these are read."""

    def __init__(self, journal: Journal, space: str, tally: Tally) -> None:
        self._journal = journal
        self._space = space
        self._tally = tally
        self._rows = self._read()
        self._next = next(self._rows, None)

    def _read(self) -> Iterator[tuple[int, str, bytes]]:
        after = 0
        while rows := self._journal.read(self._space, after, _TAIL_ENTRIES):
            yield from rows
            after = rows[-1][0]

    def passes(self, link: Link) -> None:
        """Hold an entry of a frame against the journal's, where the journal still has it."""
        if self._next is None or self._next[0] != link.seq:
            return
        if self._next[1] != link.id or self._next[2] != link.line:
            reason = "the journal holds another entry here than the frame"
            self._tally.add(self._journal.replica, link.seq, reason)
        self._next = next(self._rows, None)

    def rest(self, head: Head) -> Iterator[Link]:
        """Give what is in no frame yet, verified."""
        replica = self._journal.replica
        while self._next is not None:
            seq, entry, line = self._next
            links, refusal = follow(head, [line])
            if seq != head.seq + 1:
                reason = f"the journal goes on at {seq}, but the frames end at {head.seq}"
                return self._tally.add(replica, seq, reason)
            if refusal is not None or links[0].id != entry:
                reason = refusal.reason if refusal else "the journal's id is not its running hash"
                return self._tally.add(replica, seq, reason)
            yield links[0]
            head = Head(seq, entry, links[0].envelope.at)
            self._next = next(self._rows, None)
        return None
