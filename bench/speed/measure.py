"""Timing: what is compared takes turns (A B A B), because machines are noisy and drift."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _scaled(value: float, unit: str) -> tuple[float, str]:
    """Give the factor and the name of the unit in which a value reads best."""
    if unit != "s":
        return 1.0, unit
    return next(((scale, name) for scale, name in _SECONDS if value >= scale), _SECONDS[-1])


def spoken(value: float, unit: str) -> str:
    """Give a value in a unit that reads well: seconds become ms, µs or ns."""
    scale, name = _scaled(value, unit)
    return f"{_three_digits(value / scale)} {name}"


@dataclass(frozen=True, slots=True)
class Samples:
    """What repeated measuring gave, in one unit; seconds unless said otherwise."""

    values: tuple[float, ...]
    unit: str = "s"

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("nothing was measured")

    @property
    def n(self) -> int:
        """How many repetitions."""
        return len(self.values)

    @property
    def median(self) -> float:
        """The figure that counts."""
        return median(self.values)

    @property
    def p99(self) -> Samples:
        """What 99 of 100 repetitions did not exceed."""
        if self.n == 1:
            return self
        return Samples((quantiles(self.values, n=100, method="inclusive")[98],), self.unit)

    def each(self, change: Callable[[float], float], unit: str) -> Samples:
        """Give the same repetitions in another unit."""
        return Samples(tuple(change(value) for value in self.values), unit)

    def per(self, count: int) -> Samples:
        """Give seconds for `count` things as seconds for one."""
        return self.each(lambda seconds: seconds / count, self.unit)

    def rate(self, count: int, what: str = "entries/s") -> Samples:
        """Give seconds for `count` things as things in a second."""
        return self.each(lambda seconds: count / seconds, what)

    def __str__(self) -> str:
        if self.n == 1:
            return spoken(self.median, self.unit)
        scale, name = _scaled(self.median, self.unit)
        low, high = (_three_digits(end / scale) for end in (min(self.values), max(self.values)))
        return f"{_three_digits(self.median / scale)} {name} ({low} to {high})"


Work = Callable[[], float]
"""Does one repetition and gives the seconds that count; what is not counted it does before."""


def timed(work: Callable[[], object]) -> Work:
    """Count the whole of `work`."""

    def run() -> float:
        began = perf_counter()
        work()
        return perf_counter() - began

    return run


def alternate(repetitions: int, *works: Work) -> tuple[Samples, ...]:
    """Let the works take turns so many times; give what each took."""
    rounds = [[work() for work in works] for _ in range(repetitions)]
    return tuple(Samples(tuple(column)) for column in zip(*rounds, strict=True))


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)
