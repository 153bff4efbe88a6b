"""A world for tests: repositories of their own, a clock that stands still, seeded randomness."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings

from waggle.agents.folds import FOLDS
from waggle.base.ids import extend, genesis, replica_of
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent, Body
from waggle.log.frame import (
    ENTRIES_FILE,
    Statement,
    commit_bytes,
    identity,
    message,
    signed_bytes,
)
from waggle.log.line import body as encode
from waggle.log.line import line as put_clock
from waggle.log.sshsig import sign
from waggle.store.frames.sealing import ref_name
from waggle.store.outside import Outside
from waggle.store.own.journal import Written
from waggle.store.repo.locate import Repository, find
from waggle.store.repo.objects import Objects
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space

START_MS = 1_767_225_600_000
"""2026-01-01 in UTC: when every test begins."""
ANN = Agent(name="ann")

settings.register_profile("waggle", deadline=None, max_examples=60, print_blob=True)
settings.register_profile("soak", deadline=None, max_examples=3000, print_blob=True)
settings.load_profile(os.environ.get("WAGGLE_TESTS", "waggle"))


@pytest.fixture(autouse=True)
def isolated(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let git see nothing of this machine's and this user's settings."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "SSH_", "GPG_"))]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@waggle.invalid")
        monkeypatch.setenv(f"GIT_{who}_DATE", f"{START_MS // 1000} +0000")


def git(where: str | os.PathLike[str], *args: str, data: bytes = b"") -> str:
    """Run git in a folder and give what it printed, without the last newline."""
    done = subprocess.run(["git", *args], cwd=where, input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"git {args}: {done.stderr.decode()}"
    return done.stdout.decode().rstrip("\n")


class Clock:
    """A wall clock that moves when told to, in milliseconds since 1970."""

    def __init__(self, now: int = START_MS) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, ms: int) -> None:
        """Let time go by, or back."""
        self.now += ms


class World:
    """Everything a test needs: folders, repositories, spaces; all closed at the end."""

    START_MS: ClassVar[int] = START_MS

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.clock = Clock()
        self.random = random.Random(seed)
        self.outside = Outside(now_ms=self.clock, entropy=self.random.randbytes)
        self._open: list[Space] = []

    def git(self, where: Repository | str | os.PathLike[str], *args: str, data: bytes = b"") -> str:
        """Run git in a repository or folder."""
        place = where.work_tree or where.git_dir if isinstance(where, Repository) else where
        return git(place, *args, data=data)

    def repository(self, name: str = "one", *args: str) -> Repository:
        """Make an empty repository without a store."""
        path = self.folder / name
        path.mkdir(parents=True)
        git(path, "init", "-q", *args)
        return find(str(path), {})

    def store(self, name: str = "one") -> Repository:
        """Make a repository with a store."""
        repository = self.repository(name)
        initialise(repository, self.outside)
        return repository

    def space(self, where: Repository | str = "one", name: str = "main") -> Space:
        """Open a space, in a new store where only a name is given."""
        repository = self.store(where) if isinstance(where, str) else where
        space = Space(repository, name, FOLDS, self.outside)
        self._open.append(space)
        return space

    def copy(self, space: Space, name: str) -> Repository:
        """Copy a whole repository as `cp -a` does, while nobody writes."""
        self.close()
        source = space.repository.work_tree or space.repository.git_dir
        subprocess.run(["cp", "-a", source, str(self.folder / name)], check=True)
        return find(str(self.folder / name), {})

    def task(self, space: Space, title: str = "x", key: str | None = None) -> Written:
        """Append a task."""
        return space.append(Draft(body=TaskAdd(title=title), key=key), ANN)

    def forger(self, space: Space, seed: bytes = b"\7" * 32) -> Forger:
        """Give another replica that writes frames into the space's repository."""
        return Forger(space.objects, seed, space.name)

    def exchange_objects(self, into: Space, source: Space) -> None:
        """Fetch all that another store's refs of logs reach, without moving any ref of a log."""
        path = source.repository.common_dir
        into.objects.git.run("fetch", "-q", path, "+refs/waggle/*:refs/waggle-remote/other/*")

    def exchange(self, into: Space, source: Space) -> None:
        """Fetch all logs of another store's space, as git carries them, and take them in."""
        self.exchange_objects(into, source)
        for name, oid in into.objects.refs.under("refs/waggle-remote/other").items():
            ref = name.replace("refs/waggle-remote/other", "refs/waggle")
            known = into.objects.refs.get(ref)
            if known is None or _ancestor(into, known, oid):
                into.objects.refs.point(ref, oid)
        into.find_logs()

    def close(self) -> None:
        """Close every space that is open."""
        while self._open:
            self._open.pop().close()


