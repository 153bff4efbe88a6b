"""`init` and `doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from waggle.faces import operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Nothing, Operation
from waggle.store.doctor import Diagnosis, examine
from waggle.store.setup import initialise

UNWELL_STATUS = 8


class Initialised(Struct, frozen=True, kw_only=True):
    """The store that is there now."""

    replica: str
    created: bool
    store: str
    operator: str | None


def _init(ctx: Context, _request: Nothing) -> Initialised:
    public = None
    if not operator.is_agent(ctx.environ):
        key = operator.load(ctx.environ, fresh_seed=ctx.outside.entropy(32))
        public = operator.public(key)
    repository = ctx.repository
    owner, created = initialise(repository, ctx.outside, (public,) if public else ())
    return Initialised(
        replica=owner.replica, created=created, store=repository.store_dir, operator=public
    )


def _show_init(result: Initialised) -> Iterator[str]:
    word = "made" if result.created else "there already"
    yield f"{word}: {result.store} (replica {result.replica[:12]})"
    yield 'next: waggle race "make the tests pass" --agent claude --test "python -m pytest -q"'


INIT = Operation(
    name="init",
    request=Nothing,
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
