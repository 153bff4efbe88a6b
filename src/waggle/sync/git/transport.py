"""git's network side: one fetch, one push, by the user's own git program.

Credentials, proxies, ssh and hosts work as the user has set them up. Nobody is asked for anything
(see `_unattended`), no hook of the user's runs, and every call ends within a time limit, with all
that it started. May be used from several threads at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import is_replica
from waggle.store.repo.git import Git
from waggle.sync.git.remotes import TRACKING, Remote
from waggle.sync.git.running import Job
from waggle.sync.git.trouble import WHOLE, Trouble, classify

REFS_MAX = 1000
"""Refs that one push moves; the command line has its limits."""
PART_MAX = 500
"""Refs that one fetch names, for the same reason."""
_SETTINGS = (
    "-c",
    "fetch.fsckObjects=true",
    # git holds larger files in memory piece by piece: 100 MB of zeros are 100 KB on the way.
    "-c",
    "core.bigFileThreshold=16m",
    # A minute of silence from a host is a line that is dead: git and its hosts keep a connection
    # alive every 5 s (uploadpack.keepAlive, receive.keepAlive). It ends a git that waggle, killed
    # meanwhile, could not end.
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=60",
)
_FETCH = (
    "fetch",
    "--quiet",
    "--prune",
    "--no-prune-tags",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-filter",  # a partial clone has to have our files whole
    "--refmap=",  # what the user's settings map stays as it is
)
_PUSH = (
    "push",
    "--porcelain",
    "--no-verify",
    "--no-signed",
    "--no-follow-tags",
    "--recurse-submodules=no",
)


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

    def __init__(self, common_dir: str, environ: Mapping[str, str], timeout_s: float) -> None:
        self._git = Git(common_dir, environ=_unattended(environ))
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
        written, the logs that it spoils are found and left out, and the rest is fetched.
        """
        spec = f"+{remote.prefix}/{space}/*:{remote.tracking(space)}*"
        without = [f"^{remote.prefix}/{space}/{replica}" for replica in sorted(hidden)]
        with self._job() as job:
            trouble = self._fetch(job, remote, [spec, *without, *beside])
            if trouble is None or trouble.kind in WHOLE:
                return Fetched(trouble=trouble, bad={})
            return self._fetch_apart(job, remote, space, hidden)

    def _fetch(self, job: Job, remote: Remote, specs: Sequence[str]) -> Trouble | None:
        status, _, said = self._run(job, remote, (*_FETCH, "--", remote.where, *specs))
        return None if status == 0 else classify(said, status)

    def _fetch_apart(
        self, job: Job, remote: Remote, space: str, hidden: Collection[str]
    ) -> Fetched:
        """Fetch what changed in halves, and halves of those where one fails.

        The fetch of all has taken away what the remote has lost: --prune comes first. Only logs
        are fetched: what else was pushed there is no business of ours where it does harm.
        """
        listed = self._refs(job, remote, space)
        if isinstance(listed, Trouble):
            return Fetched(trouble=listed, bad={})
        prefix = f"{remote.prefix}/{space}/"
        theirs = {name.removeprefix(prefix): oid for name, oid in listed.items()}
        here = self._tracked(remote, space)
        wanted = [
            name
            for name, oid in sorted(theirs.items())
            if is_replica(name) and name not in hidden and here.get(name) != oid
        ]
        return self._fetch_halves(job, remote, space, wanted)

    def _fetch_halves(self, job: Job, remote: Remote, space: str, wanted: Sequence[str]) -> Fetched:
        prefix, tracking = f"{remote.prefix}/{space}/", remote.tracking(space)
        bad: dict[str, Trouble] = {}
        busy: Trouble | None = None
        parts = [wanted[at : at + PART_MAX] for at in range(0, len(wanted), PART_MAX)]
        while parts:
            names = parts.pop()
            specs = [f"+{prefix}{name}:{tracking}{name}" for name in names]
            trouble = self._fetch(job, remote, specs)
            if trouble is None:
                continue
            if trouble.kind in WHOLE:
                return Fetched(trouble=trouble, bad=bad)
            half = len(names) // 2
            if half:
                parts += [names[:half], names[half:]]
            elif trouble.kind == "busy":
                busy = trouble
            elif "find remote ref" not in trouble.text:  # it went away meanwhile
                bad[names[0]] = trouble
        return Fetched(trouble=busy, bad=bad)

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
            status, out, said = self._run(job, remote, (*_PUSH, "--", remote.where, *specs))
        outcomes = {
            name: Outcome(oid=wanted[name], trouble=trouble)
            for name, trouble in _read_porcelain(out.decode(errors="replace"), said).items()
            if name in wanted
        }
        trouble = classify(said, status) if status != 0 and not outcomes else None
        return Pushed(trouble=trouble, refs=outcomes)

    def drop(self, remote: Remote, name: str) -> Trouble | None:
        """Delete a ref of a remote: a probe's, never a log's."""
        assert not name.startswith(f"{TRACKING}/")  # noqa: S101 - it is the remote's name for it
        with self._job() as job:
            status, out, said = self._run(job, remote, (*_PUSH, "--", remote.where, f":{name}"))
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
        ended = job.run(self._git.command([*_SETTINGS, *_of(remote), *args]))
        return ended.status, ended.out, ended.said


def _unattended(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a git that nobody sits at.

    It has no terminal (running.py), so neither git nor ssh can ask there. Without this, both would
    open a dialog where there is a display, once a minute. ssh's own `BatchMode` would do the same,
    but only by replacing the user's `core.sshCommand`. Programs that hand out credentials
    (credential helpers, ssh-agent, GIT_ASKPASS) work on; so does SSH_ASKPASS, where the user's
    SSH_ASKPASS_REQUIRE says that it is such a program.
    """
    quiet = {"GCM_INTERACTIVE": "never", **environ}
    if "SSH_ASKPASS_REQUIRE" not in quiet:
        quiet.pop("SSH_ASKPASS", None)
        quiet["SSH_ASKPASS_REQUIRE"] = "never"
    return quiet


def _of(remote: Remote) -> list[str]:
    """Give the settings for a remote: of one that git's own settings name, or of an address.

    An address comes from elsewhere, so it must not be a command (`ext::sh -c ...`), whatever the
    user allows for the remotes in git's settings.
    """
    named = remote.where == remote.name and not os.path.isabs(remote.where)
    if not named or set(remote.where) & set(":="):
        return ["-c", "protocol.ext.allow=never"]
    return ["-c", f"remote.{remote.name}.mirror=false"]


def _read_porcelain(out: str, said: str) -> dict[str, Trouble | None]:
    """Read `git push --porcelain`: for each ref there, why it was not moved, if it was not."""
    outcomes: dict[str, Trouble | None] = {}
    for row in out.split("\n"):
        flag, tab, rest = row.partition("\t")
        if not tab or flag not in {" ", "*", "=", "!", "+"}:
            continue
        names, _, summary = rest.partition("\t")
        refused = classify(f"{said}\n{summary}" if _vague(summary) else summary, 1)
        outcomes[names.partition(":")[2]] = refused if flag == "!" else None
    return outcomes


def _vague(summary: str) -> bool:
    """Tell whether the reason stands elsewhere, in what the host said."""
    return "declined" in summary or "remote rejected" in summary or "failure" in summary
