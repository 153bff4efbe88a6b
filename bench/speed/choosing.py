"""Reading a choice: what it costs, whatever the number of votes behind it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from bench.speed import world
from bench.speed.ladder import Step
from bench.speed.measure import Samples, Work, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.choice import ballot
from waggle.choice.kinds import Check
from waggle.choice.rules import DEFAULT
from waggle.faces.library import choose
from waggle.log.entry import Agent
from waggle.store.space import Draft, Space

CHECKER = Agent(name="checker")
_SCAN = """SELECT v.candidate, count(*), sum(v.score) FROM candidate c
  JOIN vote v ON v.candidate = c.n AND v.counted WHERE c.task = ? GROUP BY v.candidate"""


class Reader:
    """Reads one task's choice, with a check that changes records before each read."""

    def __init__(self, space: Space, task: str, checked: Sequence[str]) -> None:
        self.space = space
        self.task = task
        # First each passes, then each fails another command: either changes what is known of it,
        # and with it the record of everybody who voted on it.
        commands = (("make test", 0), ("make lint", 1))
        self._checks = [
            Check(candidate=one, command=command, environment="linux", exit=code)
            for command, code in commands
            for one in checked
        ]
        self._weights = self._look()
        self.folds: list[float] = []

    def _look(self) -> list[tuple[str, int, int]]:
        standings = ballot.read(self.space.db, self.task).standings
        return [(v.family, v.approve, v.reject) for one in standings for v in one.votes]

    def read(self) -> float:
        """Append a check, fold it, and time the reading of the choice."""
        self.space.append(Draft(body=self._checks.pop(0)), CHECKER)
        self.folds.append(timed(self.space.folding.catch_up)())
        took = timed(lambda: choose(self.space, self.task))()
        was, self._weights = self._weights, self._look()
        assert was != self._weights, "the check changed no record"
        return took

    def scan(self) -> float:
        """Time the counting of the task's votes one by one, without any weight or record."""
        db = self.space.db
        return timed(lambda: _scan(db, self.task))()


def _scan(db: sqlite3.Connection, task: str) -> list[tuple[int, int, int]]:
    return db.execute(_SCAN, (task,)).fetchall()


def measure(sizes: Sizes, steps: Sequence[Step], folder: Path) -> tuple[Section, list[Row]]:
    """Measure; give also the rows of the plot, one for each number of votes."""
    say(f"choosing among {sizes.candidates} candidates")
    readers = [_reader(step) for step in steps]
    works: list[Work] = [work for reader in readers for work in (reader.read, reader.scan)]
    samples = alternate(sizes.reads, *works)
    reads, scans = samples[::2], samples[1::2]
    rows = [
        Row(
            what=f"reading a choice, {step.votes:,} votes",
            ours=mine,
            baseline=theirs,
            against="a count of the task's votes one by one, without weights",
            goals=(Goal(limit=2e-3, of="figure"),),
        )
        for step, mine, theirs in zip(steps, reads, scans, strict=True)
    ]
    slowest, fastest = (pick(reads, key=lambda one: one.median) for pick in (max, min))
    flat = Row(
        what="flat: the slowest of these numbers of votes",
        ours=slowest,
        baseline=fastest,
        against="the fastest of them",
        goals=(Goal(limit=2),),
    )
    folds = [
        Row(what=f"folding that check, {step.votes:,} votes", ours=Samples(tuple(reader.folds)))
        for step, reader in zip(steps, readers, strict=True)
    ]
    for reader in readers:
        reader.space.close()
    setting = (
        f"`waggle.choose` by the default rule (`{DEFAULT}`), {sizes.candidates} candidates,"
        f" {sizes.voters:,} voters in {sizes.families} families, each vote by another voter or on"
        f" another candidate, over as many tasks as that takes. Before each read a check changes"
        " what is known of a candidate, and so the record of those who voted on it; folding that"
        " check is timed apart. The logs of all sizes take turns."
    )
    rows_all = (*rows, flat, *folds, *_small(sizes, folder))
    title = "Reading a choice"
    return Section(title=title, setting=setting, rows=rows_all, plot="bench-choice.svg"), rows


def _reader(step: Step) -> Reader:
    return Reader(world.space_in(step.folder), step.poll.tasks[0], step.poll.candidates[0])


def _small(sizes: Sizes, folder: Path) -> tuple[Row, ...]:
    """Measure a small choice: five candidates, five voters, each a family of its own."""
    world.repository(folder / "small")
    with world.space_in(folder / "small") as space:
        poll = world.propose(space, sizes.small_tasks, 5, 5, 5)
        for cast in poll.rounds(random.Random(5)):
            space.write(cast)
        reader = Reader(space, poll.tasks[0], [one for mine in poll.candidates for one in mine])
        mine, theirs = alternate(2 * sizes.reads, reader.read, reader.scan)
    return (
        Row(
            what="reading a choice, 5 candidates, 5 voters",
            ours=mine,
            baseline=theirs,
            against="a count of the task's votes one by one, without weights",
            goals=(Goal(limit=200e-6, of="figure"),),
        ),
        Row(what="folding that check", ours=Samples(tuple(reader.folds))),
    )
