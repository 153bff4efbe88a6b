"""A store in the middle of its work: something of everything that `waggle prime` shows."""

from __future__ import annotations

import random

from bench.speed.filling import phrase
from waggle.causal.checkpoints import Checkpoint
from waggle.choice.kinds import Candidate
from waggle.eventual.facts import FactAssert
from waggle.eventual.members import Join
from waggle.eventual.task_kinds import TaskAdd, TaskClaim, TaskEdit
from waggle.log.entry import Agent, Body
from waggle.store.hearing.beats import Beats
from waggle.store.space import Draft, Space

NEWCOMER = Agent(name="newcomer")
"""The agent that is primed; it holds some tasks."""
SHOWN = (
    "your tasks",
    "ready to take",
    "candidates without your vote",
    "facts in conflict",
    "tasks in conflict",
    "latest facts",
    "other agents",
)
"""The sections that `waggle prime` has something for."""
_EACH = 30
"""Tasks, agents and entities; every section has more than it can show."""
_LEASE_S = 3600


def entity(number: int) -> str:
    """Give one of which something is known."""
    return f"service-{number % _EACH}"


def settle(space: Space) -> str:
    """Let agents add, claim, publish and disagree; give the id of a candidate."""
    rng, candidate = random.Random(1), ""
    for number in range(_EACH):
        by = Agent(name=f"agent-{number:02}", model=f"model-{number % 3}")
        _join(space, by, phrase(rng, 6))
        task = _put(space, TaskAdd(title=phrase(rng, 10)), by)
        for edit in range(2 * (number % 2)):
            title = f"{phrase(rng, 10)} {edit}"
            _put(space, TaskEdit(task=task, over=(task,), title=title), by)
        if number % 3 == 0:
            _work(space, task, phrase(rng, 6))
        result = Candidate(task=task, text=phrase(rng, 20), result=f"{number:032x}", size=100)
        candidate = _put(space, result, by)
        for attribute in ("host", "port"):
            fact = FactAssert(entity=entity(number), attribute=attribute, value=phrase(rng, 6))
            _put(space, fact, by)
        _put(space, FactAssert(entity=entity(number), attribute="port", value="7000"), by)
    return candidate


def _put(space: Space, body: Body, by: Agent) -> str:
    return space.append(Draft(body=body), by).id


def _join(space: Space, by: Agent, note: str) -> None:
    _put(space, Join(lease=_LEASE_S), by)
    beats = Beats(space.store_dir, space.name)
    now_ms = space.outside.now_ms()
    beats.renew(space.replica, by.name, now_ms, lease=_LEASE_S, note=note)


def _work(space: Space, task: str, note: str) -> None:
    """Let the newcomer claim a task and save a checkpoint of its work."""
    _put(space, TaskClaim(task=task, lease_s=_LEASE_S), NEWCOMER)
    saved = Checkpoint(task=task, run="newcomer", commit="a" * 40, n=1, size=100, note=note)
    _put(space, saved, NEWCOMER)
