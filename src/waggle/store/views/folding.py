"""Bringing the view to what is here: the journal, and the logs that were verified.

view = fold(version, admitted). Usually the new entries are folded on top. When the past itself
changed - a fork was proved, a log was distrusted, or it turned out that entries were appended again
under a new replica (`was`) - everything is folded again; that is rare, and it keeps every fold
simple. Every entry is looked through for decrees, too, whether it counts or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from waggle.base.clock import from_the_future
from waggle.base.errors import WaggleError
from waggle.log.chain import Head, Link
from waggle.log.entry import Entry, follow, registry
from waggle.store.views import decrees, scanning
from waggle.store.views.admission import Bounds, count, settle_fork
from waggle.store.views.counted import Counted
from waggle.store.views.reading import Ends, PastChangedError, Reading, end_of
from waggle.store.views.scanning import Scan
from waggle.store.views.view import View

FOLDS_MAX = 64
"""How often everything is folded again in a row; each time something else has come to light."""


class _Copies(Struct, frozen=True):
    """What was appended again under a new replica."""

    known: Mapping[str, str]
    """Id to first id."""
    firsts: frozenset[str]
    stand_ins: Mapping[str, str]
    """First id to the id of the one entry that counts as it; empty where nothing is to be new."""


class _Look(Struct, frozen=True):
    """One log at the start of a look through it."""

    replica: str
    ends: Ends
    bounds: Bounds
    admitted: Head
    seen: Scan | None
    wall_ms: int

    @property
    def waits(self) -> bool:
        """Whether the first entry that is not admitted yet was seen, and is from the future."""
        seen = self.seen
        return (
            seen is not None
            and from_the_future(seen.wakes, self.wall_ms)
            and not self.bounds.admits
        )


class Folding:
    """Folds one space's logs into its view."""

    def __init__(self, reading: Reading, view: View, now_ms: Callable[[], int]) -> None:
        self.reading = reading
        self.journal = reading.journal
        self.view = view
        self._now_ms = now_ms
        self.forked = False
        """Whether a log had histories at odds when the view was last brought up to date."""
        self._waiting = False
        """Whether an entry was from the future then."""
        self._done: tuple[int, ...] = ()
        """The state of all files when nothing was left to fold; empty while something may be."""
        kinds = (kind for fold in view.folds for kind in fold.kinds)
        self.decoders = registry([*decrees.KINDS, *kinds])
        self.counted = Counted(reading, view, now_ms, self.decoders)
        """What counts of each log as of the last time this was brought up to date."""

    def ends(self) -> dict[str, Ends]:
        """Give the ends of every log that is here, by replica; more than one end is a fork."""
        return self.reading.ends()

    def catch_up(self) -> None:
        """Fold what is here and admissible but not folded yet."""
        arrived, view = self._arrived(), self.view.state()
        if (*arrived, *view) == self._done:
            return
        if self._behind():
            with self.view.transaction():
                self._fold_new()
                self._judge(scanning.load(self.view.db))
                others, _ = self.view.state()
            # What others do to the view from here on is news; what this has done to it is not.
            view = others, self.view.db.total_changes
        # Time alone may admit more of what waits.
        self._done = () if self._waiting else (*arrived, *view)

    def _arrived(self) -> tuple[int, ...]:
        """Give what changes whenever anybody writes to the journal, or to what is heard.

        SQLite's data_version moves when another connection commits, total_changes with our own.
        """
        journal = self.journal.db
        (theirs,) = journal.execute("PRAGMA data_version").fetchone()
        return theirs, journal.total_changes, *self.reading.heard.state()

    def _behind(self) -> bool:
        """Tell whether the view may lack something that is here."""
        if not self.view.current():
            return True
        scans, known = scanning.load(self.view.db), decrees.load(self.view.db)
        self._judge(scans)
        wall_ms, logs = self._now_ms(), self.ends()
        return not scans.keys() <= logs.keys() or any(
            replica not in scans
            or not scans[replica].holds(ends, self.counted.bounds(known, replica), wall_ms)
            for replica, ends in logs.items()
        )

    def _judge(self, scans: Mapping[str, Scan]) -> None:
        self.forked = any(scan.forked for scan in scans.values())
        self._waiting = any(scan.wakes for scan in scans.values())

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
        for _ in range(FOLDS_MAX):
            try:
                if not self._fold(moved):
                    return
                # A decree came to light: what it lets in is folded as any news is.
                moved = {}
            except PastChangedError:
                # Once, as a rule; again if more came to light while everything was read.
                self.view.clear()
                self._scan()
                moved = self._aliases()
                self.view.db.executemany("INSERT INTO moved VALUES(?,?)", moved.items())
        raise WaggleError(
            "internal",
            f"the logs do not come to rest: folded {FOLDS_MAX} times, and the past changed again",
            "Run `waggle verify`, then `waggle rebuild`; no entry is lost. Please report it.",
        )

    def _scan(self) -> None:
        """Look through all logs for decrees alone, before anything is folded."""
        for replica, ends in self.ends().items():
            if len(ends) > 1:
                batches: Iterable[list[Link]] = self.reading.histories(replica)
            else:
                batches = self.reading.stored(replica, ends[0][0], self.reading.start(replica))
            for links in batches:
                scanning.note(self.view.tables, replica, links)

    def _aliases(self) -> dict[str, str]:
        """Give new id to first id for all that was appended again under a new replica."""
        return {
            link.id: link.envelope.was
            for replica in self.ends()
            for link in self.counted.every(replica)
            if link.envelope.was is not None
        }

    def _fold(self, moved: Mapping[str, str]) -> bool:
        """Look through all logs once and fold what counts; tell whether a decree is new."""
        db = self.view.db
        moves = dict(moved) or dict(db.execute("SELECT id, was FROM moved").fetchall())
        copies = _Copies(moves, frozenset(moves.values()), self._stand_ins(moved))
        known, scans, admitted = decrees.load(db), scanning.load(db), self.view.admitted()
        wall_ms, logs = self._now_ms(), self.ends()
        news = False
        for replica in scans.keys() - logs.keys():
            raise PastChangedError(replica)  # what was heard of it is gone again
        for replica, ends in logs.items():
            limits, seen = self.counted.bounds(known, replica), scans.get(replica)
            head = admitted.get(replica, self.reading.start(replica))
            if head.seq > limits.limit:
                raise PastChangedError(replica)
            if seen is not None and seen.holds(ends, limits, wall_ms):
                continue
            if not self.reading.holds(replica, ends, head):
                raise PastChangedError(replica)
            if seen and seen.head != head and not self.reading.holds(replica, ends, seen.head):
                seen = None
            look = _Look(replica, ends, limits, head, seen, wall_ms)
            fold = self._fold_one if len(ends) == 1 else self._fold_forked
            news = fold(look, copies) or news
        return news

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
                here = (link.id for link in self.counted.every(replica) if link.id in stand_ins)
                stand_ins.update((entry, entry) for entry in here)
        return stand_ins

    def _entries(self, replica: str, links: Sequence[Link], copies: _Copies) -> list[Entry]:
        entries: list[Entry] = []
        skipped: list[tuple[str, int, str, str]] = []
        for link in links:
            outer = link.envelope
            if outer.was is not None:
                if outer.was not in copies.stand_ins:
                    raise PastChangedError(link.id)
                if copies.stand_ins[outer.was] != link.id:
                    continue
            elif link.id in copies.firsts and link.id not in copies.stand_ins:
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
                    body=follow(value, copies.known) if copies.known else value,
                )
            )
        self.view.db.executemany("INSERT OR IGNORE INTO skipped VALUES(?,?,?,?)", skipped)
        return entries

    def _fold_one(self, look: _Look, copies: _Copies) -> bool:
        """Look through a log with one end, and fold what counts; tell whether a decree is new.

        What was seen and cannot count yet is not read again.
        """
        replica, limit = look.replica, look.bounds.limit
        seen = look.seen.head if look.seen else self.reading.start(replica)
        closed = look.waits or look.admitted.seq >= limit
        wakes = look.seen.wakes if look.seen and look.waits else 0
        news = False
        after = seen if closed else look.admitted
        for links in self.counted.batches(replica, look.ends, look.bounds, after):
            fresh = links[max(0, seen.seq + 1 - links[0].seq) :]
            if fresh:
                news = scanning.note(self.view.tables, replica, fresh) or news
                seen = end_of(fresh)
            if closed:
                continue
            n = count(links, look.bounds, look.wall_ms)
            self._take(replica, links[:n], copies)
            closed = n < len(links)
            if closed and links[n].seq <= limit:
                wakes = links[n].envelope.at
        self._keep(look, seen, wakes)
        return news

    def _fold_forked(self, look: _Look, copies: _Copies) -> bool:
        """Look through all histories of a log, and fold what counts of them; tell as above."""
        head, limit = look.admitted, look.bounds.limit
        histories = self.reading.histories(look.replica)
        known = [scanning.note(self.view.tables, look.replica, links) for links in histories]
        links, forked = settle_fork(histories, look.bounds.admits)
        if head.seq and [link.id for link in links[head.seq - 1 : head.seq]] != [head.id]:
            raise PastChangedError(look.replica)
        rest = links[head.seq :]
        n = count(rest, look.bounds, look.wall_ms)
        self._take(look.replica, rest[:n], copies)
        waits = n < len(rest) and rest[n].seq <= limit
        self._keep(
            look,
            end_of(max(histories, key=len)),
            rest[n].envelope.at if waits else 0,
            forked=forked,
        )
        return any(known)

    def _take(self, replica: str, links: Sequence[Link], copies: _Copies) -> None:
        if links:
            self.view.fold(self._entries(replica, links, copies))
            self.view.admit(replica, end_of(links))

    def _keep(self, look: _Look, head: Head, wakes: int, *, forked: bool = False) -> None:
        ends, limits = scanning.text(look.ends), look.bounds
        scan = Scan(head=head, ends=ends, bounds=limits, wakes=wakes, forked=forked)
        scanning.keep(self.view.db, look.replica, scan)
