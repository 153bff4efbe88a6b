"""`task take` and `task release`: claims, which tell others and exclude nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.eventual import task_claims, task_ready
from waggle.eventual.task_claims import Claim
from waggle.eventual.task_kinds import (
    LEASE_S_MAX,
    OVER_MAX,
    TaskClaim,
    TaskRelease,
    TaskRenew,
)
from waggle.eventual.tasks import Task, find_task
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import Durable, short
from waggle.faces.ops.task_shapes import (
    NOT_EXCLUSIVE,
    TaskRow,
    agent,
    first_write,
    row,
    show_row,
    until,
    writer,
)
from waggle.store.own.journal import Written
from waggle.store.space import Draft

TAKEN_STATUS = 13
"""The exit status of `task take` where another agent holds the task."""
LEASE_S = 1800


class TakeRequest(Struct, frozen=True, kw_only=True):
    """Claim a task."""

    task: Annotated[
        str | None, arg("[TASK]", "the task's id; default: the first that is ready")
    ] = None
    lease: Annotated[
        int, opt("for how long, in seconds; take again to renew", "S", least=1, most=LEASE_S_MAX)
    ] = LEASE_S
    anyway: Annotated[bool, opt("take over from whoever holds it")] = False


class Taken(Struct, frozen=True, kw_only=True):
    """Whether the caller's claim holds; it never excludes another's."""

    claimed: bool
    exclusive: bool
    """Always false: two agents may claim a task before they see each other."""
    task: TaskRow
    claim: str | None
    holder: str | None
    until: str | None
    note: str
    durable: Durable


def _take(ctx: Context, request: TakeRequest) -> Taken:
    first = first_write(ctx)
    if first is not None:
        return _taken(ctx, _claimed_before(ctx, first))
    now_ms, me = ctx.outside.now_ms(), writer(ctx)
    task = _wanted(ctx, request.task, now_ms)
    if task.state != "open" or not task.visible:
        raise WaggleError(
            "invalid",
            f"task {short(task.id)} is {task.state if task.visible else 'removed'}",
            f"Open it again, then take it: `waggle task edit {short(task.id)} --state open`.",
        )
    winner = task_claims.holder(ctx.space.db, task.id, now_ms)
    if winner is not None and winner.by == me:
        renewal = TaskRenew(claim=winner.id, lease_s=request.lease)
        ctx.space.append(Draft(body=renewal, key=ctx.key), ctx.by)
        return _taken(ctx, winner.id)
    if winner is not None and not request.anyway:
        return _result(ctx, task.id, None)
    standing = task_claims.standing(ctx.space.db, task.id)
    over = [one.id for one in standing if request.anyway or one.by == me or not one.holds(now_ms)]
    claim = TaskClaim(task=task.id, lease_s=request.lease, over=tuple(over[:OVER_MAX]))
    written = ctx.space.append(Draft(body=claim, key=ctx.key), ctx.by)
    taken = _taken(ctx, written.id)
    if not taken.claimed:
        # Another process was earlier by a moment: what lost at once shall not stand in its way.
        ctx.space.append(Draft(body=TaskRelease(claims=(written.id,))), ctx.by)
    return taken


def _wanted(ctx: Context, prefix: str | None, now_ms: int) -> Task:
    named = prefix or ctx.environ.get("WAGGLE_TASK")
    if named:
        return ctx.task(named)
    for task in task_ready.ready(ctx.space.db, now_ms, 1):
        return task
    raise WaggleError(
        "not_found", "no task is ready", "See what there is: `waggle task list`, or add one."
    )


def _claimed_before(ctx: Context, first: Written) -> str:
    """Give the claim that the first call with this key made or renewed."""
    try:
        return ctx.recorded(first, TaskRenew).claim
    except WaggleError:
        ctx.recorded(first, TaskClaim)  # or else the key belongs to another kind of write
        return first.id


def _taken(ctx: Context, claim: str) -> Taken:
    """Give what became of an own claim."""
    found = task_claims.find_claim(ctx.space.db, claim)
    return _result(ctx, found.task, found)


def _result(ctx: Context, task: str, own: Claim | None) -> Taken:
    winner = task_claims.holder(ctx.space.db, task, ctx.outside.now_ms())
    claimed = winner is not None and winner.by == writer(ctx)
    return Taken(
        claimed=claimed,
        exclusive=False,
        task=row(ctx, find_task(ctx.space.db, task)),
        claim=own.id if own else None,
        holder=winner.by if winner else None,
        until=until(winner.ends_ms) if winner else None,
        note=NOT_EXCLUSIVE if claimed else _why_not(winner, own),
        durable=Durable(journal=own is not None),
    )


def _why_not(winner: Claim | None, own: Claim | None) -> str:
    if winner is None:
        return "the claim was given up or has lapsed; take the task again"
    before = "lost to" if own else "already taken by"
    return f"{before} {agent(winner.by)} until {until(winner.ends_ms)}; take another task"


def _show_taken(result: Taken) -> Iterator[str]:
    yield from show_row(result.task)
    yield result.note
    if not result.claimed:
        yield "see what is free: waggle task ready; --anyway takes it over"


TASK_TAKE = Operation(
    name="task take",
    request=TakeRequest,
    run=_take,
    show=_show_taken,
    about="Claim a task, or renew your claim: others see that you work on it, and until when.",
    example="waggle task take 3fa2b1c0 --lease 3600",
    write=True,
    status=lambda result: 0 if result.claimed else TAKEN_STATUS,
)


class ReleaseRequest(Struct, frozen=True, kw_only=True):
    """Give up a claim."""

    task: Annotated[str, arg("TASK", "the task's id, abbreviated as in git")]


class Released(Struct, frozen=True, kw_only=True):
    """The claims that were given up."""

    task: TaskRow
    claims: tuple[str, ...]
    durable: Durable


def _release(ctx: Context, request: ReleaseRequest) -> Released:
    task, first = ctx.task(request.task).id, first_write(ctx)
    if first is None:
        own = task_claims.of_writer(ctx.space.db, writer(ctx), ctx.outside.now_ms(), task)
        body = TaskRelease(claims=tuple(claim.id for claim in own))
        if not own:
            raise WaggleError(
                "not_found",
                f"you hold no claim on task {short(task)}",
                "See your claims: `waggle task list --mine`; WAGGLE_AGENT or `--as` says who acts.",
            )
        ctx.space.append(Draft(body=body, key=ctx.key), ctx.by)
    else:
        body = ctx.recorded(first, TaskRelease)
        task = task_claims.find_claim(ctx.space.db, body.claims[0]).task
    found = row(ctx, find_task(ctx.space.db, task))
    return Released(task=found, claims=body.claims, durable=Durable())


def _show_released(result: Released) -> Iterator[str]:
    yield f"gave up {len(result.claims)} claim{'s' * (len(result.claims) > 1)}"
    yield from show_row(result.task)


TASK_RELEASE = Operation(
    name="task release",
    request=ReleaseRequest,
    run=_release,
    show=_show_released,
    about="Give up your claim on a task, so that others see it as ready again.",
    example="waggle task release 3fa2b1c0",
    write=True,
)
