"""Bringing the view to what is here: the journal, and the logs that were verified.

view = fold(version, admitted). Usually the new entries are folded on top. When the past itself
changed - a fork was proved, or it turned out that entries were appended again under a new replica
(`was`) - everything is folded again; that is rare, and it keeps every fold simple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from waggle.base.errors import WaggleError
from waggle.log import chain
from waggle.log.chain import Head, Link, Refusal
from waggle.log.entry import Entry, follow, registry
from waggle.store.journal import Journal
from waggle.store.logs import Logs, shared_prefix
from waggle.store.view import View

if TYPE_CHECKING:
    from waggle.store.objects import Objects

FOLD_ENTRIES = 4096
"""Entries handed to the folds at once."""

Ends = Sequence[tuple[str | None, int]]
"""The known ends of one log: (newest frame or None for the journal alone, last seq)."""


class PastChangedError(Exception):
    """What was folded is no longer what should have been: everything is folded again."""


class Folding:
    """Folds one space's logs into its view."""

    def __init__(
        self,
        space: str,
        journal: Journal,
        view: View,
        objects: Callable[[], Objects],
        now_ms: Callable[[], int],
    ) -> None:
        self.name = space
        self.journal = journal
        self.view = view
        self._objects = objects
        self._now_ms = now_ms
        self.forked = False
        """Whether a log had two histories when the view was last brought up to date."""
        self._done: tuple[int, ...] = ()
        """The state of both files when nothing was left to fold; empty while something may be."""
        self.decoders = registry(kind for fold in view.folds for kind in fold.kinds)

    def ends(self) -> dict[str, Ends]:
        """Give the ends of every log that is here, by replica; more than one end is a fork."""
        self.journal.refresh()  # another process may have minted a new replica
        ends: dict[str, list[tuple[str | None, int]]] = {}
        for replica, oid, seq in self.journal.db.execute(
            "SELECT replica, oid, seq FROM tip WHERE space=?", (self.name,)
        ):
            ends.setdefault(replica, []).append((oid, seq))
        seq = self.journal.head(self.name)[0]
        if seq:
            own = ends.setdefault(self.journal.replica, [])
            if len(own) < 2:
                ends[self.journal.replica] = [(own[0][0] if own else None, seq)]
        return dict(ends)

    def catch_up(self) -> None:
        """Fold what is here and admissible but not folded yet."""
        state = self._state()
        if state == self._done:
            return
        if self._behind():
            with self.view.transaction():
                self._fold_new()
            # What is appended, or done to the view, from before it was looked at is news.
            state = (*state[:2], *self._state()[2:])
            if self._behind():
                return  # an entry from the future, or a fork: time or news may admit more
        self._done = state

    def _state(self) -> tuple[int, ...]:
        """Give what changes whenever anybody writes to the journal or to the view.

        SQLite's data_version moves when another connection commits, total_changes with our own.
        """
        journal, view = self.journal.db, self.view.db
        (theirs,) = journal.execute("PRAGMA data_version").fetchone()
        (others,) = view.execute("PRAGMA data_version").fetchone()
        return theirs, journal.total_changes, others, view.total_changes

    def _behind(self) -> bool:
        """Tell whether the view may lack something that is here."""
        admitted, logs = self.view.admitted(), self.ends()
        self.forked = any(len(ends) > 1 for ends in logs.values())
        return (
            self.forked
            or not self.view.current()
            or any(
                replica not in admitted or admitted[replica].seq != ends[0][1]
                for replica, ends in logs.items()
            )
        )

    def rebuild(self) -> int:
        """Fold everything again from logs and journal; give how many entries were admitted."""
        self._done = ()
        with self.view.transaction():
            self.view.clear()
            self._fold_new()
        return sum(head.seq for head in self.view.admitted().values())

    def _fold_new(self) -> None:
        """Fold what is not folded yet, or all of it again where the past changed."""
        moved: dict[str, str] = {}
        while True:
            try:
                self._fold(moved)
            except PastChangedError:
                # Once, as a rule; again if more came to light while everything was read.
                moved = self._aliases()
                self.view.clear()
                self.view.db.executemany("INSERT INTO moved VALUES(?,?)", moved.items())
            else:
                return

    def _aliases(self) -> dict[str, str]:
        """Give new id to first id for all that was appended again under a new replica."""
        return {
            link.id: link.envelope.was
            for replica in self.ends()
            for links in self._links(replica, chain.start(self.name, replica))
            for link in links
            if link.envelope.was is not None
        }

    def _fold(self, moved: Mapping[str, str]) -> None:
        known = dict(moved) or dict(self.view.db.execute("SELECT id, was FROM moved").fetchall())
        firsts = set(known.values())
        stand_ins = self._stand_ins(moved)
        admitted = self.view.admitted()
        for replica, ends in self.ends().items():
            head = admitted.get(replica, chain.start(self.name, replica))
            if len(ends) > 1 and head.seq > len(self._shared(replica, ends)):
                raise PastChangedError(replica)
            for links in self._links(replica, head):
                self.view.fold(self._entries(replica, links, known, firsts, stand_ins))
                self.view.admit(replica, _end(links))

    def _stand_ins(self, moved: Mapping[str, str]) -> dict[str, str]:
        """Give, for each first id, the id of the one entry that counts as it.

        It is the first itself where it is here. Otherwise one of its copies: a store may have
        been copied more than once, and each copy has appended it again.
        """
        stand_ins: dict[str, str] = {}
        for copy, first in moved.items():
            stand_ins[first] = min(copy, stand_ins.get(first, copy))
        if stand_ins:
            for replica in self.ends():
                for links in self._links(replica, chain.start(self.name, replica)):
                    stand_ins.update((link.id, link.id) for link in links if link.id in stand_ins)
        return stand_ins

    def _entries(
        self,
        replica: str,
        links: Sequence[Link],
        known: Mapping[str, str],
        firsts: set[str],
        stand_ins: Mapping[str, str],
    ) -> list[Entry]:
        entries: list[Entry] = []
        skipped: list[tuple[str, int, str, str]] = []
        for link in links:
            outer = link.envelope
            if outer.was is not None:
                if outer.was not in stand_ins:
                    raise PastChangedError(link.id)
                if stand_ins[outer.was] != link.id:
                    continue
            elif link.id in firsts and link.id not in stand_ins:
                raise PastChangedError(link.id)
            decode = self.decoders.get(outer.kind)
            if decode is None:
                skipped.append((replica, link.seq, outer.kind, ""))
                continue
            try:
                value = decode(link.line)
            except msgspec.DecodeError as error:
                skipped.append((replica, link.seq, outer.kind, str(error)))
                continue
            entries.append(
                Entry(
                    id=outer.was or link.id,
                    replica=replica,
                    seq=link.seq,
                    at=outer.at,
                    by=outer.by,
                    body=follow(value, known) if known else value,
                )
            )
        self.view.db.executemany("INSERT OR IGNORE INTO skipped VALUES(?,?,?,?)", skipped)
        return entries

    def _shared(self, replica: str, ends: Ends) -> list[Link]:
        logs = Logs(self._objects())
        return shared_prefix(logs, self.name, replica, [oid for oid, _ in ends if oid is not None])

    def _links(self, replica: str, after: Head) -> Iterator[list[Link]]:
        """Give the admissible links after `after`, verified, in batches."""
        wall_ms = self._now_ms()
        ends = self.ends()[replica]
        if len(ends) > 1:
            sources: Iterable[list[Link]] = [self._shared(replica, ends)[after.seq :]]
        else:
            sources = self._stored(replica, ends[0][0], after)
        for links in sources:
            count = chain.ripe(links, wall_ms)
            if count:
                yield links[:count]
            if count < len(links):
                return

    def _stored(self, replica: str, oid: str | None, after: Head) -> Iterator[list[Link]]:
        """Give what is stored after `after`: from the journal, and from frames what left it.

        Another process may seal and trim meanwhile: then the gap is read from the new frames.
        """
        own, head = replica == self.journal.replica, after
        while True:
            rows = self.journal.read(self.name, head.seq, FOLD_ENTRIES) if own else []
            if rows and rows[0][0] == head.seq + 1:
                links, refusal = chain.follow(head, [row[2] for row in rows])
                if refusal is not None or links[-1].id != rows[-1][1]:
                    raise _damaged(replica, refusal or Refusal(rows[-1][0], "its hash differs"))
                yield links
                head = _end(links)
                continue
            tip, sealed = self._tip(replica) if own else (oid, head.seq + 1)
            if tip is None or sealed <= head.seq:
                if rows:
                    raise _damaged(replica, Refusal(head.seq + 1, "the journal lacks it"))
                return
            for part in Logs(self._objects()).read(tip, self.name, replica, head):
                if isinstance(part, Refusal):
                    if after.seq and head == after:
                        # What was folded is in no frame: this store went back in time.
                        raise PastChangedError(replica)
                    raise _damaged(replica, part)
                yield part
                head = _end(part)
            if not own:
                return

    def _tip(self, replica: str) -> tuple[str | None, int]:
        """Give the newest frame of the own log as it is now, and its last seq."""
        row: tuple[str, int] | None = self.journal.db.execute(
            "SELECT oid, seq FROM tip WHERE space=? AND replica=? ORDER BY seq DESC LIMIT 1",
            (self.name, replica),
        ).fetchone()
        return row or (None, 0)

    def entries(self, replica: str) -> Iterator[Link]:
        """Give a log's admissible entries from the first, verified."""
        for links in self._links(replica, chain.start(self.name, replica)):
            yield from links

    def newest(self, replica: str, count: int) -> list[Link]:
        """Give a log's last `count` admissible entries, reading no more frames than they need."""
        ends = self.ends()[replica]
        after = chain.start(self.name, replica)
        oid, last = ends[0]
        if len(ends) == 1 and oid is not None:
            for _, statement in Logs(self._objects()).back(oid):
                if statement.last <= last - count:
                    # What follows is verified against the hash that this frame states.
                    after = Head(statement.last, statement.hash, 0)
                    break
        links = [link for part in self._links(replica, after) for link in part]
        return links[-count:]


def _end(links: Sequence[Link]) -> Head:
    last = links[-1]
    return Head(last.seq, last.id, last.envelope.at)


def _damaged(replica: str, refusal: Refusal) -> WaggleError:
    return WaggleError(
        "damaged",
        f"log {replica[:12]} at seq {refusal.seq}: {refusal.reason}",
        "Run `waggle verify` and `waggle doctor`; nothing was changed.",
    )
