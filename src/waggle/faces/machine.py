"""The real clock and real randomness: nothing below the faces reads either."""

from __future__ import annotations

import os
import time

from waggle.store.outside import Outside


def now_ms() -> int:
    """Give the wall clock in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Give seconds that only go forward."""
    return time.monotonic()


def sleep_s(seconds: float) -> None:
    """Let time go by."""
    time.sleep(seconds)


def clock_time() -> str:
    """Give the time of day here, as people read it."""
    return time.strftime("%H:%M:%S")


def outside() -> Outside:
    """Give the real world."""
    return Outside(now_ms=now_ms, entropy=os.urandom)
