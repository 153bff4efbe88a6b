"""`race`: the main job, end to end."""

from __future__ import annotations

import asyncio
import math
import os
import platform
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from waggle.agents import race, worktree
from waggle.agents.attempt import Options
from waggle.agents.events import CHAIN_BYTES_MAX, Event
from waggle.agents.exam import environment_name
from waggle.agents.presets import PRESETS
from waggle.agents.race import Race
from waggle.agents.runs import runs
from waggle.base.errors import WaggleError
from waggle.eventual.tasks import Task
from waggle.faces import library
from waggle.faces.ops.choosing import disagreed
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.setup import INIT
from waggle.faces.ops.shapes import Choice, choice_shape, printable, short, show_choice
from waggle.faces.ops.tasks import TaskAddRequest, task_body
from waggle.faces.signals import ending, heeded
from waggle.store.own.journal import JOURNAL_FILE

FAILED_STATUS = 10
SECONDS_MAX = 10_000_000
"""The longest time limit: about four months."""


class RaceRequest(Struct, frozen=True, kw_only=True):
    """Race agents on a task."""

    prompt: Annotated[str | None, arg("[PROMPT]", "what the agents are to do")] = None
    agent: Annotated[
        tuple[str, ...],
        opt("a preset (claude, codex:MODEL, ...) or a command line; may be repeated", "CMD"),
    ] = ()
    n: Annotated[int, opt("how many runs of each agent", "N", least=1, most=100)] = 1
    test: Annotated[tuple[str, ...], opt("a command that checks candidates", "CMD")] = ()
    setup: Annotated[str | None, opt("a command that prepares each worktree", "CMD")] = None
    protect: Annotated[
        tuple[str, ...], opt("a glob of what agents may not edit; default: the tests", "GLOB")
    ] = ()
    rule: Annotated[str | None, opt("how to choose, e.g. 'checks > size'", "RULE")] = None
    base: Annotated[str | None, opt("the commit to start from; default HEAD", "COMMIT")] = None
    jobs: Annotated[
        int | None, opt("how many run at once; default: all, at most 8", "J", least=1)
    ] = None
    timeout: Annotated[
        float | None, opt("seconds for each agent and test", "S", least=0.001, most=SECONDS_MAX)
    ] = None
    isolate: Annotated[
        Literal["worktree", "clone"], opt("give each agent a worktree or a clone of its own")
    ] = "worktree"
    checkpoint_every: Annotated[
        float, opt("seconds between looks at a worktree", "S", least=0.001, most=SECONDS_MAX)
    ] = 5.0
    max_size: Annotated[int, opt("bytes of change before a candidate is flagged", "B", least=1)] = (
        CHAIN_BYTES_MAX
    )
    resume: Annotated[bool, opt("go on with a race that was stopped or killed")] = False
    task: Annotated[str | None, opt("which race to resume; default the newest", "TASK")] = None
    list_agents: Annotated[bool, opt("list the ready presets and stop")] = False


class RunShape(Struct, frozen=True, kw_only=True):
    """How one run ended."""

    slot: int
    agent: str
    status: str
    duration_ms: int
    candidate: str | None
    note: str


class RaceResult(Struct, frozen=True, kw_only=True):
    """How a race ended: the choice's fields, the runs, and what happened to the repository."""

    task: str
    status: str
    winner: object
    rivals: list[object]
    why: list[str]
    runs: list[RunShape]
    touched: list[str]
    unfinished: list[str]
    """What kept runs from their end; `waggle race --resume` tries again."""
    choice: Choice
    passed: bool
    """Whether every run came to its end and the winner passed every test that was run."""


class PresetShape(Struct, frozen=True, kw_only=True):
    """A ready preset."""

    name: str
    command: str
    source: str
    note: str


class PresetList(Struct, frozen=True, kw_only=True):
    """The ready presets."""

    agents: list[PresetShape]


def _race(ctx: Context, request: RaceRequest) -> RaceResult | PresetList:
    if request.list_agents:
        shapes = [
            PresetShape(name=one.name, command=" ".join(one.argv), source=one.source, note=one.note)
            for one in PRESETS
        ]
        return PresetList(agents=shapes)
    if not os.path.exists(os.path.join(ctx.repository.store_dir, JOURNAL_FILE)):
        INIT.run(ctx, INIT.request())  # the first race in a repository needs no other command
    task = _resumed(ctx, request) if request.resume else _entered(ctx, request)
    planned = runs(ctx.space.db, task.id, ctx.space.replica)
    for run in planned:
        ctx.listen(
            Event(event="planned", task=task.id, slot=run.slot, agent=run.name, status=run.status)
        )
    folder = os.path.join(ctx.worktrees, ctx.space.replica[:12], task.id[:16])
    options = Options(
        folder=folder,
        jobs=request.jobs or min(len(planned), 8) or 1,
        clone=request.isolate == "clone",
        checkpoint_s=request.checkpoint_every,
        timeout_s=request.timeout or task.body.timeout_s,
        chain_bytes_max=request.max_size,
        session=ctx.environ.get("WAGGLE_SESSION"),
    )
    environment = environment_name(platform.system(), platform.machine())
    under_way = Race(ctx.space, task, options, _with_waggle(ctx), environment, ctx.listen)
    try:
        touched = asyncio.run(_until_stopped(under_way))
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        ctx.space.seal()
        raise WaggleError(
            "interrupted",
            f"the race of task {short(task.id)} was stopped; what the agents did is kept",
            f"Go on with `waggle race --resume --task {short(task.id)}`, or see "
            f"`waggle show {short(task.id)}`.",
        ) from error
    unfinished = [error.message for error in under_way.unfinished]
    return _result(ctx, task, touched, unfinished)


