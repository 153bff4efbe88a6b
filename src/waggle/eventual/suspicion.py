"""Whom to suspect: the phi accrual failure detector, by arrival times only.

Hayashibara, Defago, Yared, Katayama, "The phi accrual failure detector", SRDS 2004, sections 4 and
5: for the time since the last arrival, phi is -log10 of the probability that an arrival comes later
than that, after a normal distribution with the mean and deviation of the last intervals. So phi = 3
is wrong once in a thousand silences of this agent, if its rhythm goes on.

What is added, because agents think for minutes and the live path may drop a message:

- The deviation has a floor, DEVIATION_MIN of the mean: no rhythm of agents is exact.
- A pause is acceptable on top of the mean: one more interval (a lost message), and never less than
  the longest silence that the agent came back from, as far as the window remembers.
- A silence beyond the lease is no rhythm: the membership had lapsed. It is not learned.
- Before START intervals are known, the lease stands in: a renewal at a third of it is expected.

Times are seconds of a monotonic clock of whoever hears: a wall clock that jumps changes nothing.
Floats are fine here, because none of it is in the view; what is kept on disk is integers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct

WINDOW = 64
"""Intervals that are remembered."""
START = 8
"""Intervals from which on they count instead of the lease."""
DEVIATION_MIN = 0.25
"""Of the mean: the least deviation."""
DEVIATION_S_MIN = 1.0
LEVELS = (3.0, 5.0, 8.0)
"""From which phi on an agent is suspected at level 1, 2 and 3."""
PHI_MAX = 100.0
AGENTS_MAX = 16_384
"""Agents that one detector watches; the one that was silent for longest goes."""

A = TypeVar("A", bound=Hashable)


class Rhythm(Struct, frozen=True, kw_only=True):
    """One agent's arrivals: when the last was, and the intervals before it, oldest first."""

    lease_s: float
    last_s: float
    """When it was heard last, by the hearer's monotonic clock."""
    intervals: tuple[float, ...] = ()
    """Seconds, at most WINDOW of them."""

    def heard(self, now_s: float, lease_s: float) -> Rhythm:
        """Give the rhythm after another arrival; `lease_s` is what the agent says now."""
        interval = max(0.0, now_s - self.last_s)
        learned = self.intervals
        if interval <= self.lease_s:
            learned = (*learned[1 - WINDOW :], interval)
        return Rhythm(lease_s=lease_s, last_s=max(now_s, self.last_s), intervals=learned)

    def phi(self, now_s: float) -> float:
        """Give the suspicion, from 0 to PHI_MAX; it never falls while the agent is silent."""
        mean, deviation, longest = self._expected()
        late = now_s - self.last_s - max(2 * mean, longest)
        tail = math.erfc(late / deviation / math.sqrt(2)) / 2
        return PHI_MAX if tail <= 10**-PHI_MAX else max(0.0, -math.log10(tail))

    def _expected(self) -> tuple[float, float, float]:
        """Give mean, deviation and longest of the intervals, in seconds."""
        if len(self.intervals) < START:
            mean = self.lease_s / 3
            return mean, max(DEVIATION_S_MIN, DEVIATION_MIN * mean), 0.0
        mean = math.fsum(self.intervals) / len(self.intervals)
        variance = math.fsum((one - mean) ** 2 for one in self.intervals) / len(self.intervals)
        deviation = max(DEVIATION_S_MIN, DEVIATION_MIN * mean, math.sqrt(variance))
        return mean, deviation, max(self.intervals)


def level(phi: float) -> int:
    """Give how strong a suspicion is: 0 (none) to 3."""
    return sum(phi >= threshold for threshold in LEVELS)


class Suspicion(Struct, frozen=True, kw_only=True):
    """What a detector thinks of an agent: integers, to be kept on disk."""

    level: int
    phi_milli: int
    """Phi in thousandths."""
    silent_ms: int
    """Milliseconds since the last arrival."""
    intervals_ms: tuple[int, ...]


class Detector(Generic[A]):
    """Watches agents by their arrivals. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._rhythms: dict[A, Rhythm] = {}
        """By agent, the one that was heard last at the end."""
        self._learned: dict[A, tuple[float, ...]] = {}
        """Intervals of agents that were not heard yet since this process began."""

    def restore(self, agent: A, intervals_ms: Iterable[int]) -> None:
        """Take what an earlier process learned of an agent; it counts from its next arrival on."""
        if len(self._learned) < AGENTS_MAX:
            self._learned[agent] = tuple(one / 1000 for one in intervals_ms)[-WINDOW:]

    def hear(self, agent: A, now_s: float, lease_s: float) -> None:
        """Note an arrival of a new beat."""
        known = self._rhythms.pop(agent, None)
        if known is None:
            learned = self._learned.pop(agent, ())
            self._rhythms[agent] = Rhythm(lease_s=lease_s, last_s=now_s, intervals=learned)
        else:
            self._rhythms[agent] = known.heard(now_s, lease_s)
        if len(self._rhythms) > AGENTS_MAX:
            del self._rhythms[next(iter(self._rhythms))]

    def forget(self, agent: A) -> None:
        """Watch an agent no longer: it left."""
        self._rhythms.pop(agent, None)
        self._learned.pop(agent, None)

    def suspicions(self, now_s: float) -> dict[A, Suspicion]:
        """Give what is thought of every agent that is watched."""
        return {agent: _suspicion(rhythm, now_s) for agent, rhythm in self._rhythms.items()}


def _suspicion(rhythm: Rhythm, now_s: float) -> Suspicion:
    phi = rhythm.phi(now_s)
    return Suspicion(
        level=level(phi),
        phi_milli=round(phi * 1000),
        silent_ms=max(0, round((now_s - rhythm.last_s) * 1000)),
        intervals_ms=tuple(round(one * 1000) for one in rhythm.intervals),
    )
