"""The hybrid logical clock: wall time where clocks agree, order where they do not.

A stamp is one integer: 48 bits of milliseconds since 1970 above 16 bits of counter, so that
comparing stamps is comparing integers. Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical
Physical Clocks", OPODIS 2014, section 3. The wall clock is always an argument.
"""

from __future__ import annotations

COUNTER_BITS = 16
DRIFT_MS_MAX = 5 * 60 * 1000
"""How far ahead of the wall clock a stamp may lie before it is "from the future"."""
MILLIS_MAX = (1 << 47) - 1
"""The top bit stays free: a stamp fits a signed 64-bit integer until the year 6429."""


def stamp(millis: int, counter: int = 0) -> int:
    """Pack milliseconds since 1970 (0 to MILLIS_MAX) and a counter (0 to 65,535)."""
    return millis << COUNTER_BITS | counter


def millis(at: int) -> int:
    """Give the milliseconds since 1970 that a stamp holds."""
    return at >> COUNTER_BITS


def tick(last: int, wall_ms: int) -> int:
    """Give the next stamp after `last` at wall time `wall_ms`.

    Adding one to the packed integer carries a full counter into the milliseconds, so the result
    is strictly above `last` whatever the wall clock does.
    """
    return max(last + 1, stamp(wall_ms))


def from_the_future(at: int, wall_ms: int) -> bool:
    """Tell whether a stamp lies further ahead of the wall clock than clocks may drift."""
    return millis(at) > wall_ms + DRIFT_MS_MAX


def observe(last: int, seen: int, wall_ms: int) -> int:
    """Give the clock after a stamp was received; one far ahead of the wall clock is not followed.

    Only half the drift is given away: with all of it a wall clock that is set back by a moment
    would find its own log in the future.
    """
    return last if from_the_future(seen, wall_ms + DRIFT_MS_MAX // -2) else max(last, seen)
