"""What the checks look at, and how they say what they found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct

from waggle.store.outside import Outside
from waggle.store.own.journal import Journal
from waggle.store.repo.git import Git
from waggle.store.repo.locate import Repository
from waggle.store.repo.objects import Objects

Severity = Literal["ok", "note", "warning", "error"]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One finding: a stable code, how bad it is, what it is, and the safe next step.

    Invariant: the next step is empty exactly where all is well.
    """

    code: str
    severity: Severity
    what: str
    next_step: str = ""


Found = Iterator[Diagnosis]


class Patient:
    """What the checks look at; opened when a check first needs it."""

    def __init__(
        self, repository: Repository, environ: Mapping[str, str], outside: Outside
    ) -> None:
        self.repository = repository
        self.common_dir = repository.common_dir
        self.store_dir = repository.store_dir
        self.environ = environ
        self.now_ms = outside.now_ms()
        self.git = Git(repository.common_dir, environ=environ)
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """The store's journal."""
        if self._journal is None:
            self._journal = Journal(self.store_dir)
        return self._journal

    @cached_property
    def objects(self) -> Objects:
        """The repository's objects and refs."""
        return Objects(self.common_dir)

    @cached_property
    def spaces(self) -> list[str]:
        """The names of the spaces that hold anything."""
        rows = self.journal.db.execute("SELECT space FROM entry UNION SELECT space FROM tip")
        return sorted(space for (space,) in rows)

    def tips(self, space: str) -> list[tuple[str, str, int]]:
        """Give (replica, newest frame, last seq) of every log that was verified."""
        rows: list[tuple[str, str, int]] = self.journal.db.execute(
            "SELECT replica, oid, seq FROM tip WHERE space=? ORDER BY replica, seq", (space,)
        ).fetchall()
        return rows

    def age_ms(self, path: str) -> int:
        """Give how long ago a file was changed."""
        return self.now_ms - int(os.stat(path).st_mtime * 1000)

    def close(self) -> None:
        """Close what was opened."""
        if self._journal is not None:
            self._journal.close()


def note(code: str, what: str, next_step: str) -> Diagnosis:
    """Give something to know of."""
    return Diagnosis(code=code, severity="note", what=what, next_step=next_step)


def warning(code: str, what: str, next_step: str) -> Diagnosis:
    """Give something that will do harm if it stays."""
    return Diagnosis(code=code, severity="warning", what=what, next_step=next_step)


def error(code: str, what: str, next_step: str) -> Diagnosis:
    """Give something that is broken."""
    return Diagnosis(code=code, severity="error", what=what, next_step=next_step)


def span(ms: int) -> str:
    """Give a duration in milliseconds as people say it."""
    seconds = ms // 1000
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
