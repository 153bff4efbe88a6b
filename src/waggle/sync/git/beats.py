"""Carrying beats by git: each replica's record is one commit without parents, replaced in place.

    refs/waggle-beats/<space>/<replica>                   here our own; there everybody's
    refs/waggle-remote/<remote>@beats/<space>/<replica>   the mirror of what a remote has

So beats leave no history: whatever was replaced is reached by nothing, and `git gc` takes it away.
A record becomes a git object only at a sync, and only if it is not what the remote has already.
They travel with the logs: in the same fetch, and in the same push.
Nobody carries another's beats. What comes is hostile until it is verified, and only a higher
counter is taken, so a remote that was set back changes nothing here, and gets the newer one again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from waggle.base.errors import WaggleError
from waggle.base.ids import is_replica
from waggle.log.beat import FILE_BYTES_MAX, SignedBeats, decode, from_file, sign_beats, to_file
from waggle.log.frame import commit_bytes, identity
from waggle.store.hearing.beats import Adopted, Beats
from waggle.store.repo.git import FOLDER_BYTES_MAX, MissingObjectError
from waggle.sync.git.receive import below
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Outcome
from waggle.sync.git.trouble import Trouble, trouble

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects
    from waggle.store.space import Space

REFS = "refs/waggle-beats"
BEATS_FILE = "beats.jsonl"
NODE_EVERY_MS = 60_000
"""How often a node exchanges beats with one remote: each time that brings any leaves a pack behind.
Leases that are to be seen by git alone have to be longer."""
WAIT_MS = 5000
"""How long a sync waits for a process that beats just now."""
RECORDS_MAX = 4096
"""Records of one remote that one sync looks at."""
_HEAD = re.compile(rb"tree [0-9a-f]{40}\n(author|parent) ")
"""How a commit starts."""


class Carried(Struct, frozen=True, kw_only=True):
    """What became of beats between this store and one remote, in one sync."""

    fresh: int = 0
    """Beats of agents that were new here."""
    refused: Mapping[str, str] = {}
    """Why records were not believed, by what the remote calls their replica."""
    pushed: bool = False
    """Whether the remote was given this replica's record."""
    trouble: Trouble | None = None
    """Why it did not take the record, or why this store could not tell."""


