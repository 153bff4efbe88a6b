"""`task add` and `tasks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.agents import worktree
from waggle.base.errors import WaggleError
from waggle.choice import outcome
from waggle.eventual import tasks
from waggle.eventual.task_kinds import PRIORITY
from waggle.eventual.task_similar import Similar, similar
from waggle.eventual.tasks import TaskAdd
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import Durable, TaskShape, printable, short, task_shape
from waggle.faces.ops.task_shapes import candidates, show_similar
from waggle.store.space import Draft


class TaskAddRequest(Struct, frozen=True, kw_only=True):
    """Add a task."""

    title: Annotated[str, arg("TITLE", "what is to be done, in a line")]
    prompt: Annotated[str | None, opt("the whole text that agents get", "TEXT")] = None
    base: Annotated[str | None, opt("the commit to start from; default HEAD", "COMMIT")] = None
    rule: Annotated[str | None, opt("how to choose, e.g. 'checks > votes'", "RULE")] = None
    test: Annotated[tuple[str, ...], opt("a command that checks a candidate", "CMD")] = ()
    setup: Annotated[str | None, opt("a command that prepares a worktree", "CMD")] = None
    protect: Annotated[tuple[str, ...], opt("a glob that candidates may not edit", "GLOB")] = ()
    voter: Annotated[tuple[str, ...], opt("whose votes can decide (agent's name)", "NAME")] = ()
    depends: Annotated[tuple[str, ...], opt("a task that has to be done before", "TASK")] = ()
    priority: Annotated[int, opt("0 is the most urgent", "N", least=0, most=9)] = PRIORITY
    label: Annotated[tuple[str, ...], opt("a word to find it by", "LABEL")] = ()


class TaskAdded(Struct, frozen=True, kw_only=True):
    """The task that was added."""

    task: TaskShape
    durable: Durable
    similar: list[Similar]
    """Open tasks that were here before and have titles like it, as far as they are open still."""


def task_body(ctx: Context, request: TaskAddRequest) -> TaskAdd:
    """Give the entry's body; a repository without commits has tasks without a base."""
    if request.rule is not None:
        outcome.parse(request.rule)
    base = None
    try:
        base = (
            worktree.bring(ctx.repository, ctx.here, request.base)
            if request.base
            else worktree.head_commit(ctx.here)
        )
    except WaggleError as error:
        if request.base or error.code != "not_found":
            raise
    return TaskAdd(
        title=request.title,
        prompt=request.prompt or "",
        base=base,
        rule=request.rule,
        tests=request.test,
        setup=request.setup,
        protect=request.protect,
        electorate=tuple(
            name if "/" in name else f"{ctx.space.replica}/{name}" for name in request.voter
        ),
        depends=tuple(ctx.task(one).id for one in request.depends),
        priority=request.priority,
        labels=request.label,
    )


def _add(ctx: Context, request: TaskAddRequest) -> TaskAdded:
    written = ctx.space.append(Draft(body=task_body(ctx, request), key=ctx.key), ctx.by)
    if not written.fresh:
        ctx.recorded(written, TaskAdd)
    task = ctx.task(written.id)
    alike = similar(ctx.space.db, task.body.title, (task.at, task.id))
    return TaskAdded(task=task_shape(task, 0), durable=Durable(), similar=alike)


def _show_added(result: TaskAdded) -> Iterator[str]:
    yield f"task {short(result.task.id)}  {printable(result.task.title)}"
    yield from show_similar(result.similar)


TASK_ADD = Operation(
    name="task add",
    request=TaskAddRequest,
    run=_add,
    show=_show_added,
    about="Add a task, for agents to propose candidates for.",
    example='waggle task add "make the parser accept comments" --test "python -m pytest -q"',
    write=True,
)


class TasksRequest(Struct, frozen=True, kw_only=True):
    """List tasks."""

    limit: Annotated[int, opt("how many, newest first; 0 for all", "N", least=0)] = 20


class TaskList(Struct, frozen=True, kw_only=True):
    """Tasks, newest first."""

    tasks: list[TaskShape]


def _list(ctx: Context, request: TasksRequest) -> TaskList:
    db = ctx.space.db
    found = tasks.tasks(db, request.limit or -1)
    return TaskList(tasks=[task_shape(task, candidates(db, task.id)) for task in found])


def _show_list(result: TaskList) -> Iterator[str]:
    if not result.tasks:
        yield "no tasks yet; add one: waggle task add TITLE"
    for task in result.tasks:
        count = f"{task.candidates:3} candidates"
        yield f"{short(task.id)}  {task.at}  {count}  {printable(task.title, 70)}"


TASKS = Operation(
    name="tasks",
    request=TasksRequest,
    run=_list,
    show=_show_list,
    about="List tasks, newest first.",
    example="waggle tasks --limit 5",
)
