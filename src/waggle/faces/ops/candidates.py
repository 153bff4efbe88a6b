"""`publish`, `vote`, `check` and `checkpoint`."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.agents import exam, publish, worktree
from waggle.agents.events import Event
from waggle.agents.exam import Paper
from waggle.agents.publish import Claims
from waggle.agents.worktree import Worktree
from waggle.base.errors import WaggleError
from waggle.causal.checkpoints import Checkpoint, checkpoints, ref_of
from waggle.choice import ballot
from waggle.choice.kinds import Candidate, Check, Vote
from waggle.eventual.tasks import find_task
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import CandidateArg, Operation, TaskArg, opt
from waggle.faces.ops.shapes import CandidateShape, Durable, candidate_shape, short
from waggle.store.own.journal import Written
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.space import Draft


class PublishRequest(Struct, frozen=True, kw_only=True):
    """Publish a candidate."""

    task: TaskArg = None
    commit: Annotated[str | None, opt("a commit; default: the work tree as it is", "COMMIT")] = None
    text: Annotated[str | None, opt("a text instead of code", "TEXT")] = None
    file: Annotated[tuple[str, ...], opt("a file instead of code; may be repeated", "PATH")] = ()
    confidence: Annotated[
        int | None, opt("how sure you are, 0 to 100", "PERCENT", least=0, most=100)
    ] = None
    summary: Annotated[str | None, opt("a line on what was done", "TEXT")] = None


class Published(Struct, frozen=True, kw_only=True):
    """The candidate that was published."""

    candidate: CandidateShape
    task: str
    durable: Durable


def _publish(ctx: Context, request: PublishRequest) -> Published:
    space, task = ctx.space, ctx.task(request.task)
    written: Written | None
    claims = Claims(confidence=request.confidence, summary=request.summary)
    if request.text is not None or request.file:
        files = {os.path.basename(path): _read(ctx, path) for path in request.file}
        written = publish.publish_content(
            space, task, ctx.by, text=request.text, files=files, claims=claims, key=ctx.key
        )
        entry = written.id
    else:
        commit = (
            worktree.bring(ctx.repository, ctx.here, request.commit)
            if request.commit
            else _commit_of_work_tree(ctx, task.body.base)
        )
        done = publish.publish_commit(space, task, commit, ctx.by, claims=claims, key=ctx.key)
        entry = done.id if done else _latest(ctx, task.id)
        written = done
    if written is not None and not written.fresh:
        task = ctx.task(ctx.recorded(written, Candidate).task)
    standings = {one.id: one for one in ballot.read(space.db, task.id).standings}
    return Published(
        candidate=candidate_shape(standings[entry]), task=task.id, durable=Durable(frame=True)
    )


def _read(ctx: Context, path: str) -> bytes:
    try:
        with open(os.path.join(ctx.cwd, path), "rb") as file:
            return file.read()
    except OSError as error:
        raise WaggleError(
            "not_found", f"cannot read {path}: {error.strerror}", "Give a file that can be read."
        ) from error


def _latest(ctx: Context, task: str) -> str:
    writer = f"{ctx.space.replica}/{ctx.by.name}"
    standings = [one for one in ballot.read(ctx.space.db, task).standings if one.author == writer]
    return max(standings, key=lambda one: one.at).id


def _commit_of_work_tree(ctx: Context, base: str | None) -> str:
    """Capture the work tree where the caller stands, without touching its index."""
    repository = ctx.repository
    if repository.work_tree is None:
        raise WaggleError(
            "invalid", "a bare repository has no work tree", "Name a commit with --commit."
        )
    with tempfile.TemporaryDirectory(prefix="waggle-") as folder:
        start = base or EMPTY_TREE
        index = os.path.join(folder, "index")
        tree = Worktree(path=repository.work_tree, base=start, index=index)
        captured = worktree.capture(repository, tree) or worktree.tree_of(repository, start)
    return worktree.commit_tree(repository, captured, base, "candidate")


def _show_published(result: Published) -> Iterator[str]:
    yield f"candidate {short(result.candidate.id)} for task {short(result.task)}"
    yield f"next: waggle vote {short(result.candidate.id)} --up, or waggle choose"


PUBLISH = Operation(
    name="publish",
    request=PublishRequest,
    run=_publish,
    show=_show_published,
    about="Publish a candidate: the work tree as it is, a commit, a text or files.",
    example='waggle publish 3f2a91c4 --confidence 80 --summary "handles comments"',
    write=True,
)


class VoteRequest(Struct, frozen=True, kw_only=True):
    """Vote on a candidate."""

    candidate: CandidateArg
    up: Annotated[bool, opt("approve (a score of 100)")] = False
    down: Annotated[bool, opt("reject (a score of 0)")] = False
    score: Annotated[int | None, opt("anything between, 0 to 100", "N", least=0, most=100)] = None
    reason: Annotated[str | None, opt("why", "TEXT")] = None
    blind: Annotated[bool, opt("you were not shown author, model and others' votes")] = False


class Voted(Struct, frozen=True, kw_only=True):
    """The vote that was cast."""

    vote: str
    candidate: str
    score: int
    durable: Durable


def score_of(request: VoteRequest) -> int:
    """Give the one score that was asked for; raise `usage`."""
    given = [
        score
        for score, wanted in ((100, request.up), (0, request.down), (request.score, True))
        if wanted and score is not None
    ]
    if len(given) != 1 or not 0 <= given[0] <= 100:
        raise WaggleError(
            "usage",
            "a vote is exactly one of --up, --down and --score 0..100",
            "Repeat with one of them, e.g. `waggle vote CANDIDATE --up`.",
        )
    return given[0]


def _vote(ctx: Context, request: VoteRequest) -> Voted:
    score = score_of(request)
    candidate = ctx.candidate(request.candidate)
    body = Vote(candidate=candidate, score=score, reason=request.reason, blind=request.blind)
    written = ctx.space.append(Draft(body=body, key=ctx.key), ctx.by)
    if not written.fresh:
        body = ctx.recorded(written, Vote)
    return Voted(vote=written.id, candidate=body.candidate, score=body.score, durable=Durable())


def _show_voted(result: Voted) -> Iterator[str]:
    yield f"vote {short(result.vote)}: {result.score} for candidate {short(result.candidate)}"


VOTE = Operation(
    name="vote",
    request=VoteRequest,
    run=_vote,
    show=_show_voted,
    about="Vote on a candidate. Your last vote counts; votes on your own candidate do not.",
    example='waggle vote 8c1d22aa --up --reason "reads well, handles the empty file"',
    write=True,
)


class CheckRequest(Struct, frozen=True, kw_only=True):
    """Check a candidate."""

    candidate: CandidateArg
    test: Annotated[tuple[str, ...], opt("the command; default: the task's own tests", "CMD")] = ()
    timeout: Annotated[float | None, opt("seconds for each command", "S", least=0.001)] = None


class Checked(Struct, frozen=True, kw_only=True):
    """What the tests said."""

    candidate: str
    checks: list[CheckShape]
    durable: Durable


class CheckShape(Struct, frozen=True, kw_only=True):
    """One recorded check."""

    id: str
    command: str
    exit: int
    duration_ms: int
    log: str


def _check(ctx: Context, request: CheckRequest) -> Checked:
    space = ctx.space
    candidate = ctx.candidate(request.candidate)
    task = find_task(space.db, ballot.task_of(space.db, candidate))
    standing = next(one for one in ballot.read(space.db, task.id).standings if one.id == candidate)
    own = task.by.startswith(f"{space.replica}/")
    tests = request.test or (task.body.tests if own else ())
    if not tests:
        raise WaggleError(
            "usage",
            "no command to check with: other replicas' tests are not run by themselves",
            "Give one: `waggle check CANDIDATE --test 'CMD'`.",
        )
    if standing.commit is None or standing.base is None:
        raise WaggleError("invalid", "only a commit can be checked by a command", "Vote instead.")
    paper = Paper(
        base=standing.base,
        commit=standing.commit,
        tests=tests,
        setup=task.body.setup if own else None,
        protect=task.body.protect,
        timeout_s=request.timeout,
    )
    logs = os.path.join(space.store_dir, "runs", task.id[:16], candidate[:12])
    environment = exam.environment_name(platform.system(), platform.machine())

    def begins(command: str) -> None:
        ctx.listen(Event(event="checking", task=task.id, message=f"running {command}"))

    with tempfile.TemporaryDirectory(prefix="waggle-check-") as folder:
        inside = os.path.join(folder, "candidate")
        sheets = asyncio.run(exam.sit(ctx.repository, paper, inside, logs, ctx.environ, begins))
    worktree.forget_removed(ctx.repository)
    checks = []
    for n, sheet in enumerate(sheets):
        key = f"{ctx.key}/{n}" if ctx.key else None
        written = exam.record(space, candidate, sheet, environment, by=ctx.by, key=key)
        body = ctx.recorded(written, Check)
        checks.append(
            CheckShape(
                id=written.id,
                command=body.command,
                exit=body.exit,
                duration_ms=body.duration_ms,
                log=sheet.log,
            )
        )
    return Checked(candidate=candidate, checks=checks, durable=Durable())


def _show_checked(result: Checked) -> Iterator[str]:
    for check in result.checks:
        word = "passed" if check.exit == 0 else f"failed (exit {check.exit})"
        yield f"{word} in {check.duration_ms} ms: {check.command}"
        if check.exit:
            yield f"  its output: {check.log}"


CHECK = Operation(
    name="check",
    request=CheckRequest,
    run=_check,
    show=_show_checked,
    about="Run tests on a candidate in a clean worktree and record the outcome.",
    example='waggle check 8c1d22aa --test "python -m pytest -q"',
    write=True,
)


class CheckpointRequest(Struct, frozen=True, kw_only=True):
    """Save progress."""

    task: TaskArg = None
    note: Annotated[str | None, opt("where you are, for whoever goes on", "TEXT")] = None


class CheckpointSaved(Struct, frozen=True, kw_only=True):
    """The checkpoint that was saved."""

    checkpoint: str
    commit: str
    n: int
    size: int
    durable: Durable


def _checkpoint(ctx: Context, request: CheckpointRequest) -> CheckpointSaved:
    space, task = ctx.space, ctx.task(request.task)
    by = ctx.by
    allowed = "".join(char if char.isalnum() and char.isascii() else "-" for char in by.name)
    run = ctx.environ.get("WAGGLE_RUN") or allowed.lower().strip("-")[:64] or "agent"
    commit = _commit_of_work_tree(ctx, task.body.base)
    size = len(worktree.difference(ctx.repository, task.body.base, commit).encode())
    writer = f"{space.replica}/{by.name}"
    before = [
        one.n for one in checkpoints(space.db, task.id) if one.run == run and one.writer == writer
    ]
    n = max(before, default=0) + 1
    body = Checkpoint(task=task.id, run=run, commit=commit, n=n, size=size, note=request.note)
    ref = ref_of(space.name, task.id, run)
    kept = space.objects.refs.get(ref)
    space.objects.refs.point(ref, commit)  # first: an entry never tells of content that is not kept
    written = space.append(Draft(body=body, key=ctx.key), by)
    if not written.fresh:
        if kept is not None:
            space.objects.refs.point(ref, kept)
        body = ctx.recorded(written, Checkpoint)
    return CheckpointSaved(
        checkpoint=written.id, commit=body.commit, n=body.n, size=body.size, durable=Durable()
    )


def _show_checkpoint(result: CheckpointSaved) -> Iterator[str]:
    yield f"checkpoint {result.n}: {result.size} bytes, kept here as {result.commit[:12]}"


CHECKPOINT = Operation(
    name="checkpoint",
    request=CheckpointRequest,
    run=_checkpoint,
    show=_show_checkpoint,
    about="Save the work tree as progress on a task; it stays on this machine.",
    example='waggle checkpoint --note "parser done, tests still red"',
    write=True,
)
