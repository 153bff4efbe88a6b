"""`init`: a store in this repository, what it syncs with, and what agents need to use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces import operator
from waggle.faces.onboarding.plan import Change, find_presets, plan
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, opt
from waggle.store import config
from waggle.store.setup import initialise
from waggle.sync.git.remotes import find_remotes


class InitRequest(Struct, frozen=True, kw_only=True):
    """Make the store."""

    remote: Annotated[
        tuple[str, ...], opt("a git remote, URL or path to sync with; may be repeated", "URL")
    ] = ()
    agent: Annotated[
        tuple[str, ...],
        opt("set up claude, codex, gemini, cursor, opencode or copilot; may be repeated", "NAME"),
    ] = ()
    remove: Annotated[bool, opt("with --agent: take out what that put in, and nothing else")] = (
        False
    )


class Initialised(Struct, frozen=True, kw_only=True):
    """The store that is there now."""

    replica: str | None
    """None with `--remove`, which neither needs nor makes a store."""
    created: bool
    store: str
    operator: str | None
    remotes: tuple[str, ...]
    """What `waggle sync` uses; none means git's `origin`."""
    files: list[Change]
    """What was done for agents, by file of the work tree."""
    notes: tuple[str, ...]
    """What is left to do in those agents, or was left as it is."""


def _init(ctx: Context, request: InitRequest) -> Initialised:
    presets = find_presets(request.agent)
    if request.remove:
        return _take_out(ctx, request)
    # Planned before anything is written: what is refused leaves everything as it was.
    planned = plan(ctx.repository.work_tree, presets, remove=False) if presets else None
    public = None
    if not operator.is_agent(ctx.environ):
        key = operator.load(ctx.environ, fresh_seed=ctx.outside.entropy(32))
        public = operator.public(key)
    repository = ctx.repository
    owner, created = initialise(repository, ctx.outside, (public,) if public else ())
    return Initialised(
        replica=owner.replica,
        created=created,
        store=repository.store_dir,
        operator=public,
        remotes=_add_remotes(ctx, request.remote),
        files=planned.carry_out() if planned else [],
        notes=planned.notes if planned else (),
    )


def _take_out(ctx: Context, request: InitRequest) -> Initialised:
    """Take what agents needed out of the work tree again."""
    if not request.agent or request.remote:
        raise WaggleError(
            "usage",
            "--remove goes with --agent, and without --remote",
            "Name the agents: `waggle init --agent NAME --remove`.",
        )
    repository = ctx.repository
    planned = plan(repository.work_tree, find_presets(request.agent), remove=True)
    return Initialised(
        replica=None,
        created=False,
        store=repository.store_dir,
        operator=None,
        remotes=(),
        files=planned.carry_out(),
        notes=planned.notes,
    )


def _add_remotes(ctx: Context, named: tuple[str, ...]) -> tuple[str, ...]:
    """Add remotes to the settings; give all that stand there."""
    store_dir = ctx.repository.store_dir
    settings = config.load(store_dir)
    if not named:
        return settings.remotes
    found = find_remotes(ctx.space.objects.git, settings, named, ctx.cwd)
    names = (one.where for one in found)
    both = tuple(dict.fromkeys((*settings.remotes, *names)))
    config.save(store_dir, msgspec.structs.replace(settings, remotes=both))
    return both


def _show_init(result: Initialised) -> Iterator[str]:
    if result.replica is not None:
        word = "made" if result.created else "there already"
        yield f"{word}: {result.store} (replica {result.replica[:12]})"
    for file in result.files:
        yield f"{file.action}: {file.path}{f' ({file.note})' if file.note else ''}"
    yield from (f"note: {note}" for note in result.notes)
    if result.replica is None:
        return
    if result.remotes:
        yield f"syncs with: {', '.join(result.remotes)}"
        yield "next: waggle sync"
        return
    if result.files:
        yield "next: look at these files and commit them, so that every worktree has them"
        return
    yield 'next: waggle race "make the tests pass" --agent claude --test "python -m pytest -q"'


INIT = Operation(
    name="init",
    request=InitRequest,
    run=_init,
    show=_show_init,
    about="Make waggle's store in this repository, under .git; safe to repeat.",
    example="waggle init",
)
