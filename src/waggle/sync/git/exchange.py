"""One sync: fetch what the remotes have, verify it, seal, push what they lack.

Remotes are asked at the same time, so one that is slow or down delays nobody; a push follows as
soon as its own remote has answered. The fetch comes first: if a remote holds entries of ours that
this store never wrote, the store is a copy, and takes a new identity before it seals anything.
Each replica pushes its own ref, so no other writer can be in the way; a log that a remote lacks is
carried there byte for byte, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from waggle.store.frames.discovery import Finding, frame_end
from waggle.store.frames.logs import Logs
from waggle.store.frames.sealing import Sealed, ref_name
from waggle.store.repo.leftovers import clear_locks
from waggle.sync.git import last
from waggle.sync.git.beats import Carried, Carrier
from waggle.sync.git.receive import Received, mirror, receive
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Fetched, Pushed, Transport
from waggle.sync.git.trouble import Trouble

if TYPE_CHECKING:
    from waggle.store.space import Space

AT_ONCE_MAX = 8
"""Remotes that are talked to at the same time."""
PUSHES_MAX = 3
"""Pushes to one remote in one sync: a first one, one under a new identity, one for the others'."""


class Exchanged(Struct, frozen=True, kw_only=True):
    """What went to and fro between this store and one remote."""

    remote: str
    fetched: bool
    received: Mapping[str, int]
    """New and verified entries, by replica."""
    pushed: tuple[str, ...]
    """Replicas whose logs the remote now has up to where they are verified here."""
    own: int
    """Up to which seq the remote is known to hold this replica's log."""
    findings: tuple[Finding, ...]
    trouble: Trouble | None
    beats: Carried = Carried()
    """Signs of life, which are no entries."""


class Report(Struct, frozen=True, kw_only=True):
    """What one sync did."""

    space: str
    replica: str
    was: str | None
    """The identity before, where this store turned out to be a copy."""
    sealed: int
    """Entries sealed by this sync."""
    head: int
    """The last seq of this replica's log."""
    remotes: tuple[Exchanged, ...]


_Job = Callable[[], Fetched | Pushed]
"""What a thread does: one run of git."""


class _Talk:
    """One remote in one sync."""

    def __init__(self, remote: Remote, theirs: Mapping[str, str], beats: Carrier) -> None:
        self.remote = remote
        self.beats = beats
        self.theirs = dict(theirs)
        """What the remote has, as far as it showed: name of each log to its newest frame."""
        self.fetched = False
        self.received: dict[str, int] = {}
        self.findings: dict[tuple[str, str], Finding] = {}
        self.off: frozenset[str] = frozenset()
        self.pushed: set[str] = set()
        self.pushes = 0
        self.mended = False
        self.trouble: Trouble | None = None

    def take(self, received: Received) -> None:
        for replica, count in received.entries.items():
            self.received[replica] = self.received.get(replica, 0) + count
        self.findings.update({(one.replica, one.what): one for one in received.findings})
        self.theirs, self.off = dict(received.theirs), received.off


