"""`task edit`, `task done` and `task remove`: writes over what their author saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import UNSET, Struct

from waggle.base.errors import WaggleError
from waggle.eventual import task_claims, task_ready, tasks
from waggle.eventual.task_kinds import FIELDS, Field, TaskEdit, TaskRelease, TaskRemove
from waggle.eventual.tasks import find_task
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import Durable, short
from waggle.faces.ops.task_shapes import (
    ConflictShape,
    TaskRow,
    conflicts,
    first_write,
    over,
    row,
    show_conflicts,
    show_row,
    writer,
)
from waggle.store.space import Draft

TaskName = Annotated[str, arg("TASK", "the task's id, abbreviated as in git")]
SupersedesOpt = Annotated[
    tuple[str, ...],
    opt("what you saw and replace: ids, a `seen` of `task show`, or 'all' shown now", "IDS"),
]


class EditRequest(Struct, frozen=True, kw_only=True):
    """Edit a task."""

    task: TaskName
    title: Annotated[str | None, opt("what is to be done, in a line", "TEXT")] = None
    prompt: Annotated[str | None, opt("the whole text that agents get", "TEXT")] = None
    note: Annotated[str | None, opt("what others should know of it", "TEXT")] = None
    priority: Annotated[int | None, opt("0 is the most urgent", "N", least=0, most=9)] = None
    label: Annotated[tuple[str, ...], opt("its labels from now on", "LABEL")] = ()
    no_labels: Annotated[bool, opt("take all labels away")] = False
    depends: Annotated[tuple[str, ...], opt("what it waits for from now on", "TASK")] = ()
    no_depends: Annotated[bool, opt("let it wait for nothing")] = False
    state: Annotated[str | None, opt("open, done or dropped", "STATE")] = None
    supersedes: SupersedesOpt = ()


class TaskWritten(Struct, frozen=True, kw_only=True):
    """A write to a task, and how the task stands now."""

    entry: str
    task: TaskRow
    conflicts: list[ConflictShape]
    cycle: tuple[str, ...]
    """The way on which the task waits for itself; empty where it does not."""
    durable: Durable


def _written(ctx: Context, entry: str, prefix: str) -> TaskWritten:
    db, task = ctx.space.db, find_task(ctx.space.db, prefix)
    return TaskWritten(
        entry=entry,
        task=row(ctx, task),
        conflicts=conflicts(tasks.registers(db, task.id)),
        cycle=task_ready.cycle_through(db, task.id),
        durable=Durable(),
    )


def _edit(ctx: Context, request: EditRequest) -> TaskWritten:
    task = ctx.task(request.task).id
    given: dict[Field, object] = {
        "title": request.title,
        "prompt": request.prompt,
        "note": request.note,
        "priority": request.priority,
        "labels": request.label or (() if request.no_labels else None),
        "depends": tuple(ctx.task(one).id for one in request.depends)
        or (() if request.no_depends else None),
        "state": request.state,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise WaggleError(
            "invalid", "nothing is to be edited", "Name a field: see `waggle task edit --help`."
        )
    seen = over(ctx, task, values, request.supersedes)
    body = TaskEdit(task=task, over=seen, **values)  # type: ignore[arg-type] # validated on append
    return _append_edit(ctx, body)


def _append_edit(ctx: Context, body: TaskEdit, *more: Draft) -> TaskWritten:
    """Append an edit and what goes with it; a repeated key appends nothing."""
    first = first_write(ctx)
    if first is None:
        first = ctx.space.append_all([Draft(body=body, key=ctx.key), *more], ctx.by)[0]
    if not first.fresh:
        body = ctx.recorded(first, TaskEdit)
    return _written(ctx, first.id, body.task)


def _show_written(result: TaskWritten) -> Iterator[str]:
    yield from show_row(result.task)
    yield from show_conflicts(result.conflicts)
    if result.conflicts:
        name = short(result.task.id)
        yield f"look at them, then write over them: waggle task edit {name} --supersedes IDS ..."
        yield f"  all that is shown here: {result.task.seen}"
    if result.cycle:
        ids = (*result.cycle, result.cycle[0])
        yield f"it waits for itself: {' → '.join(short(entry) for entry in ids)}"


TASK_EDIT = Operation(
    name="task edit",
    request=EditRequest,
    run=_edit,
    show=_show_written,
    about="Edit a task. What other agents wrote stays beside it unless `--supersedes` names it.",
    example='waggle task edit 3fa2b1c0 --priority 1 --label parser --note "see the issue"',
    write=True,
)


class DoneRequest(Struct, frozen=True, kw_only=True):
    """Say that a task is done."""

    task: TaskName
    result: Annotated[str | None, opt("the candidate that came out of it", "CANDIDATE")] = None
    note: Annotated[str | None, opt("what others should know of it", "TEXT")] = None
    supersedes: SupersedesOpt = ()


def _done(ctx: Context, request: DoneRequest) -> TaskWritten:
    db, task = ctx.space.db, ctx.task(request.task).id
    names: tuple[Field, ...] = ("state",) if request.note is None else ("state", "note")
    body = TaskEdit(
        task=task,
        over=over(ctx, task, names, request.supersedes),
        state="done",
        result=None if request.result is None else ctx.candidate(request.result),
        note=UNSET if request.note is None else request.note,
    )
    own = task_claims.of_writer(db, writer(ctx), ctx.outside.now_ms(), task)
    ids = tuple(claim.id for claim in own)
    # Finished work is claimed no longer: one transaction, so that no crash leaves half of it.
    return _append_edit(ctx, body, *([Draft(body=TaskRelease(claims=ids))] if ids else []))


TASK_DONE = Operation(
    name="task done",
    request=DoneRequest,
    run=_done,
    show=_show_written,
    about="Say that a task is done, and give up your claim on it.",
    example="waggle task done 3fa2b1c0 --result 9bd01c22",
    write=True,
)


class RemoveRequest(Struct, frozen=True, kw_only=True):
    """Take a task out of the set."""

    task: TaskName
    supersedes: SupersedesOpt = ()


def _remove(ctx: Context, request: RemoveRequest) -> TaskWritten:
    task = ctx.task(request.task).id
    seen = over(ctx, task, FIELDS, request.supersedes)
    body = TaskRemove(task=task, over=tuple(one for one in seen if one != task))
    written = ctx.space.append(Draft(body=body, key=ctx.key), ctx.by)
    if not written.fresh:
        body = ctx.recorded(written, TaskRemove)
    return _written(ctx, written.id, body.task)


def _show_removed(result: TaskWritten) -> Iterator[str]:
    yield from show_row(result.task)
    if not result.task.removed:
        name = short(result.task.id)
        yield f"look at it, then remove what you saw: waggle task remove {name} --supersedes IDS"


TASK_REMOVE = Operation(
    name="task remove",
    request=RemoveRequest,
    run=_remove,
    show=_show_removed,
    about="Take a task out of the list; an edit that you did not see keeps it there.",
    example="waggle task remove 3fa2b1c0",
    write=True,
)