async def _until_stopped(under_way: Race) -> list[str]:
    """Run a race; a request to end, or a terminal that closes, stops it as Ctrl-C does."""
    going = asyncio.ensure_future(under_way.go())
    with heeded(ending(), going.cancel):
        return await going


def _entered(ctx: Context, request: RaceRequest) -> Task:
    if not request.prompt or not request.agent:
        raise WaggleError(
            "usage",
            "a race needs a prompt and at least one --agent",
            'E.g. waggle race "make the tests pass" --agent claude --agent codex '
            '--test "python -m pytest -q"',
        )
    title = next((row for row in request.prompt.splitlines() if row.strip()), "a task")
    title = title.strip()[:200]
    wanted = TaskAddRequest(
        title=title,
        prompt="" if title == request.prompt else request.prompt,
        base=request.base,
        rule=request.rule,
        test=tuple(dict.fromkeys(request.test)),
        setup=request.setup,
        protect=request.protect,
    )
    body = task_body(ctx, wanted)
    if request.timeout is not None:
        body = msgspec.structs.replace(body, timeout_s=math.ceil(request.timeout))
    if body.base is None:
        worktree.head_commit(ctx.here)  # raises the error that says what to do
    agents = [
        race.anchored(spec, ctx.repository, body.base or "", ctx.cwd)
        for spec in request.agent
        for _ in range(request.n)
    ]
    return ctx.task(race.enter(ctx.space, body, agents, ctx.by, key=ctx.key))


def _resumed(ctx: Context, request: RaceRequest) -> Task:
    if request.task:
        return ctx.task(request.task)
    waiting = race.unfinished(ctx.space)
    if not waiting:
        raise WaggleError(
            "not_found",
            "no race of this repository is unfinished",
            "Start one with `waggle race`; name another with --task to run its missing checks.",
        )
    return waiting[0]


def _with_waggle(ctx: Context) -> dict[str, str]:
    """Give the environment in which agents find `waggle`, behind everything of the user's."""
    import sys

    path = ctx.environ.get("PATH", os.defpath)
    return {**ctx.environ, "PATH": f"{path}{os.pathsep}{os.path.dirname(sys.executable)}"}


def _result(ctx: Context, task: Task, touched: list[str], unfinished: list[str]) -> RaceResult:
    found = library.choose(ctx.space, task.id)
    choice = choice_shape(
        task, found, what_if=False, top=None, disagreed=disagreed(ctx, found.winner)
    )
    ended = [
        RunShape(
            slot=run.slot,
            agent=run.name,
            status=run.status or "unfinished",
            duration_ms=run.duration_ms,
            candidate=run.candidate,
            note=run.note,
        )
        for run in runs(ctx.space.db, task.id, ctx.space.replica)
    ]
    winner = found.winner
    return RaceResult(
        task=task.id,
        status=choice.status,
        winner=choice.winner,
        rivals=list(choice.rivals),
        why=choice.why,
        runs=ended,
        touched=touched,
        unfinished=unfinished,
        choice=choice,
        passed=winner is not None and not winner.failed and not unfinished,
    )


def _show(result: RaceResult | PresetList) -> Iterator[str]:
    if isinstance(result, PresetList):
        for one in result.agents:
            yield f"{one.name:<10} {one.command}"
            yield f"           {one.note}"
            yield f"           {one.source}"
        return
    for run in result.runs:
        note = f": {printable(run.note, 150)}" if run.note else ""
        took = f"{run.duration_ms / 1000:.1f} s"
        yield f"run {run.slot}  {run.agent:<20} {run.status} in {took}{note}"
    yield ""
    yield from show_choice(result.choice)
    for row in result.touched:
        yield f"changed in your repository meanwhile: {row}"
    for row in result.unfinished:
        yield f"not finished, `waggle race --resume` tries again: {row}"
    task = short(result.task)
    yield ""
    if result.winner is None:
        yield f"no candidate came of it; see `waggle show {task}`"
    elif not result.passed:
        yield "no candidate passed every test; the best one so far leads"
    yield f"next: waggle diff CANDIDATE, waggle apply {task}, waggle ruling {task} CANDIDATE"


RACE = Operation(
    name="race",
    request=RaceRequest,
    run=_race,
    show=_show,
    about="Let several agents try a task in parallel, keep everything, test it, show the best.",
    example='waggle race "make the tests pass" --agent claude --agent codex '
    '--test "python -m pytest -q"',
    write=True,
    status=lambda result: 0 if isinstance(result, PresetList) or result.passed else FAILED_STATUS,
)