class Exchange:
    """Syncs one space with remotes. Use from the thread of the space."""

    def __init__(
        self,
        space: Space,
        transport: Transport,
        *,
        hidden: frozenset[str] = frozenset(),
        carries: Callable[[Remote, str], bool] = lambda _remote, _replica: True,
        beats_every_ms: int = 0,
    ) -> None:
        """`hidden` replicas' logs are neither fetched nor carried: the operator distrusts them.

        `carries` tells whether this store takes it upon itself to bring another's log to a remote.
        Beats are exchanged with a remote unless they were within the last `beats_every_ms`.
        """
        self.space = space
        self.transport = transport
        self.hidden = hidden
        self.carries = carries
        self.beats_every_ms = beats_every_ms
        self.sealed: list[Sealed] = []
        """Frames that were sealed on the way."""

    def sync(
        self, remotes: Sequence[Remote], tell: Callable[[Exchanged], None] = lambda _one: None
    ) -> Report:
        """Sync once with all remotes; tell of each as soon as it is through.

        A remote's trouble is in its report and stops nobody else. Raises what sealing raises.
        """
        was = self.space.journal.replica
        talks = [
            _Talk(remote, mirror(self.space, remote), self._carrier(remote)) for remote in remotes
        ]
        with ThreadPoolExecutor(max_workers=AT_ONCE_MAX) as pool:
            try:
                self._run(pool, talks, tell)
            except BaseException:
                self.transport.cancel()
                raise
        self.seal()
        replica = self.space.replica
        reports = tuple(map(self._report, talks))
        kinds = {one.remote: one.trouble.kind if one.trouble else None for one in reports}
        last.note(self.space.store_dir, self.space.name, kinds, self.space.outside.now_ms())
        return Report(
            space=self.space.name,
            replica=replica,
            was=was if was != replica else None,
            sealed=sum(one.last - one.first + 1 for one in self.sealed),
            head=self.space.journal.head(self.space.name)[0],
            remotes=reports,
        )

    def _carrier(self, remote: Remote) -> Carrier:
        return Carrier(self.space, remote, self.beats_every_ms)

    def seal(self) -> None:
        """Seal what is journalled; a copy takes its new identity here."""
        self.sealed += self.space.seal()

    def _run(
        self,
        pool: ThreadPoolExecutor,
        talks: Sequence[_Talk],
        tell: Callable[[Exchanged], None],
    ) -> None:
        running = {pool.submit(self._fetch(talk)): talk for talk in talks}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                talk = running.pop(future)
                job = self._after(talk, future.result())
                if job is None:
                    tell(self._report(talk))
                else:
                    running[pool.submit(job)] = talk
            if not running:
                # What came from the last remote may be new to the first.
                late = ((self._push(talk), talk) for talk in talks)
                running = {pool.submit(job): talk for job, talk in late if job is not None}

    def _after(self, talk: _Talk, result: Fetched | Pushed) -> _Job | None:
        """Take what a job brought; give what has to be done next with this remote, if anything."""
        if isinstance(result, Fetched):
            self._fetched(talk, result)
            return self._fetch(talk) if self._mended(talk) else self._push(talk)
        return self._fetch(talk) if self._pushed(talk, result) else None

    def _mended(self, talk: _Talk) -> bool:
        """Tell whether locks that a killed git left are out of the way now; once a sync."""
        if talk.mended or talk.trouble is None or talk.trouble.kind != "busy":
            return False
        tracking = talk.remote.tracking(self.space.name)
        talk.mended = clear_locks(self.space.objects.common_dir, tracking) > 0
        return talk.mended

    def _fetch(self, talk: _Talk) -> _Job:
        beside = talk.beats.specs(self.hidden)
        return partial(self.transport.fetch, talk.remote, self.space.name, self.hidden, beside)

    def _push(self, talk: _Talk) -> _Job | None:
        refs = {**talk.beats.lacking(), **self._lacking(talk)}
        if not refs or talk.trouble or not talk.fetched or talk.pushes >= PUSHES_MAX:
            return None
        talk.pushes += 1
        return partial(self.transport.push, talk.remote, refs)

    def _fetched(self, talk: _Talk, result: Fetched) -> None:
        self.space.outside.reached("fetched")
        talk.trouble = result.trouble
        talk.fetched = result.trouble is None
        # A fetch that failed in the middle may have brought a part, which is as good as any.
        refs = self._refs(talk)
        talk.take(receive(self.space, talk.remote, refs, talk.theirs, result.bad))
        self.space.outside.reached("received")
        self.seal()
        if talk.fetched:
            talk.beats.take(refs)

    def _refs(self, talk: _Talk) -> Mapping[str, str]:
        """Give what this sync has to see of the repository's refs, by one process."""
        name = self.space.name
        return self.space.objects.refs.under(
            talk.remote.tracking(name), talk.beats.tracking, ref_name(name, "")
        )

    def _pushed(self, talk: _Talk, result: Pushed) -> bool:
        """Note what a push did; tell whether the remote has to be fetched again.

        Only this replica's own log can be refused as no fast-forward in earnest: then another
        self has written it. Somebody else's has been carried further by another meanwhile.
        """
        self.space.outside.reached("pushed")
        talk.trouble = result.trouble
        prefix = f"{talk.remote.prefix}/{self.space.name}/"
        tracking = talk.remote.tracking(self.space.name)
        moved: dict[str, str] = {}
        again = False
        for ref, outcome in talk.beats.took(result.refs).items():
            replica = ref.removeprefix(prefix)
            if not isinstance(outcome.trouble, Trouble):
                talk.pushed.add(replica)
                moved[f"{tracking}{replica}"] = outcome.oid
            elif outcome.trouble.kind == "rewound" or (
                # Another process of this store, or a relay, pushes the very same: look again.
                outcome.trouble.kind == "busy" and talk.pushes < PUSHES_MAX
            ):
                again = again or replica == self.space.journal.replica
            elif talk.trouble is None and replica == self.space.journal.replica:
                talk.trouble = outcome.trouble
        self.space.objects.refs.point_all(moved)
        talk.theirs.update({name.removeprefix(tracking): oid for name, oid in moved.items()})
        return again and talk.pushes < PUSHES_MAX

    def _lacking(self, talk: _Talk) -> dict[str, str]:
        """Give what the remote lacks, newest frame to its ref there."""
        prefix = f"{talk.remote.prefix}/{self.space.name}"
        own = self.space.journal.replica
        return {
            f"{prefix}/{replica}": oid
            for replica, oid in self._tips()
            if talk.theirs.get(replica) != oid
            and replica not in talk.off | self.hidden
            and (replica == own or self.carries(talk.remote, replica))
        }

    def _tips(self) -> Iterable[tuple[str, str]]:
        """Give the newest verified frame of each log that has one history."""
        rows: list[tuple[str, str]] = self.space.journal.db.execute(
            "SELECT replica, max(oid) FROM tip WHERE space=? GROUP BY replica HAVING count(*)=1",
            (self.space.name,),
        ).fetchall()
        return rows

    def _report(self, talk: _Talk) -> Exchanged:
        return Exchanged(
            remote=talk.remote.name,
            fetched=talk.fetched,
            received=dict(talk.received),
            pushed=tuple(sorted(talk.pushed)),
            own=self._own(talk),
            findings=tuple(talk.findings.values()),
            trouble=talk.trouble,
            beats=talk.beats.report(),
        )

    def _own(self, talk: _Talk) -> int:
        oid = talk.theirs.get(self.space.journal.replica)
        if oid is None or self.space.journal.replica in talk.off:
            return 0
        return frame_end(Logs(self.space.objects), oid)
