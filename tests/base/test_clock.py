"""The laws of the hybrid logical clock, and of its drift."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from waggle.base.clock import (
    DRIFT_MS_MAX,
    MILLIS_MAX,
    from_the_future,
    millis,
    observe,
    stamp,
    tick,
)

WALLS = st.integers(0, MILLIS_MAX)
STAMPS = st.builds(stamp, WALLS, st.integers(0, 0xFFFF))


@given(STAMPS, WALLS)
def test_a_tick_rises_whatever_the_wall_clock_does(last: int, wall: int) -> None:
    assert tick(last, wall) > last


@given(STAMPS, WALLS)
def test_a_tick_is_never_behind_the_wall_clock(last: int, wall: int) -> None:
    assert millis(tick(last, wall)) >= wall


@given(STAMPS, WALLS)
def test_a_tick_never_runs_ahead_of_both(last: int, wall: int) -> None:
    assert tick(last, wall) <= max(last + 1, stamp(wall))


@given(st.lists(WALLS, min_size=1, max_size=50))
def test_a_run_of_ticks_is_strictly_ordered(walls: list[int]) -> None:
    last, seen = 0, []
    for wall in walls:
        last = tick(last, wall)
        seen.append(last)
    assert seen == sorted(set(seen))


@given(st.integers(0, MILLIS_MAX), st.integers(0, 0xFFFF))
def test_a_stamp_keeps_its_milliseconds_and_fits_signed_64_bits(ms: int, counter: int) -> None:
    assert millis(stamp(ms, counter)) == ms
    assert stamp(ms, counter) < 2**63


@given(STAMPS, STAMPS)
def test_stamps_compare_as_their_times_do(one: int, other: int) -> None:
    if millis(one) < millis(other):
        assert one < other


def test_a_full_counter_carries_into_the_milliseconds() -> None:
    assert tick(stamp(7, 0xFFFF), 0) == stamp(8, 0)


@given(STAMPS, STAMPS, WALLS)
def test_observing_never_goes_back_nor_past_the_drift(last: int, seen: int, wall: int) -> None:
    after = observe(last, seen, wall)
    assert after >= last
    assert after == last or millis(after) <= wall + DRIFT_MS_MAX


@given(STAMPS, st.lists(STAMPS, max_size=6), WALLS)
def test_observing_is_independent_of_order_and_repetition(
    last: int, seen: list[int], wall: int
) -> None:
    def all_of(stamps: list[int]) -> int:
        clock = last
        for item in stamps:
            clock = observe(clock, item, wall)
        return clock

    assert all_of(seen) == all_of(seen[::-1]) == all_of(seen + seen)


def test_the_future_begins_after_the_drift() -> None:
    assert not from_the_future(stamp(1000 + DRIFT_MS_MAX, 0xFFFF), 1000)
    assert from_the_future(stamp(1001 + DRIFT_MS_MAX), 1000)
