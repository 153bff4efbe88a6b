"""`task list`, `task ready` and `task show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from waggle.eventual import task_claims, task_ready, task_registers, task_similar, tasks
from waggle.eventual.task_similar import Similar
from waggle.eventual.tasks import Task
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, TaskArg, opt
from waggle.faces.ops.shapes import printable, short
from waggle.faces.ops.task_shapes import (
    ConflictShape,
    Lost,
    TaskRow,
    agent,
    conflicts,
    lost,
    row,
    show_conflicts,
    show_lost,
    show_row,
    show_similar,
    until,
    writer,
)

LabelOpt = Annotated[tuple[str, ...], opt("only tasks with this label", "LABEL")]


class ListRequest(Struct, frozen=True, kw_only=True):
    """List tasks with how they stand."""

    state: Annotated[Literal["open", "done", "dropped"], opt("only tasks in this state")] = "open"
    label: LabelOpt = ()
    mine: Annotated[bool, opt("only tasks that you claimed, whatever their state")] = False
    conflicts: Annotated[bool, opt("only tasks with a conflict, whatever their state")] = False
    all: Annotated[bool, opt("tasks in every state, removed ones too")] = False
    limit: Annotated[int, opt("how many; 0 for all", "N", least=0)] = 50


class TaskRows(Struct, frozen=True, kw_only=True):
    """Tasks, the most urgent first, then the oldest."""

    tasks: list[TaskRow]
    cycles: list[tuple[str, ...]]
    """Open tasks that wait for one another in a circle; none of them gets ready."""
    lost: list[Lost]
    """Claims of the caller's that lost to another agent's."""


def _list(ctx: Context, request: ListRequest) -> TaskRows:
    db = ctx.space.db
    if request.mine:
        found = _mine(ctx, request)
    else:
        anything = request.all or request.conflicts
        found = task_ready.listed(
            db,
            request.limit or -1,
            state=None if anything else request.state,
            labels=request.label,
            conflicts=request.conflicts,
            removed=request.all,
        )
    return _rows(ctx, found)


def _mine(ctx: Context, request: ListRequest) -> list[Task]:
    """Give the tasks that the caller claimed, the latest claim first."""
    db = ctx.space.db
    own = task_claims.of_writer(db, writer(ctx), ctx.outside.now_ms())
    found = tasks.some(db, dict.fromkeys(claim.task for claim in own))
    fitting = [task for task in found if set(request.label) <= set(task.body.labels)]
    return fitting[: request.limit or None]


def _rows(ctx: Context, found: list[Task]) -> TaskRows:
    return TaskRows(
        tasks=[row(ctx, task) for task in found],
        cycles=task_ready.cycles(ctx.space.db),
        lost=lost(ctx),
    )


def _show_rows(result: TaskRows) -> Iterator[str]:
    for one in result.tasks:
        yield from show_row(one)
    for circle in result.cycles:
        yield f"waiting in a circle: {_circle(circle)}"
    yield from show_lost(result.lost)


def _circle(ids: tuple[str, ...]) -> str:
    return " → ".join(short(entry) for entry in (*ids, ids[0]))


def _show_list(result: TaskRows) -> Iterator[str]:
    if not result.tasks:
        yield "no such task; see all: waggle task list --all"
    yield from _show_rows(result)


TASK_LIST = Operation(
    name="task list",
    request=ListRequest,
    run=_list,
    show=_show_list,
    about="List tasks with how they stand: open ones, the most urgent first.",
    example="waggle task list --label parser --all",
)


class ReadyRequest(Struct, frozen=True, kw_only=True):
    """List the tasks that can be worked on."""

    label: LabelOpt = ()
    limit: Annotated[int, opt("how many; 0 for all", "N", least=0)] = 20


def _ready(ctx: Context, request: ReadyRequest) -> TaskRows:
    now_ms = ctx.outside.now_ms()
    found = task_ready.ready(ctx.space.db, now_ms, request.limit or -1, request.label)
    return _rows(ctx, found)


def _show_ready(result: TaskRows) -> Iterator[str]:
    if not result.tasks:
        yield "no task is ready; see what the others wait for: waggle task list"
    yield from _show_rows(result)


TASK_READY = Operation(
    name="task ready",
    request=ReadyRequest,
    run=_ready,
    show=_show_ready,
    about="List the tasks to work on: open, waiting for no other, claimed by nobody.",
    example="waggle task ready --limit 5",
)


class ShowRequest(Struct, frozen=True, kw_only=True):
    """Show a task with everything that is known of it."""

    task: TaskArg = None


class ClaimShape(Struct, frozen=True, kw_only=True):
    """A claim that holds; the first one wins."""

    id: str
    by: str
    until: str


class NeededShape(Struct, frozen=True, kw_only=True):
    """A task that the shown one depends on."""

    id: str
    state: str


class TaskDetail(Struct, frozen=True, kw_only=True):
    """A task with everything that is known of it."""

    task: TaskRow
    prompt: str
    note: str
    result: str | None
    """The candidate that came out of the work, where one was named."""
    conflicts: list[ConflictShape]
    claims: list[ClaimShape]
    needs: list[NeededShape]
    dependents: list[str]
    cycle: tuple[str, ...]
    """The way on which it waits for itself; empty where it does not."""
    similar: list[Similar] = msgspec.field(default_factory=list)


def _show(ctx: Context, request: ShowRequest) -> TaskDetail:
    db, task = ctx.space.db, ctx.task(request.task)
    fields = tasks.registers(db, task.id)
    held = task_claims.claims(db, task.id, ctx.outside.now_ms())
    return TaskDetail(
        task=row(ctx, task),
        prompt=task.prompt,
        note=str(fields["note"].shown),
        result=task_registers.result(fields),
        conflicts=conflicts(fields),
        claims=[ClaimShape(id=one.id, by=one.by, until=until(one.ends_ms)) for one in held],
        needs=[NeededShape(id=one.id, state=one.state) for one in task_ready.needed(db, task.id)],
        dependents=task_ready.dependents(db, task.id),
        cycle=task_ready.cycle_through(db, task.id),
        similar=task_similar.similar(db, task.body.title, (task.at, task.id)),
    )


def _show_detail(result: TaskDetail) -> Iterator[str]:
    yield from show_row(result.task)
    for name, text in (("prompt", result.prompt), ("note", result.note)):
        if text and text != result.task.title:
            yield from (f"{name}: {printable(line)}" for line in text.splitlines())
    if result.result:
        yield f"result: candidate {short(result.result)}"
    for claim in result.claims[1:]:
        yield f"also claimed by {agent(claim.by)}: lost to {agent(result.claims[0].by)}"
    for one in result.needs:
        yield f"depends on {short(one.id)} ({one.state})"
    if result.dependents:
        yield f"waited for by {' '.join(short(entry) for entry in result.dependents)}"
    if result.cycle:
        yield f"waits for itself: {_circle(result.cycle)}"
    yield from show_conflicts(result.conflicts)
    yield from show_similar(result.similar)
    yield f"to write over all this: --supersedes {result.task.seen}"


TASK_SHOW = Operation(
    name="task show",
    request=ShowRequest,
    run=_show,
    show=_show_detail,
    about="Show a task: its fields, conflicts, claims, what it waits for and what waits for it.",
    example="waggle task show 3fa2b1c0",
)
