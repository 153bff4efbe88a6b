"""The library's own face: opening a space, choosing, and running a node in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.choice import ballot, outcome
from waggle.choice.outcome import Outcome
from waggle.choice.rules import DEFAULT
from waggle.eventual.tasks import find_task
from waggle.faces import machine
from waggle.log.entry import Entry
from waggle.store import waiting
from waggle.store.repo.locate import find
from waggle.store.space import Space

if TYPE_CHECKING:
    from waggle.sync.node.node import Node


class OpenSpace(Space):
    """A space, open in this process; with `async with` this replica's node runs beside it.

    async with waggle.open("repository") as space:
        space.append(draft, by=me)              # goes out at once
        async for entry in space.follow():      # what comes, from others and from here
            ...
    """

    _node: Node | None = None
    _stack: AsyncExitStack

    async def __aenter__(self) -> Self:
        """Run the node; raise `busy` where another process runs it, `invalid` for bad settings."""
        from waggle.faces.live import open_node  # it loads Zenoh

        node = open_node(self._again, [self.name], self.repository.git_dir, os.environ)
        self._stack = AsyncExitStack()
        self._node = await self._stack.enter_async_context(node.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._node = None
        await self._stack.aclose()
        self.close()

    def token(self) -> str:
        """Give a token of all that is seen here now, own writes among it (log/vector.py)."""
        return waiting.token(self)

    def wait_for(self, token: str, seconds: float = 10.0) -> None:
        """Return once what a token names is seen here; raise `behind` after so many seconds.

        Blocks this thread; on an event loop use `asyncio.to_thread` with a space of its own.
        """
        waiting.wait_for(self, token, seconds, machine.monotonic_s, machine.sleep_s)

    def _again(self, name: str) -> Space:
        return Space(self.repository, name, FOLDS, self.outside)

    async def follow(self) -> AsyncIterator[Entry]:
        """Give every entry that comes to count here from now on, each once, own ones too.

        The entries of one log come in order. Whoever is slow loses nothing: they wait in the logs.
        """
        if self._node is None:
            raise WaggleError(
                "usage", "nothing can be followed without a node", "Use `async with waggle.open()`."
            )
        _ = self.db
        seen = self.view.admitted()
        while self._node is not None:
            for entry in self.counted.fresh(seen):
                yield entry
            node = self._node
            if node is not None:
                async with node.changed:
                    await node.changed.wait()


def open(  # noqa: A001 - waggle.open reads well
    path: str = ".", space: str = "main", *, init: bool = False
) -> OpenSpace:
    """Open a space of the repository that `path` lies in; close it, or use it with `with`.

    With `async with` this replica's node runs as long as the context lasts. With `init`, the store
    is made where there is none. Raises WaggleError: `no_repository`, `not_initialised`,
    `environment`, `damaged`.
    """
    repository = find(path, os.environ)
    outside = machine.outside()
    if init:
        from waggle.store.setup import initialise  # it loads libgit2

        initialise(repository, outside)
    return OpenSpace(repository, space, FOLDS, outside)


def choose(space: Space, task: str, rule: str | None = None) -> Outcome:
    """Choose among a task's candidates, by the task's rule, another, or the default.

    `task` is an id or an unambiguous beginning of one. Raises `not_found`, `ambiguous`, `invalid`.
    """
    db = space.db
    found = find_task(db, task)
    stages = outcome.parse(rule or found.body.rule or DEFAULT)
    firsts = None
    if found.body.electorate:
        firsts = ballot.first_approvals(db, found.id, found.body.electorate)
    return outcome.choose(
        ballot.read(db, found.id), stages, first_approvals=firsts, forked=space.folding.forked
    )
