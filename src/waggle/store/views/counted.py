"""What counts of each log, read again from where it is kept and verified once more.

The view holds what folds made of entries; this gives the entries themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from waggle.log.chain import Head, Link
from waggle.log.entry import Body, Entry
from waggle.store.views import decrees
from waggle.store.views.admission import Bounds, bounds, count, settle_fork
from waggle.store.views.decrees import Decrees
from waggle.store.views.reading import Ends, Reading
from waggle.store.views.view import View


class Counted:
    """Reads what counts of one space's logs, by what the view knows of the operator's word."""

    def __init__(
        self,
        reading: Reading,
        view: View,
        now_ms: Callable[[], int],
        decoders: Mapping[str, Callable[[bytes], Body]],
    ) -> None:
        self._reading = reading
        self._view = view
        self._now_ms = now_ms
        self._decoders = decoders

    def bounds(self, known: Decrees, replica: str) -> Bounds:
        """Give how far a log may count at most."""
        return bounds(self._view.policy, known, replica, self._reading.journal.replica)

    def batches(
        self, replica: str, ends: Ends, limits: Bounds, after: Head
    ) -> Iterable[list[Link]]:
        """Give what follows `after` on the history that counts, as `admission.count` needs it."""
        if len(ends) > 1:
            histories = self._reading.histories(replica)
            rest = settle_fork(histories, limits.admits)[0][after.seq :]
        elif limits.admits:
            found = self._reading.stored(replica, ends[0][0], after)
            rest = [link for links in found for link in links]
        else:
            return self._reading.stored(replica, ends[0][0], after)
        return [rest] if rest else []

    def after(self, replica: str, head: Head) -> Iterator[list[Link]]:
        """Give the links after `head` that count, in batches."""
        ends, wall_ms = self._reading.ends()[replica], self._now_ms()
        limits = self.bounds(decrees.load(self._view.db), replica)
        for links in self.batches(replica, ends, limits, head):
            n = count(links, limits, wall_ms)
            if n:
                yield links[:n]
            if n < len(links):
                return

    def every(self, replica: str) -> Iterator[Link]:
        """Give the links of a log that count, from the first."""
        for links in self.after(replica, self._reading.start(replica)):
            yield from links

    def newest(self, replica: str, many: int) -> list[Link]:
        """Give the last `many` that were admitted, reading no more frames than they need."""
        admitted = self._view.admitted().get(replica)
        if admitted is None:
            return []
        head = self._reading.late_head(replica, admitted.seq - many)
        links = [link for part in self.after(replica, head) for link in part]
        return links[-many:]

    def id_at(self, replica: str, seq: int) -> str | None:
        """Give the id of an entry that counts, reading no more frames than that takes."""
        head = self._reading.late_head(replica, seq)
        if head.seq == seq:
            return head.id
        for links in self.after(replica, head):
            if links[-1].seq >= seq:
                return links[seq - links[0].seq].id
        return None

    def fresh(self, seen: dict[str, Head]) -> list[Entry]:
        """Give the entries that were admitted since `seen`, and move that on: log by log, in order.

        Entries of kinds that are not known here are left out, as folds leave them out.
        """
        found: list[Entry] = []
        for replica, head in self._view.admitted().items():
            known = seen.get(replica, self._reading.start(replica))
            if head.seq > known.seq:
                links = [one for part in self.after(replica, known) for one in part]
                found += self._decoded(replica, links[: head.seq - known.seq])
            seen[replica] = head
        return found

    def _decoded(self, replica: str, links: Sequence[Link]) -> list[Entry]:
        found = []
        for link in links:
            decode = self._decoders.get(link.envelope.kind)
            if decode is None:
                continue
            try:
                body = decode(link.line)
            except msgspec.DecodeError:
                continue  # folds skip it as well; the view's table `skipped` says why
            outer = link.envelope
            entry = outer.was or link.id
            found.append(
                Entry(id=entry, replica=replica, seq=link.seq, at=outer.at, by=outer.by, body=body)
            )
        return found
