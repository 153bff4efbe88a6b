"""The signals that ask this process to end, and heeding them for a while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType


def ending() -> list[signal.Signals]:
    """Give those besides Ctrl-C that the system has and this process heeds.

    SIGHUP tells that the terminal closed. Where it is ignored, as under nohup, it stays ignored.
    """
    known = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
    return [one for one in known if one and signal.getsignal(one) is not signal.SIG_IGN]


@contextmanager
def handled(
    numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Let a handler have these signals, and give them back; for the main thread."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def heeded(numbers: Iterable[signal.Signals], then: Callable[[], object]) -> Iterator[None]:
    """Let the running loop call `then` when one of these signals comes; for the main thread.

    Not by the loop's own handlers, which some systems' loops do not have.
    """
    loop = asyncio.get_running_loop()

    def call(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(then)

    with handled(numbers, call):
        yield
