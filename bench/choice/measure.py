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
MEAN, BEST, RECORD, KNOWING = (
    "mean single agent",
    "best single agent, known afterwards",
    "agent with the best record",
    "all-knowing choice",
)


class Cell(Struct, frozen=True):
    """One data set, pool and k: per way to choose, the sum of rights per task, and draws."""

    data: str
    pool: str
    k: int
    sums: Mapping[str, NDArray[np.float64]]
    draws: NDArray[np.float64]
    window: float
    """How far apart the agents of a draw may lie, as a share of tasks."""


class Estimate(Struct, frozen=True):
    """A percentage with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def similar(strengths: Mapping[str, float], k: int) -> tuple[list[list[str]], float]:
    """Give the groups of agents within `POINTS`, or within the least that holds k of them."""
    order = sorted(strengths, key=lambda agent: (strengths[agent], agent))
    least = min(
        strengths[order[n + k - 1]] - strengths[order[n]] for n in range(len(order) - k + 1)
    )
    width = max(POINTS, least) + 1e-9
    groups = [
        [agent for agent in order if 0 <= strengths[agent] - strengths[low] <= width]
        for low in order
    ]
    return [group for group in groups if len(group) >= k], width


def cell(
    data: DataSet,
    tasks: Sequence[str],
    k: int,
    pool: str,
    strengths: Mapping[str, float],
    judge: Callable[[str, Sequence[str], Random], dict[str, bool]],
    draws: int,
    seed: int,
) -> Cell:
    """Draw k agents and a task, so many times, and sum what every way to choose makes of it."""
    random = Random(f"{seed}/{data.name}/{pool}/{k}")
    groups, width = similar(strengths, k) if pool == "similar" else ([data.agents], 1.0)
    sums: dict[str, NDArray[np.float64]] = {}
    counts = np.zeros(len(tasks))
    done = 0
    while done < draws:
        number = random.randrange(len(tasks))
        agents = random.sample(random.choice(groups), k)
        if not all(tasks[number] in data.attempts[agent] for agent in agents):
            continue
        for way, right in judge(tasks[number], agents, random).items():
            sums.setdefault(way, np.zeros(len(tasks)))[number] += right
        counts[number] += 1
        done += 1
    return Cell(data.name, pool, k, sums, counts, width)


def judge_of(
    data: DataSet,
    learned: Sequence[str],
    judged: Sequence[str],
    records: Records,
    panels: Mapping[str, Sequence[Checker]],
) -> Callable[[str, Sequence[str], Random], dict[str, float]]:
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


def _resampled(cell: Cell, ways: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Give the percentages of each way in each resampling of tasks: resamples by ways."""
    generator = np.random.default_rng(seed)
    tasks = len(cell.draws)
    weights = generator.multinomial(tasks, np.full(tasks, 1 / tasks), RESAMPLES).astype(float)
    weights[0] = 1.0  # the first is the table as it is
    rights = np.stack([cell.sums[way] for way in ways], axis=1)
    found: NDArray[np.float64] = 100 * (weights @ rights) / (weights @ cell.draws)[:, None]
    return found


def _estimate(samples: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(samples[1:], [2.5, 97.5])
    return Estimate(float(samples[0]), float(low), float(high))


def estimates(cell: Cell, seed: int) -> dict[str, Estimate]:
    """Give every way's percentage with its interval."""
    ways = sorted(cell.sums)
    samples = _resampled(cell, ways, seed)
    return {way: _estimate(samples[:, n]) for n, way in enumerate(ways)}


def pooled(cells: Sequence[Cell], way: str, other: str, seed: int) -> Estimate:
    """Give by how many points `way` is better than `other`, all cells counting the same.

    Cells of one data set share their tasks, so they are resampled alike.
    """
    gaps = []
    for one in cells:
        samples = _resampled(one, [way, other], seed)
        gaps.append(samples[:, 0] - samples[:, 1])
    mean: NDArray[np.float64] = np.mean(gaps, axis=0)
    return _estimate(mean)
