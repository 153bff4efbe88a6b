"""What a node's work runs on: tasks of the event loop, and threads with spaces of their own.

    the event loop   new lines out, lines in, questions (milliseconds)
    frames           git objects of frames that came live (tens of milliseconds)
    git              sealing, fetching and pushing (seconds, or until a host gives up), one a remote
    asking           waiting for answers, and finding them (up to seconds)

So nothing slow holds up anything quick. A space is used from one thread only, so each thread that
needs spaces opens its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from waggle.store.space import Space

T = TypeVar("T")
ASKING_MAX = 4
"""Questions under way at once."""
ANSWERING_MAX = 2


class Crew:
    """All of it, for as long as its context lasts; a task that fails ends that, with its error."""

    def __init__(self, open_space: Callable[[str], Space]) -> None:
        self._open_space = open_space
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._pool = ThreadPoolExecutor(ASKING_MAX + ANSWERING_MAX, "waggle-ask")
        self._stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
        self._frames = self._stack.enter_context(_Thread(self._open_space, "waggle-frames"))
        self._git: dict[str, _Thread] = {}
        self._threads = self._stack.enter_context(ExitStack())
        self._tasks = await self._stack.enter_async_context(_Tasks())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run something on the event loop, until it is done or the context ends."""
        self._tasks.start(work)

    async def ask(self, work: Callable[[], T]) -> T:
        """Do something that waits for others, on a thread without a space."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def frames(self, space: str, work: Callable[[Space], T]) -> T:
        """Do something with frames, on their thread."""
        return await self._frames.run(space, work)

    async def git(self, remote: str, space: str, work: Callable[[Space], T]) -> T:
        """Do something that may take as long as a host takes, on the thread of that remote."""
        if remote not in self._git:
            thread = _Thread(self._open_space, f"waggle-git-{remote}")
            self._git[remote] = self._threads.enter_context(thread)
        return await self._git[remote].run(space, work)


class _Thread:
    """A thread with spaces of its own, opened when they are first used and closed there."""

    def __init__(self, open_space: Callable[[str], Space], name: str) -> None:
        self._open_space = open_space
        self._pool = ThreadPoolExecutor(1, name)
        self._spaces: dict[str, Space] = {}

    async def run(self, space: str, work: Callable[[Space], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, space, work)

    def _do(self, name: str, work: Callable[[Space], T]) -> T:
        if name not in self._spaces:
            self._spaces[name] = self._open_space(name)
        return work(self._spaces[name])

    def _close(self) -> None:
        for space in self._spaces.values():
            space.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.submit(self._close)
        self._pool.shutdown()


class _Tasks:
    """Tasks beside a body: they end with it, and one that fails ends it, with its own error."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in tuple(self._running):
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
