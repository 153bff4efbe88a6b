"""Cells as jobs for several processes; each process learns a data set's records once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from msgspec import Struct

from bench.choice.checkers import panels
from bench.choice.data import DataSet, load
from bench.choice.measure import ANY, SIMILAR, Cell, Cells, judge_of
from bench.choice.replay import Records, learn

KS = (3, 5, 10, 20)


@cache
def tables(folder: str) -> dict[str, DataSet]:
    """Give the data sets of a folder by name."""
    return {data.name: data for data in load(folder)}


@cache
def _records(folder: str, name: str, seed: int) -> Records:
    data = tables(folder)[name]
    every = panels(seed)
    return learn(data, data.halves(seed)[0], [*every["three"], *every["blind"]])


def _cells(folder: str, name: str, draws: int, seed: int, *, whole: bool) -> Cells:
    data = tables(folder)[name]
    learned, judged = data.halves(seed)
    tasks = data.tasks if whole else judged
    records = Records() if whole else _records(folder, name, seed)
    strengths = {agent: data.accuracy(agent, data.tasks) for agent in data.agents}
    judge = judge_of(data, learned, tasks, records, panels(seed))
    return Cells(data, tasks, judge, strengths, draws, seed)


class Job(Struct, frozen=True, kw_only=True):
    """One cell to measure, small enough to send to another process."""

    folder: str
    data: str
    pool: str
    k: int
    draws: int
    seed: int
    whole: bool
    """Whether to judge on all tasks, without records, or on the held-out half."""

    def run(self) -> Cell:
        """Measure it."""
        shared = _cells(self.folder, self.data, self.draws, self.seed, whole=self.whole)
        return shared.cell(self.pool, self.k)


def jobs(folder: str, draws: int, seed: int) -> list[Job]:
    """Give all cells: every data set, pool and k on the held-out half, then on all tasks."""
    found = []
    for whole in (False, True):
        for name, data in tables(folder).items():
            for pool in (SIMILAR,) if whole else (SIMILAR, ANY):
                ks = [k for k in KS if k <= len(data.agents)]
                found += [
                    Job(
                        folder=folder,
                        data=name,
                        pool=pool,
                        k=k,
                        draws=draws,
                        seed=seed,
                        whole=whole,
                    )
                    for k in ks
                ]
    return found


def measure(folder: str, draws: int, seed: int, processes: int) -> tuple[list[Cell], list[Cell]]:
    """Give the cells of the held-out half, and those of all tasks."""
    todo = jobs(folder, draws, seed)
    if processes == 1:
        done = [job.run() for job in todo]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(Job.run, todo))
    pairs = list(zip(todo, done, strict=True))
    return (
        [cell for job, cell in pairs if not job.whole],
        [cell for job, cell in pairs if job.whole],
    )
