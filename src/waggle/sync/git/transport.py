"""git's network side: one fetch, one push, by the user's own git program.

Every call ends within a time limit, with all that it started. May be used from several threads at
once. How git is called is in commands.py.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import is_replica
from waggle.store.repo.git import Git
from waggle.sync.git.commands import FETCH, PUSH, read_porcelain, settings, unattended
from waggle.sync.git.remotes import TRACKING, Remote
from waggle.sync.git.running import Job
from waggle.sync.git.trouble import WHOLE, Trouble, classify
from waggle.sync.git.untaken import Bad, Untaken, take_apart

REFS_MAX = 1000
"""Refs that one push moves; the command line has its limits."""


class Fetched(Struct, frozen=True, kw_only=True):
    """What a fetch came to: the mirror is the remote's state, or there is trouble."""

    trouble: Trouble | None
    bad: Mapping[str, Trouble]
    """Logs of the remote that git did not take, while it took the others."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a push did to one ref."""

    oid: str
    """What it was to point at."""
    trouble: Trouble | None
    """Why it does not; None where it does, or did already."""


class Pushed(Struct, frozen=True, kw_only=True):
    """What a push came to: for each ref of the remote, or trouble with all of it."""

    trouble: Trouble | None
    refs: Mapping[str, Outcome]


