"""An agent that works on the task set at random, as a process of its own.

Started as `python task_worker.py JSON`. It says `ready`, waits for a line on standard input, runs
the operations that agents run, and says each as a line of JSON once it was acknowledged.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from random import Random

import msgspec

from waggle.base.errors import WaggleError
from waggle.faces import machine
from waggle.faces.ops import registry
from waggle.faces.ops.context import Context
from waggle.faces.ops.task_claim import Released, Taken
from waggle.faces.ops.task_edit import TaskWritten
from waggle.faces.ops.task_lists import TaskRows
from waggle.faces.ops.task_shapes import TaskRow
from waggle.faces.ops.tasks import TaskAdded

OPERATIONS = ("add", "edit", "edit", "edit", "edit", "take", "take", "release", "done", "remove")
TITLES = ("name the bees", "name all bees", "count the bees", "feed the bees")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Who works where, and how much."""

    folder: str
    name: str
    seed: int
    operations: int


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


class Worker:
    """One agent."""

    def __init__(self, job: Job) -> None:
        self.random = Random(job.seed)
        environ = {**os.environ, "WAGGLE_AGENT": job.name}
        self.context = Context(cwd=job.folder, environ=environ, outside=machine.outside())

    def run(self, name: str, **fields: object) -> msgspec.Struct:
        operation = registry.find(f"task {name}")
        return operation.run(self.context, operation.request(**fields))

    def rows(self, **fields: object) -> list[TaskRow]:
        rows = self.run("list", limit=0, **fields)
        assert isinstance(rows, TaskRows)
        return rows.tasks

    def a_task(self) -> str:
        """Give one of a few tasks, so that agents meet."""
        return self.random.choice(sorted(task.id for task in self.rows(all=True))[:12])

    def step(self) -> dict[str, object]:
        """Do something and say what came of it; what was refused was not written."""
        name = self.random.choice(OPERATIONS)
        try:
            return {"op": name, **self.act(name)}
        except WaggleError as error:
            if error.code not in {"invalid", "not_found"}:
                raise
            return {"op": f"{name}: refused"}

    def act(self, name: str) -> dict[str, object]:
        draw = self.random
        if name == "add":
            added = self.run(name, title=draw.choice(TITLES), depends=(self.a_task(),))
            assert isinstance(added, TaskAdded)
            return {"entry": added.task.id}
        if name == "release":
            mine = [task.id for task in self.rows(mine=True)]
            released = self.run(name, task=draw.choice(mine or [self.a_task()]))
            assert isinstance(released, Released)
            return {}
        task, over = self.a_task(), draw.choice(((), ("all",)))
        if name == "take":
            taken = self.run(name, task=task, anyway=draw.random() < 0.2)
            assert isinstance(taken, Taken)
            return {"entry": taken.claim}
        values: Mapping[str, object] = {}
        if name == "edit":
            edits: tuple[Mapping[str, object], ...] = (
                {"title": draw.choice(TITLES)},
                {"priority": draw.randrange(3)},
                {"state": draw.choice(("open", "open", "dropped"))},
                {"note": draw.choice(TITLES)},
            )
            values = draw.choice(edits)
        written = self.run(name, task=task, supersedes=over, **values)
        assert isinstance(written, TaskWritten)
        return {"entry": written.entry}


def main() -> None:
    job = msgspec.json.decode(sys.argv[1], type=Job)
    worker = Worker(job)
    _ = worker.context.space.db
    say("ready")
    sys.stdin.readline()
    for _ in range(job.operations):
        say(json.dumps(worker.step()))
    worker.context.close()


if __name__ == "__main__":
    main()
