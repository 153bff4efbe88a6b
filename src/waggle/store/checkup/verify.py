"""Verification of whole logs, from their first entries: what is proved, and what is not.

Nothing that was verified before is trusted: every signature, every running hash, every file and
commit that an entry names is looked at again. Nothing is changed, and nothing that is found raises:
whatever is wrong becomes a `Problem`. Entries are streamed, so memory grows with the number of
frames (53 bytes each) and of problems (`report.PROBLEMS_MAX`), not with the number of entries.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from waggle.base.clock import from_the_future
from waggle.base.errors import WaggleError
from waggle.base.ids import is_replica
from waggle.base.limits import CONTENT_BYTES_HARD_MAX
from waggle.log.chain import Head, Link, Refusal, start
from waggle.log.entry import Body
from waggle.log.frame import CONTENT_DIR
from waggle.store.checkup.report import Fork, Report, Tally
from waggle.store.checkup.tail import Tail
from waggle.store.frames.discovery import FORKS
from waggle.store.frames.logs import Logs
from waggle.store.frames.refusals import REFUSED
from waggle.store.frames.sealing import REFS
from waggle.store.hearing import proofs
from waggle.store.repo.git import MissingObjectError, TooLargeError
from waggle.store.space import Space
from waggle.store.views.decrees import Decree, flaw

_CARRIER = "candidate.publish"


class _Carries(Struct, frozen=True):
    """What a candidate names that has to travel in its frame."""

    commit: str | None = None
    files: tuple[str, ...] = ()


_carries = msgspec.json.Decoder(_Carries)


def verify(space: Space) -> Report:
    """Verify every log of a space, own journal included, from its first entry.

    Reads only, and takes no lock: a frame that is cut meanwhile may show as unsealed. Raises
    nothing for what it finds; `environment` where the repository cannot be opened at all.
    """
    return _Verification(space).run()


class _Verification:
    """One run over a space."""

    def __init__(self, space: Space) -> None:
        self.space = space.name
        self.journal = space.journal
        self.objects = space.objects
        self.logs = Logs(space.objects)
        self.decoders = space.folding.decoders
        self.operators = frozenset(space.config.operators)
        self.wall_ms = space.outside.now_ms()
        self.tally = Tally()

    def run(self) -> Report:
        self.journal.refresh()
        try:
            refs, forks = self._refs()
            tips = self._tips()
            own = {self.journal.replica} if self.journal.head(self.space)[0] else set()
            for replica in sorted({*refs, *forks, *tips, *own}):
                ends = [*tips.get(replica, ()), *forks.get(replica, ())]
                self._log(replica, refs.get(replica), ends, tips.get(replica, []))
            self._heard()
            self._refused()
        except (WaggleError, sqlite3.Error) as error:
            # Refs or journal cannot be listed at all: what was verified so far still counts.
            self.tally.add("", 0, str(error))
        tally = self.tally
        return Report(
            space=self.space,
            logs=tally.logs,
            frames=tally.frames,
            entries=tally.entries,
            bytes=tally.bytes,
            unsealed=tally.unsealed,
            unknown=dict(sorted(tally.unknown.items())),
            forks=tuple(tally.forks),
            problems=tuple(tally.problems),
            more=tally.more,
        )

    def _refs(self) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Give the refs of logs by replica, and those that keep the ends of forks."""
        refs: dict[str, str] = {}
        prefix = f"{REFS}/{self.space}/"
        for name, oid in self.objects.refs.under(prefix).items():
            replica = name.removeprefix(prefix)
            if is_replica(replica):
                refs[replica] = oid
            else:
                self.tally.add(replica, 0, f"{name} names no replica", "note")
        forks: dict[str, list[str]] = {}
        prefix = f"{FORKS}/{self.space}/"
        for name, oid in self.objects.refs.under(prefix).items():
            forks.setdefault(name.removeprefix(prefix).partition("/")[0], []).append(oid)
        return refs, forks

    def _tips(self) -> dict[str, list[str]]:
        tips: dict[str, list[str]] = {}
        for replica, oid in self.journal.db.execute(
            "SELECT replica, oid FROM tip WHERE space=? ORDER BY seq DESC, oid", (self.space,)
        ):
            tips.setdefault(replica, []).append(oid)
        return tips

    # --- one log ---------------------------------------------------------------------------

    def _log(self, replica: str, ref: str | None, ends: list[str], tips: list[str]) -> None:
        """Verify one log: its longest known chain in full, the others against it."""
        self.tally.logs += 1
        chains = list(dict.fromkeys([*ends, *([ref] if ref else [])]))
        if tips and ref is None:
            self.tally.add(replica, 0, "its ref is gone; git may drop what only the ref kept")
        elif ref is not None and ref not in tips:
            self._strayed(replica, ref, tips)
        head = start(self.space, replica)
        tail = None
        if replica == self.journal.replica:
            tail = Tail(self.journal, self.space, self.tally)
        future = _First()
        if chains:
            head = self._chain(replica, chains[0], tail, future)
        for link in tail.rest(head) if tail else ():
            self.tally.unsealed += 1
            self._entry(replica, link, future)
        if future.seq:
            reason = f"{future.count} entries from the future; they wait until their time comes"
            self.tally.add(replica, future.seq, reason, "note")
        for other in chains[1:]:
            self._compare(replica, chains[0], other)

    def _strayed(self, replica: str, ref: str, tips: list[str]) -> None:
        """Say how a ref lies to the tip: equal it is not."""
        if not tips:
            reason = "its log was not looked at yet; the next sync or rebuild takes it in"
        elif any(self._is_ancestor(ref, tip) for tip in tips):
            reason = "its ref went back; the tip that was verified is kept"
        else:
            reason = "its ref is not at the tip that was verified"
        self.tally.add(replica, 0, reason, "note")

    def _is_ancestor(self, older: str, newer: str) -> bool:
        status, _ = self.objects.git.call(
            "merge-base", "--is-ancestor", older, newer, ok=(0, 1, 128)
        )
        return status == 0

    def _chain(self, replica: str, oid: str, tail: Tail | None, future: _First) -> Head:
        head = start(self.space, replica)
        for part in self.logs.walk(oid, self.space, replica, head):
            if isinstance(part, Refusal):
                self.tally.add(replica, part.seq, part.reason)
                break
            frame, links = part
            self.tally.frames += 1
            parents = self.logs.parents(frame)
            for link in links:
                self._entry(replica, link, future)
                if tail is not None:
                    tail.passes(link)
                if link.envelope.kind == _CARRIER:
                    self._carried(replica, link, frame, parents)
            head = Head(links[-1].seq, links[-1].id, links[-1].envelope.at)
        return head

    def _entry(self, replica: str, link: Link, future: _First) -> None:
        tally = self.tally
        tally.entries += 1
        tally.bytes += len(link.line)
        if from_the_future(link.envelope.at, self.wall_ms):
            future.add(link.seq)
        kind = link.envelope.kind
        decode = self.decoders.get(kind)
        if decode is None:
            tally.unknown[kind] += 1
        else:
            try:
                value = decode(link.line)
            except msgspec.DecodeError as error:
                tally.add(replica, link.seq, f"skipped, no {kind}: {error}", "note")
            else:
                self._decreed(replica, link.seq, value)
        if msgspec.json.encode(msgspec.json.decode(link.line), order="sorted") != link.line:
            reason = "not canonical JSON (order, spaces, repeated keys); read as its last keys say"
            tally.add(replica, link.seq, reason, "note")

    def _decreed(self, replica: str, seq: int, value: Body) -> None:
        """Say why a decree does not count here."""
        reason = flaw(self.space, value, self.operators) if isinstance(value, Decree) else None
        if reason is not None:
            self.tally.add(replica, seq, f"{value.KIND} does not count: {reason}", "note")

    def _carried(self, replica: str, link: Link, frame: str, parents: list[str]) -> None:
        """Look for the files and the commit that a candidate names."""
        try:
            names = _carries.decode(link.line)
        except msgspec.DecodeError:
            return  # `_entry` has said that this is no candidate
        for path in names.files:
            place = f"{CONTENT_DIR}/{link.seq}/{path}"
            try:
                self.objects.file(frame, place)
            except MissingObjectError:
                self.tally.add(replica, link.seq, f"its file {path!r} is missing")
            except TooLargeError as error:
                self.tally.add(replica, link.seq, f"its file {path!r}: {error}")
        commit = names.commit
        if commit is None:
            return
        if commit not in parents:
            reason = f"its commit {commit[:12]} is no parent of its frame: git may drop it"
            self.tally.add(replica, link.seq, reason)
        try:
            head = self.objects.raw(commit, CONTENT_BYTES_HARD_MAX)
            self.objects.raw(head[5:45].decode("ascii", "replace"), CONTENT_BYTES_HARD_MAX)
        except MissingObjectError:
            self.tally.add(replica, link.seq, f"its commit {commit[:12]} is missing")
        except TooLargeError as error:
            self.tally.add(replica, link.seq, f"its commit {commit[:12]}: {error}")

    def _heard(self) -> None:
        """Show the forks that are proved by what was heard live, and by no frame."""
        shown = {fork.replica for fork in self.tally.forks}
        for replica in sorted(proofs.proved(self.journal, self.space).keys() - shown):
            log = (self.space, replica)
            proof = proofs.load(self.journal, log)
            if proof is None:
                continue
            try:
                proofs.check(log, proof)
            except ValueError as error:
                self.tally.add(replica, proof.seq, f"the kept proof of a fork fails: {error}")
                continue
            one, other = proof.sides
            frames, ids = (one.frame or "", other.frame or ""), (one.id, other.id)
            self.tally.forks.append(Fork(replica=replica, seq=proof.seq, frames=frames, ids=ids))

    def _refused(self) -> None:
        """Say of what was refused and is kept for inspection why it does not verify."""
        prefix = f"{REFUSED}/{self.space}/"
        for name, oid in self.objects.refs.under(prefix).items():
            replica = name.removeprefix(prefix).partition("/")[0]
            for part in self.logs.walk(oid, self.space, replica, start(self.space, replica)):
                if isinstance(part, Refusal):
                    reason = f"refused, and kept under {name}: {part.reason}"
                    self.tally.add(replica, part.seq, reason, "note")

    # --- forks -----------------------------------------------------------------------------

    def _links(self, replica: str, oid: str) -> Iterator[tuple[str, Link]]:
        for part in self.logs.walk(oid, self.space, replica, start(self.space, replica)):
            if isinstance(part, Refusal):
                return
            for link in part[1]:
                yield part[0], link

    def _compare(self, replica: str, one: str, other: str) -> None:
        """Hold another end of a log against its first one: a differing id proves a fork."""
        pairs = zip(self._links(replica, one), self._links(replica, other), strict=False)
        for (frame, link), (their_frame, theirs) in pairs:
            if link.id != theirs.id:
                fork = Fork(
                    replica=replica,
                    seq=link.seq,
                    frames=(frame, their_frame),
                    ids=(link.id, theirs.id),
                )
                self.tally.forks.append(fork)
                return
        for part in self.logs.walk(other, self.space, replica, start(self.space, replica)):
            if isinstance(part, Refusal):
                self.tally.add(replica, part.seq, part.reason)


class _First:
    """Where something happened first, and how often it did."""

    def __init__(self) -> None:
        self.seq = self.count = 0

    def add(self, seq: int) -> None:
        self.seq = self.seq or seq
        self.count += 1
