"""`init`: a store in this repository, and what it syncs with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct

from waggle.faces import operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, opt
from waggle.store import config
from waggle.store.setup import initialise
from waggle.sync.remotes import find_remotes


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
