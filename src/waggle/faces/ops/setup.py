"""`init` and `doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct

from waggle.faces import operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Nothing, Operation, opt
from waggle.store import config
from waggle.store.doctor import Diagnosis, examine
from waggle.store.setup import initialise
from waggle.sync.remotes import find_remotes

UNWELL_STATUS = 8


class InitRequest(Struct, frozen=True, kw_only=True):
    """Make the store."""

    remote: Annotated[
        tuple[str, ...], opt("a git remote, URL or path to sync with; may be repeated", "URL")
    ] = ()


class Initialised(Struct, frozen=True, kw_only=True):
    """The store that is there now."""

    replica: str
    created: bool
    store: str
    operator: str | None
    remotes: tuple[str, ...]
    """What `waggle sync` uses; none means git's `origin`."""


def _init(ctx: Context, request: InitRequest) -> Initialised:
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
    word = "made" if result.created else "there already"
    yield f"{word}: {result.store} (replica {result.replica[:12]})"
    if result.remotes:
        yield f"syncs with: {', '.join(result.remotes)}"
        yield "next: waggle sync"
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


class Examined(Struct, frozen=True, kw_only=True):
    """What the doctor found."""

    healthy: bool
    diagnoses: list[Diagnosis]


def _doctor(ctx: Context, _request: Nothing) -> Examined:
    found = examine(ctx.repository, ctx.environ, ctx.outside)
    return Examined(healthy=all(one.severity != "error" for one in found), diagnoses=found)


def _show_doctor(result: Examined) -> Iterator[str]:
    for one in result.diagnoses:
        yield f"{one.severity:<8} {one.what}"
        if one.next_step:
            yield f"         {one.next_step}"
    yield "nothing here needs you" if result.healthy else "see the errors above"


DOCTOR = Operation(
    name="doctor",
    request=Nothing,
    run=_doctor,
    show=_show_doctor,
    about="Say what is wrong here, if anything, and the safe next step.",
    example="waggle doctor",
    status=lambda result: 0 if result.healthy else UNWELL_STATUS,
)
