"""Twenty processes of one repository work on the task set while two clones do, and all sync."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from tests.conftest import git
from tests.eventual.task_model import Model
from tests.eventual.task_worker import Job

from waggle.agents.folds import FOLDS
from waggle.eventual import task_claims, tasks
from waggle.eventual.task_kinds import FIELDS, KINDS, TaskAdd, TaskEdit
from waggle.faces import machine
from waggle.log.entry import Agent, Entry
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space
from waggle.sync.git.exchange import Exchange
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport

PROCESSES, OPERATIONS = 20, 50
WORKER = Path(__file__).parent / "task_worker.py"
KIND_OF = {"add": "task.add", "edit": "task.edit", "done": "task.edit", "remove": "task.remove"}


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts for the summary at the end of the run (tests/conftest.py)."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append(("tally: the task set", dict(counts)))


class Clones:
    """A repository and two clones of one bare remote, each with a store, open here too."""

    def __init__(self, folder: Path) -> None:
        hub = folder / "hub.git"
        git(folder, "init", "-q", "--bare", str(hub))
        self.remote = Remote(name="hub", where=str(hub), track="hub", prefix="refs/waggle")
        self.spaces = []
        for name in ("many", "left", "right"):
            git(folder, "init", "-q", name)
            repository = find(str(folder / name), {})
            initialise(repository, machine.outside())
            self.spaces.append(Space(repository, "main", FOLDS, machine.outside()))

    def sync(self) -> None:
        """Let each sync once with the remote."""
        for space in self.spaces:
            self._sync(space)

    def _sync(self, space: Space) -> None:
        transport = Transport(space.repository.common_dir, os.environ, 60)
        (done,) = Exchange(space, transport).sync([self.remote]).remotes
        assert not done.trouble, done

    def keep_syncing(self, number: int, over: threading.Event) -> int:
        """Sync one store again and again, in a thread of its own; give how often."""
        with Space(self.spaces[number].repository, "main", FOLDS, machine.outside()) as space:
            rounds = 0
            while not over.wait(0.05):
                self._sync(space)
                rounds += 1
        return rounds

    def close(self) -> None:
        for space in self.spaces:
            space.close()


@pytest.fixture
def clones(tmp_path: Path) -> Iterator[Clones]:
    made = Clones(tmp_path)
    yield made
    made.close()


def started(jobs: list[Job]) -> Iterator[subprocess.Popen[str]]:
    """Start workers; they begin when all are ready."""
    for job in jobs:
        words = [sys.executable, str(WORKER), msgspec.json.encode(job).decode()]
        yield subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def worked(jobs: list[Job], clones: Clones, tally: Counter[str]) -> list[dict[str, str]]:
    """Let workers do their work while the stores sync; give what was acknowledged."""
    workers = list(started(jobs))
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n", worker.communicate()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        over = threading.Event()
        with ThreadPoolExecutor() as pool:
            syncing = [pool.submit(clones.keep_syncing, n, over) for n in range(3)]
            try:
                said = [worker.communicate() for worker in workers]
            finally:
                over.set()
        tally["syncs meanwhile"] += sum(one.result() for one in syncing)
        assert [worker.returncode for worker in workers] == [0] * len(workers), said
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.communicate()
    return [json.loads(line) for out, _ in said for line in out.splitlines()]


def entries(space: Space) -> list[Entry]:
    """Give everything that counts here."""
    return space.counted.fresh({})


def test_no_edit_is_lost_and_all_show_the_same(clones: Clones, tally: Counter[str]) -> None:
    many, left, right = clones.spaces
    for number in range(6):
        many.append(Draft(body=TaskAdd(title=f"task {number}")), Agent(name="ann"))
    clones.sync()
    clones.sync()
    places = [many] * PROCESSES + [left, right]
    jobs = [
        Job(folder=str(place.repository.work_tree), name=f"agent {n}", seed=n,
            operations=OPERATIONS)
        for n, place in enumerate(places)
    ]  # fmt: skip
    said = worked(jobs, clones, tally)
    assert len(said) == OPERATIONS * len(jobs), "every operation was answered"
    tally.update(f"operations: {one['op']}" for one in said)
    clones.sync()
    clones.sync()

    assert len({space.digest()[2] for space in clones.spaces}) == 1
    found = {entry.id: entry for entry in entries(many)}
    assert {one["entry"] for one in said if one.get("entry")} <= found.keys()
    for kind in set(KIND_OF.values()):
        acknowledged = sum(KIND_OF.get(one["op"]) == kind for one in said)
        extra = 6 if kind == TaskAdd.KIND else 0
        assert len([e for e in found.values() if kind == e.body.KIND]) == acknowledged + extra, kind
    tally["entries"] += sum(isinstance(entry.body, KINDS) for entry in found.values())

    model, now_ms = Model(found.values()), machine.now_ms()
    ignored = {one for e in found.values() if isinstance(e.body, TaskEdit) for one in e.body.over}
    for space in clones.spaces:
        shown = [tasks.registers(space.db, task) for task in model.adds]
        heads = {head.id for fields in shown for name in FIELDS for head in fields[name].heads}
        edits = {entry.id for entry in found.values() if isinstance(entry.body, TaskEdit)}
        assert edits <= heads | ignored, "an edit stands, or another one names it"
        for task in model.adds:
            fields = tasks.registers(space.db, task)
            conflicts = [name for name in FIELDS if fields[name].conflict]
            assert conflicts == model.conflicts(task)
            held = [claim.id for claim in task_claims.claims(space.db, task, now_ms)]
            assert held == [entry.id for entry in model.holding(task, now_ms)]
    tally["conflicts shown"] += sum(len(model.conflicts(task)) for task in model.adds)
    assert any(model.conflicts(task) for task in model.adds), "agents that see nothing collide"
