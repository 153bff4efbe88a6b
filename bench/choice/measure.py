"""Drawing agents and tasks, summing per task, and bootstrapping over tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.choice.checkers import Checker
from bench.choice.data import DataSet
from bench.choice.replay import Records, verdicts

POINTS = 0.10
"""Similar agents lie within so much of one another."""
RESAMPLES = 1000
SIMILAR, ANY = "similar", "any"
"""Pools: agents of about the same strength, agents of any."""
MEAN, BEST, RECORD, KNOWING = (
    "mean single agent",
    "best single agent, known afterwards",
    "agent with the best record",
    "all-knowing choice",
)


Judge = Callable[[str, Sequence[str], Random], dict[str, float]]
"""From a task, agents and randomness to how right each way to choose is."""


class Estimate(Struct, frozen=True):
    """A percentage with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


class Cell(Struct, frozen=True):
    """One data set, pool and k: per way to choose, its percentage in each resampling of tasks.

    The first sample is the table as it is.
    """

    data: str
    pool: str
    k: int
    window: float
    """How far apart the agents of a draw may lie, as a share of tasks."""
    samples: Mapping[str, NDArray[np.float64]]

    def estimate(self, way: str) -> Estimate:
        """Give a way's percentage with its interval."""
        return _estimate(self.samples[way])


def similar(strengths: Mapping[str, float], k: int) -> tuple[list[list[str]], float]:
    """Give, around each agent, those within half of `POINTS`, and the width of that window.

    Where no agent has k around it, the window is the least that gives one k.
    """
    order = sorted(strengths)
    gaps = {
        one: {other: abs(strengths[one] - strengths[other]) for other in order} for one in order
    }
    least = min(sorted(around.values())[k - 1] for around in gaps.values())
    reach = max(POINTS / 2, least) + 1e-9
    groups = [[other for other in order if gaps[one][other] <= reach] for one in order]
    return [group for group in groups if len(group) >= k], 2 * reach


class Cells(Struct, frozen=True):
    """What cells of one data set share: the tasks to judge on, how, and how strong agents are."""

    data: DataSet
    tasks: Sequence[str]
    judge: Judge
    strengths: Mapping[str, float]
    draws: int
    seed: int

    def cell(self, pool: str, k: int) -> Cell:
        """Draw k agents and a task, so many times, and sum what each way to choose makes of it."""
        random = Random(f"{self.seed}/{self.data.name}/{pool}/{k}")
        similar_ones = pool == SIMILAR
        groups, width = similar(self.strengths, k) if similar_ones else ([self.data.agents], 1.0)
        sums: dict[str, NDArray[np.float64]] = {}
        counts = np.zeros(len(self.tasks))
        while counts.sum() < self.draws:
            number = random.randrange(len(self.tasks))
            task, agents = self.tasks[number], random.sample(random.choice(groups), k)
            if not all(task in self.data.attempts[agent] for agent in agents):
                continue
            for way, right in self.judge(task, agents, random).items():
                sums.setdefault(way, np.zeros(len(self.tasks)))[number] += right
            counts[number] += 1
        generator = np.random.default_rng(self.seed)
        number = len(self.tasks)
        weights = generator.multinomial(number, np.full(number, 1 / number), RESAMPLES)
        weights[0] = 1
        drawn = weights @ counts
        samples = {way: 100 * (weights @ rights) / drawn for way, rights in sums.items()}
        return Cell(self.data.name, pool, k, width, samples)


def judge_of(
    data: DataSet,
    learned: Sequence[str],
    judged: Sequence[str],
    records: Records,
    panels: Mapping[str, Sequence[Checker]],
) -> Judge:
    """Give what judges one draw: every way to choose, and what they are measured by."""
    record = {agent: data.accuracy(agent, learned) for agent in data.agents}
    truly = {agent: data.accuracy(agent, judged) for agent in data.agents}

    def judge(task: str, agents: Sequence[str], random: Random) -> dict[str, float]:
        tried = [(agent, data.attempts[agent][task]) for agent in agents]
        rights = dict(zip(agents, (attempt.right for _, attempt in tried), strict=True))
        return {
            MEAN: sum(rights.values()) / len(rights),
            BEST: rights[max(agents, key=truly.__getitem__)],
            RECORD: rights[max(agents, key=record.__getitem__)],
            KNOWING: any(rights.values()),
            **verdicts(task, tried, records, panels, random),
        }

    return judge


def _estimate(samples: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(samples[1:], [2.5, 97.5])
    return Estimate(float(samples[0]), float(low), float(high))


def pooled(cells: Sequence[Cell], way: str, other: str) -> Estimate:
    """Give by how many points `way` is better than `other`, all cells counting the same.

    Cells of one data set share their tasks, and were resampled alike.
    """
    gaps = [one.samples[way] - one.samples[other] for one in cells]
    mean: NDArray[np.float64] = np.mean(gaps, axis=0)
    return _estimate(mean)
