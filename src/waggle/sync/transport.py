"""git's network side: one fetch, one push, by the user's own git program.

Credentials, proxies, ssh and hosts work as the user has set them up. Nothing is asked of a
terminal (each git runs in a session without one), no hook of the user's runs, and every git ends
within a time limit, with its children. May be used from several threads at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.store.git import Git
from waggle.sync.remotes import TRACKING, Remote
from waggle.sync.trouble import Trouble, classify

REFS_MAX = 1000
"""Refs that one push moves; the command line has its limits."""
_GRACE_S = 2
"""How long a git that is told to end may take before it is killed."""
_FETCH = (
    "fetch",
    "--quiet",
    "--prune",
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
    """Refs of the remote that git did not take, while it took the others."""


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
    """git's network side at one repository."""

    def __init__(self, common_dir: str, environ: Mapping[str, str], timeout_s: float) -> None:
        self._git = Git(common_dir, environ=environ)
        self._timeout_s = timeout_s
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def fetch(self, remote: Remote, space: str, hidden: Collection[str] = ()) -> Fetched:
        """Mirror a remote's logs of a space in its tracking refs, but for the `hidden` replicas.

        Objects are checked by git itself; where one fails, the refs that need it are found and
        left out, and the rest is fetched.
        """
        spec = f"+{remote.prefix}/{space}/*:{remote.tracking(space)}*"
        without = [f"^{remote.prefix}/{space}/{replica}" for replica in sorted(hidden)]
        trouble = self._fetch(remote, [spec, *without])
        if trouble is None or trouble.kind != "hostile":
            return Fetched(trouble=trouble, bad={})
        return self._fetch_apart(remote, space, hidden)

    def _fetch(self, remote: Remote, specs: Sequence[str]) -> Trouble | None:
        status, _, said = self._run(remote, (*_FETCH, "--", remote.where, *specs))
        return None if status == 0 else classify(said, status)

    def _fetch_apart(self, remote: Remote, space: str, hidden: Collection[str]) -> Fetched:
        listed = self.refs(remote, space)
        if isinstance(listed, Trouble):
            return Fetched(trouble=listed, bad={})
        tracking = remote.tracking(space)
        known = self._git.text("for-each-ref", "--format=%(refname) %(objectname)", tracking)
        have = dict(row.split(" ") for row in known.splitlines())
        prefix = f"{remote.prefix}/{space}/"
        wanted = [
            name.removeprefix(prefix)
            for name, oid in sorted(listed.items())
            if have.get(tracking + name.removeprefix(prefix)) != oid
        ]
        bad: dict[str, Trouble] = {}
        parts = [[name for name in wanted if name not in hidden]]
        while parts:
            names = parts.pop()
            specs = [f"+{prefix}{name}:{tracking}{name}" for name in names]
            trouble = self._fetch(remote, specs) if specs else None
            if trouble is None:
                continue
            if trouble.kind != "hostile":
                return Fetched(trouble=trouble, bad=bad)
            half = len(names) // 2
            if half:
                parts += [names[:half], names[half:]]
            else:
                bad[names[0]] = trouble
        return Fetched(trouble=None, bad=bad)

    def refs(self, remote: Remote, space: str) -> dict[str, str] | Trouble:
        """Give a remote's refs of a space, name to object id."""
        pattern = f"{remote.prefix}/{space}/*"
        status, out, said = self._run(
            remote, ("ls-remote", "--refs", "--quiet", "--", remote.where, pattern)
        )
        if status != 0:
            return classify(said, status)
        pairs = (row.split("\t", 1) for row in out.splitlines())
        return {name: oid for oid, name in pairs}

    def push(self, remote: Remote, refs: Mapping[str, str]) -> Pushed:
        """Point refs of a remote (name to commit) at commits, forward only, each for itself.

        Takes REFS_MAX of them; the rest is for the next time.
        """
        wanted = dict(list(refs.items())[:REFS_MAX])
        specs = [f"{oid}:{name}" for name, oid in wanted.items()]
        status, out, said = self._run(remote, (*_PUSH, "--", remote.where, *specs))
        outcomes = {
            name: Outcome(oid=wanted[name], trouble=trouble)
            for name, trouble in _read_porcelain(out, said).items()
            if name in wanted
        }
        trouble = classify(said, status) if status != 0 and not outcomes else None
        return Pushed(trouble=trouble, refs=outcomes)

    def drop(self, remote: Remote, name: str) -> Trouble | None:
        """Delete a ref of a remote: a probe's, never a log's."""
        assert not name.startswith(f"{TRACKING}/")  # noqa: S101 - it is the remote's name for it
        status, out, said = self._run(
            remote, ("push", "--porcelain", "--no-verify", "--", remote.where, f":{name}")
        )
        return None if status == 0 else classify(out + said, status)

    def cancel(self) -> None:
        """End every git that runs, and let none start any more."""
        with self._lock:
            self._cancelled = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _run(self, remote: Remote, args: Sequence[str]) -> tuple[int | None, str, str]:
        """Run git; give its exit status (None: out of time), what it printed, what it said."""
        process = self._start(remote, args)
        try:
            out, said = process.communicate(timeout=self._timeout_s)
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            _end(process)
            out, said = process.communicate()
            status = None
        finally:
            with self._lock:
                self._running.discard(process)
        return status, out.decode(errors="replace"), said.decode(errors="replace")

    def _start(self, remote: Remote, args: Sequence[str]) -> subprocess.Popen[bytes]:
        settings = ["-c", "fetch.fsckObjects=true"]
        if remote.where == remote.name and "=" not in remote.name:
            settings += ["-c", f"remote.{remote.name}.mirror=false"]
        elif remote.where != remote.name:
            # Not from git's own settings: an address must not be a command.
            settings += ["-c", "protocol.ext.allow=never"]
        with self._lock:
            if self._cancelled:
                raise WaggleError("interrupted", "the sync was stopped", "Run `waggle sync` again.")
            try:
                process = subprocess.Popen(
                    self._git.command([*settings, *args]),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=self._git.environ,
                    cwd=self._git.git_dir,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise WaggleError(
                    "environment",
                    f"cannot run git here: {error}",
                    "Install git 2.36 or newer and put it on PATH.",
                ) from error
            self._running.add(process)
        return process


def _read_porcelain(out: str, said: str) -> dict[str, Trouble | None]:
    """Read `git push --porcelain`: for each ref there, why it was not moved, if it was not."""
    outcomes: dict[str, Trouble | None] = {}
    for row in out.splitlines():
        flag, tab, rest = row.partition("\t")
        if not tab or flag not in {" ", "*", "=", "!", "+"}:
            continue
        names, _, summary = rest.partition("\t")
        refused = classify(f"{summary}\n{said}" if _vague(summary) else summary, 1)
        outcomes[names.partition(":")[2]] = refused if flag == "!" else None
    return outcomes


def _vague(summary: str) -> bool:
    """Tell whether the reason stands elsewhere, in what the host said."""
    return "declined" in summary or "remote rejected" in summary or "failure" in summary


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a git and its children: they are a process group of their own."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return  # all of them have ended
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue  # it does not listen; the next signal is one that nobody can ignore
