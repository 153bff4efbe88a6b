"""The library's own face: opening a space and choosing, with the real clock and randomness."""

from __future__ import annotations

import os

from waggle.agents.folds import FOLDS
from waggle.choice import ballot, outcome
from waggle.choice.outcome import Outcome
from waggle.choice.rules import DEFAULT
from waggle.eventual.tasks import find_task
from waggle.faces import machine
from waggle.store.locate import find
from waggle.store.space import Space


def open(  # noqa: A001 - waggle.open reads well
    path: str = ".", space: str = "main", *, init: bool = False
) -> Space:
    """Open a space of the repository that `path` lies in; close it, or use it with `with`.

    With `init`, the store is made where there is none. Raises WaggleError: `no_repository`,
    `not_initialised`, `environment`, `damaged`.
    """
    repository = find(path, os.environ)
    outside = machine.outside()
    if init:
        from waggle.store.setup import initialise  # it loads libgit2

        initialise(repository, outside)
    return Space(repository, space, FOLDS, outside)


def choose(space: Space, task: str, rule: str | None = None) -> Outcome:
    """Choose among a task's candidates, by the task's rule, another, or the default.

    `task` is an id or an unambiguous beginning of one. Raises `not_found`, `ambiguous`, `invalid`.
    """
    db = space.db
    found = find_task(db, task)
    stages = outcome.parse(rule or found.body.rule or DEFAULT)
    firsts = None
    if found.body.electorate:
        firsts = ballot.first_approvals(db, found.id, found.body.electorate)
    return outcome.choose(
        ballot.read(db, found.id), stages, first_approvals=firsts, forked=space.folding.forked
    )