class Transport:
    """git's network side at one repository; each call has `timeout_s` seconds."""

    def __init__(
        self,
        common_dir: str,
        environ: Mapping[str, str],
        timeout_s: float,
        untaken: Untaken | None = None,
    ) -> None:
        """`untaken`: what git did not take before, where somebody syncs more than once."""
        self._untaken = untaken or Untaken()
        self._git = Git(common_dir, environ=unattended(environ))
        self._timeout_s = timeout_s
        self._jobs: set[Job] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def fetch(
        self,
        remote: Remote,
        space: str,
        hidden: Collection[str] = (),
        beside: Sequence[str] = (),
    ) -> Fetched:
        """Mirror a remote's logs of a space in its tracking refs, but for the `hidden` replicas.

        `beside`: refspecs that are fetched, too, as long as nothing fails.
        Objects are checked by git itself; where one fails, is missing, or a ref cannot be
        written, the logs that it spoils are found and left out, and the rest is fetched; they are
        left alone at the next looks, too (untaken.py).
        """
        prefix, tracking = f"{remote.prefix}/{space}/", remote.tracking(space)
        with self._job() as job:
            known = self._known_bad(job, remote, space)
            if isinstance(known, Trouble):
                return Fetched(trouble=known, bad={})
            left_out = {*hidden, *known}
            without = [f"^{prefix}{replica}" for replica in sorted(left_out)]
            trouble = self._fetch(job, remote, [f"+{prefix}*:{tracking}*", *without, *beside])
            if trouble is None or trouble.kind in WHOLE:
                bad = {name: one.trouble for name, one in known.items()}
                return Fetched(trouble=trouble, bad=bad if trouble is None else {})
            return self._fetch_apart(job, remote, space, left_out, known)

    def _known_bad(self, job: Job, remote: Remote, space: str) -> dict[str, Bad] | Trouble:
        """Give the logs that git did not take before, as far as they are still the same there."""
        if not self._untaken.look(remote.name, space):
            return {}
        shown = self._shown(job, remote, space)
        if isinstance(shown, Trouble):
            return shown
        return self._untaken.still(remote.name, space, shown)

    def _fetch(self, job: Job, remote: Remote, specs: Sequence[str]) -> Trouble | None:
        status, _, said = self._run(job, remote, (*FETCH, "--", remote.where, *specs))
        return None if status == 0 else classify(said, status)

    def _fetch_apart(
        self,
        job: Job,
        remote: Remote,
        space: str,
        left_out: Collection[str],
        known: Mapping[str, Bad],
    ) -> Fetched:
        """Fetch what changed so that what git does not take keeps nothing else out.

        The fetch of all has taken away what the remote has lost: --prune comes first. Only logs
        are fetched: what else was pushed there is no business of ours where it does harm.
        """
        shown = self._shown(job, remote, space)
        if isinstance(shown, Trouble):
            return Fetched(trouble=shown, bad={})
        here = self._tracked(remote, space)
        wanted = [
            name
            for name, oid in sorted(shown.items())
            if is_replica(name) and name not in left_out and here.get(name) != oid
        ]
        prefix, tracking = f"{remote.prefix}/{space}/", remote.tracking(space)

        def fetch(names: Sequence[str]) -> Trouble | None:
            specs = [f"+{prefix}{name}:{tracking}{name}" for name in names]
            return self._fetch(job, remote, specs)

        trouble, found = take_apart(fetch, wanted)
        bad = {**known, **{name: Bad(shown[name], why) for name, why in found.items()}}
        self._untaken.keep(remote.name, space, bad)
        return Fetched(trouble=trouble, bad={name: one.trouble for name, one in bad.items()})

    def _shown(self, job: Job, remote: Remote, space: str) -> dict[str, str] | Trouble:
        """Give what a remote shows of a space: name of each log to its newest frame."""
        listed = self._refs(job, remote, space)
        if isinstance(listed, Trouble):
            return listed
        prefix = f"{remote.prefix}/{space}/"
        return {name.removeprefix(prefix): oid for name, oid in listed.items()}

    def _tracked(self, remote: Remote, space: str) -> dict[str, str]:
        """Give the logs in the mirror: replica to newest frame."""
        tracking = remote.tracking(space)
        known = self._git.text("for-each-ref", "--format=%(objectname) %(refname)", tracking)
        pairs = (row.split(" ", 1) for row in known.split("\n") if row)
        names = ((name.removeprefix(tracking), oid) for oid, name in pairs)
        return {name: oid for name, oid in names if is_replica(name)}

    def refs(self, remote: Remote, space: str) -> dict[str, str] | Trouble:
        """Give a remote's refs of a space, name to object id; names are printable ASCII."""
        with self._job() as job:
            return self._refs(job, remote, space)

    def _refs(self, job: Job, remote: Remote, space: str) -> dict[str, str] | Trouble:
        prefix = f"{remote.prefix}/{space}/"
        status, out, said = self._run(
            job, remote, ("ls-remote", "--refs", "--quiet", "--", remote.where, f"{prefix}*")
        )
        if status != 0:
            return classify(said, status)
        # A ref's name may hold any byte above the controls: only \n ends a row.
        rows = (row.partition(b"\t") for row in out.split(b"\n"))
        names = ((name.decode("ascii", "backslashreplace"), oid) for oid, _, name in rows)
        return {name: oid.decode() for name, oid in names if name.startswith(prefix)}

    def push(self, remote: Remote, refs: Mapping[str, str]) -> Pushed:
        """Point refs of a remote (name to commit) at commits, forward only, each for itself.

        A commit with a plus sign before it replaces what is there.
        Takes REFS_MAX of them; the rest is for the next time.
        """
        wanted = dict(list(refs.items())[:REFS_MAX])
        specs = [f"{oid}:{name}" for name, oid in wanted.items()]
        with self._job() as job:
            status, out, said = self._run(job, remote, (*PUSH, "--", remote.where, *specs))
        outcomes = {
            name: Outcome(oid=wanted[name], trouble=trouble)
            for name, trouble in read_porcelain(out.decode(errors="replace"), said).items()
            if name in wanted
        }
        trouble = classify(said, status) if status != 0 and not outcomes else None
        return Pushed(trouble=trouble, refs=outcomes)

    def drop(self, remote: Remote, name: str) -> Trouble | None:
        """Delete a ref of a remote: a probe's, never a log's."""
        assert not name.startswith(f"{TRACKING}/")  # noqa: S101 - it is the remote's name for it
        with self._job() as job:
            status, out, said = self._run(job, remote, (*PUSH, "--", remote.where, f":{name}"))
        if status == 0:
            return None
        return classify(f"{said}\n{out.decode(errors='replace')}", status)

    def cancel(self) -> None:
        """End every git that runs, and let none start any more."""
        with self._lock:
            self._cancelled = True
            jobs = list(self._jobs)
        for job in jobs:
            job.stop()

    @contextmanager
    def _job(self) -> Iterator[Job]:
        """Give a job with a time limit of its own; raise `interrupted` after `cancel`."""
        job = Job(self._git.git_dir, self._git.environ, self._timeout_s)
        with self._lock:
            if self._cancelled:
                raise WaggleError("interrupted", "the sync was stopped", "Run `waggle sync` again.")
            self._jobs.add(job)
        try:
            with job:
                yield job
        finally:
            with self._lock:
                self._jobs.discard(job)

    def _run(self, job: Job, remote: Remote, args: Sequence[str]) -> tuple[int | None, bytes, str]:
        """Run git; give its exit status (None: out of time), what it printed, what it said."""
        ended = job.run(self._git.command([*settings(remote), *args]))
        return ended.status, ended.out, ended.said
