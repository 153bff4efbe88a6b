"""The one thread that may use the store, and how calls get to it.

A space is used from one thread, operations block, and a running test must end with the server. So
the process's main thread works off calls, where signals arrive and asyncio.run can be stopped by
one, and the protocol has a thread with an event loop of its own beside it.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Desk:
    """Work for one thread, handed in from an event loop in another, done in order."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )

    async def ask(self, work: Callable[[], T]) -> T:
        """Have work done and give what it gives, or raise what it raises.

        Whoever stops waiting before the work has begun calls it off; what has begun is finished.
        """
        future: Future[T] = Future()
        self._waiting.put((future, work))
        return await asyncio.wrap_future(future)

    def serve(self) -> None:
        """Do what is handed in, until the desk is closed."""
        while (item := self._waiting.get()) is not None:
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                future.set_exception(error)

    def close(self) -> None:
        """Let `serve` return after what it has at hand; may be called from any thread."""
        self._waiting.put(None)
