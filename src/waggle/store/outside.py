"""What comes from outside: the wall clock, randomness, and where a crash test looks in.

Everything below the faces gets these as arguments, so that every run can be replayed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _ignore(_phase: str) -> None:
    return


class Outside:
    """The world: `now_ms()` since 1970, `entropy(n)` random bytes, `reached(phase)` in sealing."""

    __slots__ = ("entropy", "now_ms", "reached")

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
        reached: Callable[[str], None] = _ignore,
    ) -> None:
        self.now_ms = now_ms
        self.entropy = entropy
        self.reached = reached
