"""The data sets: who was right on which task, and what else is known of the attempt."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from random import Random

from msgspec import Struct


class Attempt(Struct, frozen=True):
    """What one agent did on one task. `result` is None where equal results are not known."""

    right: bool
    result: str | None = None
    confidence: int | None = None
    size: int = 0
    at_ms: int = 0


class DataSet(Struct, frozen=True):
    """A table of attempts, by agent and task."""

    name: str
    tasks: Sequence[str]
    attempts: Mapping[str, Mapping[str, Attempt]]

    @property
    def agents(self) -> list[str]:
        """Give the agents in the order of their names."""
        return sorted(self.attempts)

    def accuracy(self, agent: str, tasks: Sequence[str]) -> float:
        """Give how many of these tasks an agent got right, of those that it attempted."""
        tried = [self.attempts[agent][task] for task in tasks if task in self.attempts[agent]]
        return sum(one.right for one in tried) / len(tried) if tried else 0.0

    def halves(self, seed: int) -> tuple[list[str], list[str]]:
        """Split the tasks: one half to learn records on, the other to judge on."""
        order = sorted(self.tasks)
        Random(f"{seed}/{self.name}").shuffle(order)
        return order[: len(order) // 2], order[len(order) // 2 :]


def model_of(agent: str) -> str:
    """Give the model: what stands behind the vendor's or the scaffold's name."""
    return agent.rpartition("/")[2]


def _rows(folder: str, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(os.path.join(folder, name), "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _int(text: str) -> int | None:
    return int(float(text)) if text else None


def _at_ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000) if text else 0


def _collect(name: str, rows: Iterator[tuple[str, str, Attempt]]) -> DataSet:
    attempts: dict[str, dict[str, Attempt]] = {}
    for task, agent, attempt in rows:
        # Some agents tried a task several times, under other settings: the first counts.
        attempts.setdefault(agent, {}).setdefault(task, attempt)
    tasks = sorted({task for tried in attempts.values() for task in tried})
    return DataSet(name, tasks, attempts)


def _answer(row: dict[str, str]) -> tuple[str, str, Attempt]:
    confidence = _int(row["stated_confidence"])
    attempt = Attempt(
        right=row["correct"] == "1",
        result=row["answer"] or None,
        confidence=None if confidence is None else min(max(confidence, 0), 100),
        size=_int(row["tokens"]) or 0,
    )
    return row["question"], row["model"], attempt


def _change(row: dict[str, str]) -> tuple[str, str, Attempt]:
    attempt = Attempt(
        right=row["correct"] == "1",
        result=row["change_hash"] or None,
        size=_int(row["bytes"]) or 0,
        at_ms=_at_ms(row["date"]),
    )
    return row["task"], row["agent"], attempt


def load(folder: str) -> list[DataSet]:
    """Read `answers.csv.gz` and `code.csv.gz`; the latter holds several sources."""
    code: dict[str, list[tuple[str, str, Attempt]]] = {}
    for row in _rows(folder, "code.csv.gz"):
        code.setdefault(row["source"], []).append(_change(row))
    answers = _collect("answers", map(_answer, _rows(folder, "answers.csv.gz")))
    return [*(_collect(name, iter(rows)) for name, rows in sorted(code.items())), answers]
