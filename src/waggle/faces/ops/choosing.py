"""`choose`, `show`, `diff`, `apply` and `ruling`: what serves the person who decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct

from waggle.agents import worktree
from waggle.agents.runs import Run, runs
from waggle.base.errors import WaggleError
from waggle.causal.checkpoints import checkpoints
from waggle.choice import ballot
from waggle.choice.ballot import Standing
from waggle.choice.kinds import RULING_NAMESPACE, Ruling, ruling_statement
from waggle.faces import library, operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import CandidateArg, Operation, TaskArg, arg, opt
from waggle.faces.ops.shapes import (
    CandidateShape,
    Choice,
    Durable,
    candidate_shape,
    choice_shape,
    printable,
    short,
    show_choice,
)
from waggle.log.sshsig import sign
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.space import Draft


def disagreed(ctx: Context, winner: Standing | None) -> list[str]:
    """Give who rejected the winner, with reasons."""
    if winner is None:
        return []
    rows = ctx.space.db.execute(
        "SELECT v.text, vote.reason FROM vote JOIN name v ON v.n = vote.voter"
        " JOIN candidate c ON c.n = vote.candidate WHERE c.id = ? AND counted AND score < 50"
        " ORDER BY v.text LIMIT 20",
        (winner.id,),
    )
    return [
        f"{voter.partition('/')[2]}" + (f": {printable(reason)}" if reason else "")
        for voter, reason in rows
    ]


class ChooseRequest(Struct, frozen=True, kw_only=True):
    """Choose."""

    task: TaskArg = None
    rule: Annotated[str | None, opt("another rule than the task's (what if)", "RULE")] = None
    top: Annotated[int | None, opt("only the first K places", "K", least=1)] = None


def _choose(ctx: Context, request: ChooseRequest) -> Choice:
    task = ctx.task(request.task)
    found = library.choose(ctx.space, task.id, request.rule)
    return choice_shape(
        task,
        found,
        what_if=request.rule is not None,
        top=request.top,
        disagreed=disagreed(ctx, found.winner),
    )


CHOOSE = Operation(
    name="choose",
    request=ChooseRequest,
    run=_choose,
    show=show_choice,
    about="Show which candidate is chosen, why, its rivals, and who disagreed. Changes nothing.",
    example="waggle choose 3f2a91c4 --top 3",
)


class ShowRequest(Struct, frozen=True, kw_only=True):
    """Show a task or candidate."""

    id: Annotated[str | None, arg("[ID]", "a task or candidate; default the newest task")] = None
    blind: Annotated[bool, opt("hide authors, claims and votes, to judge the work alone")] = False


class CheckpointShape(Struct, frozen=True, kw_only=True):
    """The latest checkpoint of a run."""

    run: str
    commit: str
    n: int
    size: int


class Shown(Struct, frozen=True, kw_only=True):
    """A task with its candidates and runs."""

    task: str
    title: str
    prompt: str
    base: str | None
    candidates: list[CandidateShape]
    runs: list[dict[str, str | int | None]]
    checkpoints: list[CheckpointShape]


def _show(ctx: Context, request: ShowRequest) -> Shown:
    db = ctx.space.db
    wanted = None
    try:
        task = ctx.task(request.id)
    except WaggleError as error:
        if error.code != "not_found" or request.id is None:
            raise
        wanted = ctx.candidate(request.id)
        task = ctx.task(ballot.task_of(db, wanted))
    standings = ballot.read(db, task.id).standings
    # Runs and checkpoints bear the names of agents.
    listed, saved = ([], []) if request.blind else (runs(db, task.id), checkpoints(db, task.id))
    return Shown(
        task=task.id,
        title=task.body.title,
        prompt=task.prompt,
        base=task.body.base,
        candidates=[
            candidate_shape(one, blind=request.blind)
            for one in standings
            if wanted in (None, one.id)
        ],
        runs=[_run_shape(run) for run in listed],
        checkpoints=[
            CheckpointShape(run=one.run, commit=one.commit, n=one.n, size=one.size) for one in saved
        ],
    )


def _run_shape(run: Run) -> dict[str, str | int | None]:
    return {
        "slot": run.slot,
        "agent": run.name,
        "status": run.status or "unfinished",
        "exit": run.exit,
        "duration_ms": run.duration_ms,
        "candidate": run.candidate,
        "note": run.note,
    }


def _show_shown(result: Shown) -> Iterator[str]:
    yield f"task {short(result.task)}  {printable(result.title)}"
    if result.prompt != result.title:
        yield from (f"  {printable(row)}" for row in result.prompt.splitlines()[:20])
    for one in result.candidates:
        checks = f"checks {one.checks['passed']} passed, {one.checks['failed']} failed"
        yield f"  {short(one.id)}  {one.author or '(hidden)':<20} {checks}, {one.size} bytes"
        if one.summary:
            yield f"      {printable(one.summary)}"
        yield from (f"      ! {printable(flag)}" for flag in one.flags)
    for run in result.runs:
        note = f": {printable(str(run['note']), 120)}" if run["note"] else ""
        yield f"  run {run['slot']}  {run['agent']:<20} {run['status']}{note}"
    for saved in result.checkpoints:
        yield f"  checkpoint {saved.n} of {saved.run}: {saved.size} bytes, {saved.commit[:12]}"


SHOW = Operation(
    name="show",
    request=ShowRequest,
    run=_show,
    show=_show_shown,
    about="Show a task with its candidates, runs and checkpoints, or one candidate.",
    example="waggle show 3f2a91c4 --blind",
)


class DiffRequest(Struct, frozen=True, kw_only=True):
    """Show a candidate's change."""

    candidate: CandidateArg
    other: Annotated[str | None, arg("[OTHER]", "another candidate to compare with")] = None


