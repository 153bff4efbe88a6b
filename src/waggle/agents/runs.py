"""Runs: one agent's attempt at a task within a race, as entries, so that a race can be resumed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from waggle.log.entry import Body, Count, Entry, Id, Name
from waggle.store.views.view import Tables

Ended = Literal["done", "empty", "crashed", "timeout", "limit", "held", "stopped"]
"""How a run ended: with a result; without any change; by a signal or an error without a result;
past its time; with a result that breaks a limit or is held as a suspect; by the operator."""


class RunPlan(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One agent is to attempt a task: the command line it will be run with."""

    KIND: ClassVar[str] = "run.plan"
    TEXTS: ClassVar[tuple[str, ...]] = ("command",)
    REFS: ClassVar[tuple[str, ...]] = ("task",)
    task: Id
    slot: Annotated[int, Meta(ge=1, le=9999)]
    name: Name
    command: Annotated[str, Meta(min_length=1, max_length=4096)]
    model: Name | None = None
    vendor: Name | None = None


class RunEnd(Body, frozen=True, kw_only=True, omit_defaults=True):
    """How a run ended."""

    KIND: ClassVar[str] = "run.end"
    TEXTS: ClassVar[tuple[str, ...]] = ("note",)
    REFS: ClassVar[tuple[str, ...]] = ("task", "candidate")
    task: Id
    slot: Annotated[int, Meta(ge=1, le=9999)]
    status: Ended
    exit: int | None = None
    duration_ms: Count = 0
    candidate: Id | None = None
    note: Annotated[str, Meta(max_length=2048)] = ""


class Run(Struct, frozen=True, kw_only=True):
    """A run as the view has it; `status` is None until it ended."""

    task: str
    slot: int
    name: str
    command: str
    model: str | None
    vendor: str | None
    status: Ended | None
    exit: int | None
    duration_ms: int
    candidate: str | None
    note: str

    @property
    def label(self) -> str:
        """The run's name in refs and folders."""
        return f"run-{self.slot}"


class RunFold:
    """The fold of runs: per task and slot, the first plan and the latest end of one replica."""

    name = "runs"
    version = 1
    kinds: tuple[type[Body], ...] = (RunPlan, RunEnd)
    schema = """
CREATE TABLE run_plan(task TEXT, replica TEXT, slot INTEGER, name TEXT NOT NULL,
  command TEXT NOT NULL, model TEXT, vendor TEXT, at INTEGER NOT NULL,
  PRIMARY KEY(task, replica, slot)) WITHOUT ROWID;
CREATE TABLE run_end(task TEXT, replica TEXT, slot INTEGER, status TEXT NOT NULL, exit INTEGER,
  duration_ms INTEGER NOT NULL, candidate TEXT, note TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(task, replica, slot)) WITHOUT ROWID;
"""
    digests: Mapping[str, str] = {
        "run_plan": "SELECT * FROM run_plan ORDER BY task, replica, slot",
        "run_end": "SELECT * FROM run_end ORDER BY task, replica, slot",
    }

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch."""
        for entry in entries:
            body = entry.body
            if isinstance(body, RunPlan):
                tables.db.execute(
                    """INSERT INTO run_plan VALUES(?,?,?,?,?,?,?,?)
                    ON CONFLICT DO UPDATE SET name=excluded.name, command=excluded.command,
                      model=excluded.model, vendor=excluded.vendor, at=excluded.at
                    WHERE excluded.at < at""",
                    (body.task, entry.replica, body.slot, body.name, body.command, body.model,
                     body.vendor, entry.at),
                )  # fmt: skip
            elif isinstance(body, RunEnd):
                tables.db.execute(
                    """INSERT INTO run_end VALUES(?,?,?,?,?,?,?,?,?)
                    ON CONFLICT DO UPDATE SET status=excluded.status, exit=excluded.exit,
                      duration_ms=excluded.duration_ms, candidate=excluded.candidate,
                      note=excluded.note, at=excluded.at
                    WHERE excluded.at > at""",
                    (body.task, entry.replica, body.slot, body.status, body.exit,
                     body.duration_ms, body.candidate, body.note, entry.at),
                )  # fmt: skip


RUN_FOLD = RunFold()


def runs(db: sqlite3.Connection, task: str, replica: str | None = None) -> list[Run]:
    """Give the runs of a task, of one replica or of all, in order of slots."""
    rows = db.execute(
        """SELECT p.task, p.slot, p.name, p.command, p.model, p.vendor, e.status, e.exit,
          coalesce(e.duration_ms, 0), e.candidate, coalesce(e.note, '')
        FROM run_plan p LEFT JOIN run_end e USING (task, replica, slot)
        WHERE p.task = ?1 AND (?2 IS NULL OR p.replica = ?2) ORDER BY p.slot, p.replica""",
        (task, replica),
    )
    names = Run.__struct_fields__
    return [Run(**dict(zip(names, row, strict=True))) for row in rows]
