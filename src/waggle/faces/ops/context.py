"""Where an operation runs: the folder, the environment, who acts, and the open space."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from waggle.agents.events import Event
from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.base.ids import check_prefix
from waggle.choice.ballot import find_candidate
from waggle.eventual.tasks import Task, find_task, tasks
from waggle.faces.acting import acting
from waggle.faces.place import place
from waggle.log.entry import Agent, Body
from waggle.store.outside import Outside
from waggle.store.own.journal import Written
from waggle.store.repo.locate import Repository, find
from waggle.store.space import Space

B = TypeVar("B", bound=Body)
MAIN = "main"
"""The space that is used where none is named."""


class Context:
    """One call of one operation."""

    def __init__(  # noqa: PLR0913 - each is one fact about the call
        self,
        *,
        cwd: str,
        environ: Mapping[str, str],
        outside: Outside,
        space: str | None = None,
        key: str | None = None,
        acting: str | None = None,
        model: str | None = None,
        vendor: str | None = None,
        listen: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self.cwd = cwd
        self.environ = environ
        self.outside = outside
        self.key = key
        self.listen = listen
        """Is told what happens in long work; a face shows it."""
        self._asked = space or environ.get("WAGGLE_SPACE")
        self._acting = acting
        self._model = model
        self._vendor = vendor
        self._space: Space | None = None

    @property
    def repository(self) -> Repository:
        """The repository whose store is used, with the work tree that the caller stands in."""
        return place(self.cwd, self.environ)

    @property
    def here(self) -> Repository:
        """The repository that the folder lies in: an agent's own clone, or the same."""
        return find(self.cwd, self.environ)

    @property
    def space(self) -> Space:
        """The open space."""
        if self._space is None:
            self._space = self.open_space()
        return self._space

    @property
    def opened(self) -> bool:
        """Whether anything was read or written through this call."""
        return self._space is not None

    def open_space(self, name: str | None = None) -> Space:
        """Open a space, for another thread or by another name; the caller closes it."""
        return Space(self.repository, name or self._asked or MAIN, FOLDS, self.outside)

    @property
    def carried(self) -> tuple[str, ...]:
        """The spaces to sync: the one that was asked for, the settings', or all that are here."""
        if self._asked:
            return (self._asked,)
        here = dict.fromkeys((MAIN, *self.space.journal.spaces()))
        return self.space.config.spaces or tuple(here)

    @property
    def by(self) -> Agent:
        """Who acts: `--as`, WAGGLE_AGENT, or the user."""
        return Agent(**acting(self.environ, self._acting, self._model, self._vendor))

    def task(self, prefix: str | None) -> Task:
        """Give the task of an abbreviated id; without one, WAGGLE_TASK or the newest task."""
        db = self.space.db
        wanted = prefix or self.environ.get("WAGGLE_TASK")
        if wanted:
            return find_task(db, check_prefix(wanted))
        for task in tasks(db, 1):
            return task
        raise WaggleError("not_found", "there is no task yet", "Add one: `waggle task add TITLE`.")

    def candidate(self, prefix: str) -> str:
        """Give the whole id of a candidate."""
        return find_candidate(self.space.db, check_prefix(prefix))

    @property
    def worktrees(self) -> str:
        """Where worktrees are made: the user's cache, outside every repository."""
        home = self.environ.get("HOME") or os.path.expanduser("~")
        cache = self.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
        named = self.environ.get("WAGGLE_WORKTREES")
        return os.path.abspath(named or os.path.join(cache, "waggle", "worktrees"))

    def recorded(self, written: Written, kind: type[B]) -> B:
        """Give what an entry says: for a repeated key that is the first call's, not this one's.

        Raises `invalid` where the key belongs to another kind of write.
        """
        for link in self.space.counted.every(self.space.replica):
            if link.id == written.id and link.envelope.kind == kind.KIND:
                return msgspec.json.decode(link.line, type=kind)
        raise WaggleError(
            "invalid",
            f"the key {self.key!r} was used for another write",
            "Give each write a key of its own; only a repeat of the same write may reuse it.",
        )

    def close(self) -> None:
        """Close what was opened."""
        if self._space is not None:
            self._space.close()