class Difference(Struct, frozen=True, kw_only=True):
    """A change as a unified diff."""

    candidate: str
    against: str
    diff: str


def _standing(ctx: Context, prefix: str) -> Standing:
    entry = ctx.candidate(prefix)
    db = ctx.space.db
    return next(
        one for one in ballot.read(db, ballot.task_of(db, entry)).standings if one.id == entry
    )


def _diff(ctx: Context, request: DiffRequest) -> Difference:
    one = _standing(ctx, request.candidate)
    other = _standing(ctx, request.other) if request.other else None
    against = other.commit if other else one.base
    if one.commit is None or (other is not None and other.commit is None):
        words = msgspec.json.decode(one.content)
        return Difference(candidate=one.id, against="nothing", diff=str(words or ""))
    git = worktree.main_git(ctx.repository)
    raw = git.run(*worktree.PLAIN, "-p", "-M", against or EMPTY_TREE, one.commit)
    return Difference(
        candidate=one.id, against=against or "nothing", diff=raw.decode(errors="replace")
    )


def _show_diff(result: Difference) -> Iterator[str]:
    yield from result.diff.removesuffix("\n").split("\n")


DIFF = Operation(
    name="diff",
    request=DiffRequest,
    run=_diff,
    show=_show_diff,
    about="Show what a candidate changes, against its base or another candidate.",
    example="waggle diff 8c1d22aa 51fe0c3b",
)


class ApplyRequest(Struct, frozen=True, kw_only=True):
    """Apply the winner."""

    task: TaskArg = None
    candidate: Annotated[str | None, opt("this candidate instead of the winner", "ID")] = None


class Applied(Struct, frozen=True, kw_only=True):
    """What was put into the work tree."""

    task: str
    candidate: str
    paths: list[str]


def _apply(ctx: Context, request: ApplyRequest) -> Applied:
    if request.candidate:
        one = _standing(ctx, request.candidate)
        task = ballot.task_of(ctx.space.db, one.id)
    else:
        found = ctx.task(request.task)
        winner, task = library.choose(ctx.space, found.id).winner, found.id
        if winner is None:
            raise WaggleError(
                "not_found", "this task has no winner yet", "See `waggle choose`, `waggle show`."
            )
        one = winner
    if one.commit is None or one.base is None:
        raise WaggleError(
            "invalid", "only a commit can be applied", f"Read it: `waggle diff {short(one.id)}`."
        )
    paths = worktree.apply(ctx.repository, one.base, one.commit)
    return Applied(task=task, candidate=one.id, paths=paths)


def _show_applied(result: Applied) -> Iterator[str]:
    yield f"applied candidate {short(result.candidate)}: {', '.join(result.paths) or 'no change'}"
    yield "look at it with `git diff`; nothing was committed"


APPLY = Operation(
    name="apply",
    request=ApplyRequest,
    run=_apply,
    show=_show_applied,
    about="Put the winner into your work tree, uncommitted; refuses where that would lose changes.",
    example="waggle apply 3f2a91c4",
)


class RulingRequest(Struct, frozen=True, kw_only=True):
    """Rule."""

    task: Annotated[str, arg("TASK", "the task")]
    candidate: Annotated[str, arg("CANDIDATE", "the candidate, or `none`")]
    reason: Annotated[str, opt("why; others read it", "TEXT")] = ""


class Ruled(Struct, frozen=True, kw_only=True):
    """The ruling that was made."""

    ruling: str
    task: str
    candidate: str | None
    durable: Durable


def _ruling(ctx: Context, request: RulingRequest) -> Ruled:
    space = ctx.space
    key = operator.ruling_here(ctx.environ, space.config.operators)
    public, task = operator.public(key), ctx.task(request.task)
    candidate = None if request.candidate == "none" else ctx.candidate(request.candidate)
    if candidate is not None and ballot.task_of(space.db, candidate) != task.id:
        raise WaggleError(
            "invalid", "that candidate is not one of this task's", "See `waggle show TASK`."
        )
    unsigned = Ruling(
        task=task.id,
        candidate=candidate,
        reason=request.reason,
        made=ctx.outside.now_ms(),
        operator=public,
        signature="",
    )
    signature = sign(key, ruling_statement(space.name, unsigned), RULING_NAMESPACE)
    body = msgspec.structs.replace(unsigned, signature=signature)
    written = space.append(Draft(body=body, key=ctx.key), ctx.by)
    space.seal()
    if not written.fresh:
        body = ctx.recorded(written, Ruling)
    return Ruled(
        ruling=written.id, task=body.task, candidate=body.candidate, durable=Durable(frame=True)
    )


def _show_ruled(result: Ruled) -> Iterator[str]:
    what = short(result.candidate) if result.candidate else "none of the candidates"
    yield f"ruled for {what}; it beats every rule"


RULING = Operation(
    name="ruling",
    request=RulingRequest,
    run=_ruling,
    show=_show_ruled,
    about="Decide as the operator, signed with your key. Beats every rule.",
    example='waggle ruling 3f2a91c4 8c1d22aa --reason "the only one that keeps the API"',
    write=True,
)
