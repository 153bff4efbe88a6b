"""The exam: a task's tests on a candidate, in a clean worktree of its own, recorded as checks.

A candidate may not write its own exam: protected paths come from the base before a test runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from waggle.agents import process, worktree
from waggle.agents.process import Ended
from waggle.agents.protect import DEFAULT_PROTECTED, split_changes
from waggle.choice.kinds import Check
from waggle.log.entry import Agent
from waggle.store.own.journal import Written
from waggle.store.own.secrets import scan_text
from waggle.store.repo.locate import Repository
from waggle.store.space import Draft, Space

CHECKER = Agent(name="waggle-race")
"""Who records a race's checks: no author, so they count."""


class Paper(Struct, frozen=True, kw_only=True):
    """What a candidate is examined with."""

    base: str
    commit: str
    tests: tuple[str, ...]
    setup: str | None
    protect: tuple[str, ...]
    timeout_s: float | None


class Sheet(Struct, frozen=True, kw_only=True):
    """The outcome of one test on one candidate, before it is recorded."""

    command: str
    ended: Ended
    log: str


def protected_edits(
    repository: Repository, base: str, commit: str, protect: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Give which protected paths must come back from the base, and which must go."""
    globs = protect or DEFAULT_PROTECTED
    found = split_changes(worktree.changes(repository, base, commit), globs)
    return list(found.restore), list(found.remove)


async def sit(
    repository: Repository,
    paper: Paper,
    folder: str,
    logs: str,
    environ: Mapping[str, str],
    begins: Callable[[str], None] = lambda _command: None,
) -> list[Sheet]:
    """Run every test in a clean worktree; the worktree is gone afterwards.

    Where setup fails, every test counts as failed with setup's exit status. `begins` is told of
    each command, setup's too, before it runs.
    """
    tree = await asyncio.to_thread(worktree.add, repository, folder, paper.commit)
    try:
        back, gone = await asyncio.to_thread(
            protected_edits, repository, paper.base, paper.commit, paper.protect
        )
        await asyncio.to_thread(worktree.put_back, tree, paper.base, back, gone)
        if paper.setup:
            begins(paper.setup)
            ended = await _run(paper.setup, tree.path, f"{logs}-setup.log", environ, paper)
            if ended.exit:
                log = f"{logs}-setup.log"
                return [Sheet(command=test, ended=ended, log=log) for test in paper.tests]
        sheets = []
        for number, test in enumerate(paper.tests, 1):
            if number > 1:
                await asyncio.to_thread(worktree.tidy, tree, paper.commit)
                await asyncio.to_thread(worktree.put_back, tree, paper.base, back, gone)
            log = f"{logs}-test-{number}.log"
            begins(test)
            ended = await _run(test, tree.path, log, environ, paper)
            sheets.append(Sheet(command=test, ended=ended, log=log))
        return sheets
    finally:
        await asyncio.to_thread(worktree.remove, repository, folder)


async def _run(command: str, cwd: str, log: str, environ: Mapping[str, str], paper: Paper) -> Ended:
    with contextlib.suppress(FileNotFoundError):  # an earlier, unfinished exam's
        os.remove(log)
    # What is tested is an agent's work: it may not rule either (see faces/operator.py).
    env = process.environment(environ, cwd, {"WAGGLE_RUN": "exam"})
    note = f"{cwd}.process"
    started = await process.start(
        process.shell(command), cwd=cwd, env=env, stdin=b"", log=log, note=note
    )
    ended = await process.wait(started, paper.timeout_s)
    process.forget(note)
    if ended.timed_out:
        return Ended(exit=124, timed_out=True, duration_ms=ended.duration_ms)
    return ended


def record(
    space: Space,
    candidate: str,
    sheet: Sheet,
    environment: str,
    *,
    by: Agent = CHECKER,
    key: str | None = None,
) -> Written:
    """Record one test's outcome as a check; a suspect output stays here."""
    digest, tail = process.digest_and_tail(sheet.log)
    if scan_text(tail, place="output"):
        tail = f"[held back: the output looks like it holds a secret; see {sheet.log}]"
    body = Check(
        candidate=candidate,
        command=sheet.command,
        environment=environment,
        exit=sheet.ended.exit,
        duration_ms=sheet.ended.duration_ms,
        digest=digest,
        tail=tail,
    )
    return space.append(Draft(body=body, key=key), by)


_PROBE = """
import importlib.util, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is not None:
        found[name] = spec.origin or next(iter(spec.submodule_search_locations or []), "")
print(json.dumps(found))
"""


def astray(repository: Repository, folder: str, tests: Sequence[str]) -> list[str]:
    """Give Python packages which a test would import from the user's own tree (editable installs).

    `folder` is a worktree of a candidate. Only packages that the repository itself holds matter.
    """
    if repository.work_tree is None:
        return []
    packages = _packages(folder)
    test = next((test for test in tests if "py" in test), None)
    if not packages or test is None:
        return []
    python = _interpreter(test)
    try:
        done = subprocess.run(
            [python, "-c", _PROBE, *packages],
            cwd=folder,
            capture_output=True,
            timeout=20,
            check=False,
        )
        found: dict[str, str] = json.loads(done.stdout or b"{}")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        # No such interpreter here, or one that does not answer: the tests will tell.
        return []
    own = os.path.realpath(repository.work_tree) + os.sep
    inside = os.path.realpath(folder) + os.sep
    return [
        name
        for name, origin in found.items()
        if os.path.realpath(origin).startswith(own)
        and not os.path.realpath(origin).startswith(inside)
    ]


def _interpreter(test: str) -> str:
    """Give the Python that a test runs with, as far as its first word tells."""
    try:
        first = shlex.split(test)[0]
    except (ValueError, IndexError):  # a shell may understand it
        return "python3"
    return first if "python" in os.path.basename(first) else "python3"


def _packages(folder: str) -> list[str]:
    names = []
    for root in (folder, os.path.join(folder, "src")):
        if os.path.isdir(root):
            names += [
                entry.name
                for entry in os.scandir(root)
                if os.path.exists(os.path.join(entry.path, "__init__.py"))
            ]
    return sorted(name for name in names if name.isidentifier() and name != "tests")


def environment_name(system: str, machine: str) -> str:
    """Give the name of the environment that checks ran in, part of a check's identity."""
    return f"{system.lower()}-{machine.lower()}-py{sys.version_info.major}.{sys.version_info.minor}"
