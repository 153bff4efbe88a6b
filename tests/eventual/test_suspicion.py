"""The failure detector: it learns a rhythm, and suspects silence that is unlike it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.eventual.suspicion import AGENTS_MAX, PHI_MAX, START, WINDOW, Detector, Rhythm, level

LEASE_S = 1800.0
INTERVALS = st.lists(st.floats(0.01, LEASE_S - 1), max_size=2 * WINDOW)
"""Within the lease by more than sums of floats may differ."""


def after(intervals: Sequence[float], *, start_s: float = 0.0, lease_s: float = LEASE_S) -> Rhythm:
    """A rhythm after these intervals."""
    now_s = start_s
    rhythm = Rhythm(lease_s=lease_s, last_s=now_s)
    for interval in intervals:
        now_s += interval
        rhythm = rhythm.heard(now_s, lease_s)
    return rhythm


def suspected(rhythm: Rhythm, silent_s: float) -> int:
    return level(rhythm.phi(rhythm.last_s + silent_s))


def test_a_regular_agent_is_suspected_within_a_few_missed_beats() -> None:
    regular = after([10.0] * START)
    assert [suspected(regular, silent) for silent in (0, 10, 20)] == [0, 0, 0], "one may be lost"
    assert suspected(regular, 30) >= 1
    assert suspected(regular, 40) == 3


def test_an_agent_that_thinks_for_minutes_is_not_suspected_for_it() -> None:
    thinker = after([300.0] * START)
    assert suspected(thinker, 360) == 0
    assert suspected(thinker, 1200) == 3


def test_an_agent_of_two_rhythms_is_not_suspected_while_it_thinks() -> None:
    mixed = after(([10.0] * 12 + [300.0]) * 4)
    assert suspected(mixed, 360) == 0
    assert suspected(mixed, 900) == 3


def test_a_new_rhythm_is_learned() -> None:
    changed = after([10.0] * 50 + [120.0] * WINDOW)
    assert suspected(changed, 200) == 0
    back = after([120.0] * 50 + [10.0] * WINDOW)
    assert suspected(back, 60) == 3


def test_a_little_noise_changes_little() -> None:
    noisy = after([10.0, 9.5, 10.5, 10.2] * 8)
    assert suspected(noisy, 21) == 0
    assert suspected(noisy, 45) == 3


@pytest.mark.parametrize("lease_s", [10.0, 300.0, 3600.0])
def test_before_a_rhythm_is_known_the_lease_stands_in(lease_s: float) -> None:
    new = after([1.0] * (START - 1), lease_s=lease_s)
    assert suspected(new, lease_s * 2 / 3) == 0
    assert suspected(new, lease_s * 1.5) >= 1


def test_a_silence_beyond_the_lease_is_not_learned() -> None:
    away = after([10.0] * START + [LEASE_S + 1] + [10.0])
    assert away.intervals == (10.0,) * (START + 1)


@given(INTERVALS, st.lists(st.floats(0, 10 * LEASE_S), min_size=2, max_size=20))
def test_phi_never_falls_in_silence(intervals: list[float], moments: list[float]) -> None:
    rhythm = after(intervals)
    seen = [rhythm.phi(rhythm.last_s + moment) for moment in sorted(moments)]
    assert all(0.0 <= phi <= PHI_MAX for phi in seen)
    assert all(one <= other + 1e-9 for one, other in pairwise(seen))


@given(INTERVALS, st.floats(0, 1e6))
def test_only_differences_of_times_matter(intervals: list[float], start_s: float) -> None:
    one, other = after(intervals), after(intervals, start_s=start_s)
    for silent in (0.0, 30.0, 600.0):
        phi = one.phi(one.last_s + silent)
        assert other.phi(other.last_s + silent) == pytest.approx(phi, rel=1e-3, abs=1e-3)


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_no_arrival_times_break_it(times: list[float]) -> None:
    rhythm = Rhythm(lease_s=LEASE_S, last_s=0.0)
    for now_s in times:
        rhythm = rhythm.heard(now_s, LEASE_S)
        assert 0.0 <= rhythm.phi(now_s) <= PHI_MAX
    assert len(rhythm.intervals) <= WINDOW
    assert all(0.0 <= interval <= LEASE_S for interval in rhythm.intervals)


def test_a_detector_tells_agents_apart_and_forgets_who_left() -> None:
    detector = Detector[str]()
    for beat in range(20):
        detector.hear("quick", beat * 10.0, 300.0)
        detector.hear("gone", beat * 10.0, 300.0)
    detector.hear("new", 230.0, 300.0)
    detector.forget("gone")
    found = detector.suspicions(240.0)
    assert {agent: one.level for agent, one in found.items()} == {"quick": 3, "new": 0}
    assert found["quick"].silent_ms == 50_000


def test_what_was_learned_outlives_the_process() -> None:
    before = Detector[str]()
    for beat in range(20):
        before.hear("ann", beat * 300.0, LEASE_S)
    learned = before.suspicions(20 * 300.0)["ann"].intervals_ms
    later = Detector[str]()
    later.restore("ann", learned)
    later.hear("ann", 5.0, LEASE_S)
    assert later.suspicions(365.0)["ann"].level == 0
    assert later.suspicions(1300.0)["ann"].level == 3


def test_a_flood_of_agents_is_bounded() -> None:
    detector = Detector[int]()
    for number in range(AGENTS_MAX + 10):
        detector.hear(number, float(number), 300.0)
    watched = detector.suspicions(0.0)
    assert len(watched) == AGENTS_MAX
    assert 0 not in watched, "whoever was silent for longest goes"