class Carrier:
    """One remote's part in carrying beats, in one sync. Use from the thread of the space."""

    def __init__(self, space: Space, remote: Remote, every_ms: int = 0) -> None:
        """A remote that took part within the last `every_ms` is left alone."""
        # No remote's own name within the mirrors has an `@`.
        self._place = replace(
            remote, prefix=f"{remote.prefix}-beats", track=f"{remote.track}@beats"
        )
        self.tracking = self._place.tracking(space.name)
        """The prefix of the refs that mirror the remote's records."""
        self._space = space
        self._beats = Beats(space.store_dir, space.name, WAIT_MS)
        self._now_ms = space.outside.now_ms()
        self._track = remote.track
        self._ref = ""
        """The remote's name for it."""
        self._there: str | None = None
        """The commit of this replica's record that the remote has."""
        self._oid: str | None = None
        """The one that it is to have; None until it has been fetched from, or where is none."""
        self._fresh = 0
        self._refused: dict[str, str] = {}
        self._pushed = False
        self._trouble: Trouble | None = None
        self._due = False
        with self._spared():
            self._due = self._beats.due(remote.track, self._now_ms, every_ms)

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """Note a trouble of this store's own with beats: it must not cost the logs their sync."""
        try:
            yield
        except WaggleError as error:
            self._trouble = trouble("busy" if error.code == "busy" else "broken", error.message)

    def specs(self, hidden: Collection[str]) -> list[str]:
        """Give what has to be fetched besides logs, `hidden` replicas' left out."""
        if not self._due:
            return []
        prefix, space = self._place.prefix, self._space.name
        without = [f"^{prefix}/{space}/{replica}" for replica in sorted(hidden)]
        return [f"+{prefix}/{space}/*:{self.tracking}*", *without]

    def take(self, refs: Mapping[str, str]) -> None:
        """Adopt what the mirror holds after a fetch, and make ready what the remote lacks.

        `refs` are this repository's, those of the mirror (`tracking`) among them.
        """
        if self._due:
            with self._spared():
                self._take(refs)

    def _take(self, refs: Mapping[str, str]) -> None:
        theirs = below(self.tracking, refs)
        for name, oid in list(theirs.items())[:RECORDS_MAX]:
            found = self._adopt(name, oid)
            self._fresh += len(found.fresh)
            if found.how == "refused":
                self._refused[name[:80]] = found.reason
        signed = own_record(self._space, self._beats)
        if signed is not None:
            self._ref = f"{self._place.prefix}/{self._space.name}/{signed.replica}"
            self._there, self._oid = theirs.get(signed.replica), _keep(self._space, signed)
        self._beats.carried(self._track, self._now_ms)

    def _adopt(self, name: str, oid: str) -> Adopted:
        """Adopt the record that the remote has under a name."""
        if not is_replica(name):
            return Adopted(how="refused", reason="its name is no replica")
        try:
            signed = from_file(_file(self._space.objects, oid), self._space.name, name)
        except (ValueError, MissingObjectError) as error:
            return Adopted(how="refused", reason=f"it is no record of beats: {error}")
        return adopt(self._space, self._beats, signed, live=False)

    def lacking(self) -> dict[str, str]:
        """Give the ref that the remote lacks, if it does, and what it is to point at.

        The plus sign lets git replace what is there: a record follows nothing.
        """
        if self._oid is None or self._oid == self._there or self._trouble is not None:
            return {}
        return {self._ref: f"+{self._oid}"}

    def took(self, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Note what a push did with the record; give its outcomes for all the other refs."""
        outcome = outcomes.get(self._ref)
        if outcome is not None and self._oid is not None:
            self._trouble, self._pushed = outcome.trouble, outcome.trouble is None
        if self._pushed and self._oid is not None and self._there != self._oid:
            self._there = self._oid
            replica = self._ref.rpartition("/")[2]
            self._space.objects.refs.point_all({f"{self.tracking}{replica}": self._oid})
        return {ref: one for ref, one in outcomes.items() if ref != self._ref}

    def report(self) -> Carried:
        """Give what became of it."""
        return Carried(
            fresh=self._fresh, refused=self._refused, pushed=self._pushed, trouble=self._trouble
        )


def own_record(space: Space, beats: Beats) -> SignedBeats | None:
    """Give this replica's record, signed if it was not; None where no agent of it ever beat."""
    owner = space.owner
    if unsigned := beats.unsigned(owner.replica):
        counter, latest = unsigned
        signed = sign_beats(owner.private_key(), space.name, counter, latest)
        beats.keep(signed, counter)
        return signed
    return beats.signed(owner.replica)


def adopt(space: Space, beats: Beats, signed: SignedBeats, *, live: bool) -> Adopted:
    """Take a record that came from anywhere; see `Beats.adopt`."""
    query = "SELECT 1 FROM tip WHERE space=? AND replica=?"
    known = space.journal.db.execute(query, (space.name, signed.replica)).fetchone()
    return beats.adopt(
        signed,
        space.outside.now_ms(),
        live=live,
        own=space.replica,
        stranger=known is None and signed.replica not in space.heard.ends(),
    )


def _file(objects: Objects, oid: str) -> bytes:
    """Give the file in a commit without parents; raise ValueError, MissingObjectError."""
    found = _HEAD.match(objects.raw(oid, FOLDER_BYTES_MAX))
    if found is None:
        raise ValueError("it is no commit of waggle's")
    if found[1] == b"parent":
        raise ValueError("its commit has a history, which beats must not have")
    return objects.file(oid, BEATS_FILE, FILE_BYTES_MAX)


def _keep(space: Space, signed: SignedBeats) -> str:
    """Give the commit of this replica's record, the same one for the same record, under its ref."""
    objects, name = space.objects, f"{REFS}/{space.name}/{signed.replica}"
    latest = max((beat.at for beat in decode(signed.body).beats), default=0)
    oid = objects.commit(
        commit_bytes(
            tree=objects.tree({BEATS_FILE: to_file(signed)}),
            parents=(),
            who=identity(signed.replica, latest // 1000),
            text="waggle beats\n",
        )
    )
    if objects.refs.get(name) != oid:
        objects.refs.point_all({name: oid})
    return oid