def _ancestor(space: Space, older: str, newer: str) -> bool:
    status, _ = space.objects.git.call("merge-base", "--is-ancestor", older, newer, ok=(0, 1))
    return status == 0


class Forger:
    """Writes frames of a replica of its own, right ones and wrong ones, into a repository."""

    def __init__(self, objects: Objects, seed: bytes = b"\7" * 32, space: str = "main") -> None:
        self.objects = objects
        self.space = space
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.replica = replica_of(self.key.public_key().public_bytes_raw())
        self.at = START_MS << 16

    @property
    def ref(self) -> str:
        """The ref of this replica's log."""
        return ref_name(self.space, self.replica)

    def line(self, value: Body | None = None, *, at: int | None = None) -> bytes:
        """Give a line after the last one; its clock ticks by one."""
        self.at = self.at + 1 if at is None else at
        whole = value or TaskAdd(title="forged")
        fields: Mapping[str, object] = msgspec.to_builtins(whole)
        return put_clock(self.at, encode(whole.KIND, {"name": "eve"}, fields))

    def lines(self, count: int) -> list[bytes]:
        """Give so many lines."""
        return [self.line(TaskAdd(title=f"forged {n}")) for n in range(count)]

    def ids(self, lines: list[bytes], before: str | None = None) -> list[str]:
        """Give the running hash at each line."""
        last, ids = before or genesis(self.space, self.replica), []
        for line in lines:
            last = extend(last, line)
            ids.append(last)
        return ids

    def statement(self, lines: list[bytes], first: int = 1, before: str | None = None) -> Statement:
        """Give what an honest frame of these lines states."""
        return Statement(
            space=self.space,
            replica=self.replica,
            first=first,
            last=first + len(lines) - 1,
            hash=self.ids(lines, before)[-1],
        )

    def frame(
        self,
        lines: list[bytes],
        *,
        first: int = 1,
        before: str | None = None,
        parents: tuple[str, ...] = (),
        states: Mapping[str, object] | None = None,
        blob: bytes | None = None,
        key: Ed25519PrivateKey | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Write a frame and give its commit; `states`, `blob` and `key` make it a wrong one."""
        stated = self.statement(lines, first, before)
        stated = msgspec.structs.replace(stated, **(states or {}))
        data = b"".join(line + b"\n" for line in lines) if blob is None else blob
        unsigned = commit_bytes(
            tree=self.objects.tree({ENTRIES_FILE: data, **(files or {})}),
            parents=parents,
            who=identity(self.replica, START_MS // 1000),
            text=message(stated, ["task.add"] * len(lines)),
        )
        return self.objects.commit(signed_bytes(unsigned, sign(key or self.key, unsigned)))

    def point(self, oid: str) -> None:
        """Let this replica's ref point at a commit."""
        self.objects.refs.point(self.ref, oid)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world in a folder of its own."""
    place = World(tmp_path)
    yield place
    place.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def space(world: World) -> Space:
    """A space in a fresh store."""
    return world.space()


TALLY = "tally: "
"""Starts the name under which reports carry a tally; the rest of it is the summary's title."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up what tests did and found; only here is it seen under xdist, too."""
    totals: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, counts in getattr(report, "user_properties", ()):
                if name.startswith(TALLY):
                    totals.setdefault(name.removeprefix(TALLY), Counter()).update(counts)
    for title, total in sorted(totals.items()):
        terminalreporter.section(title)
        for name, count in sorted(total.items()):
            terminalreporter.write_line(f"{count:>8}  {name}")
