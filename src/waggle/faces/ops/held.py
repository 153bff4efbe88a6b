"""`held` and `release`: what looks like a secret waits here for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.faces import operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Nothing, Operation, arg
from waggle.faces.ops.shapes import Durable, short
from waggle.store.own import held


class HeldShape(Struct, frozen=True, kw_only=True):
    """A held draft: where its suspects stand, never what they are."""

    id: str
    findings: list[str]


class HeldList(Struct, frozen=True, kw_only=True):
    """What is held."""

    held: list[HeldShape]


def _held(ctx: Context, _request: Nothing) -> HeldList:
    found = held.listing(ctx.space.objects, ctx.space.name)
    shapes = [
        HeldShape(id=one.id, findings=[f"{f.place}:{f.line} {f.rule}" for f in one.draft.findings])
        for one in found
    ]
    return HeldList(held=shapes)


def _show_held(result: HeldList) -> Iterator[str]:
    if not result.held:
        yield "nothing is held"
    for one in result.held:
        yield one.id[:12]
        yield from (f"  {finding}" for finding in one.findings)


HELD = Operation(
    name="held",
    request=Nothing,
    run=_held,
    show=_show_held,
    about="List what looked like a secret and was kept out of the log.",
    example="waggle held",
)


class ReleaseRequest(Struct, frozen=True, kw_only=True):
    """Release a held draft."""

    id: Annotated[str, arg("HELD", "the held draft's id")]


class Released(Struct, frozen=True, kw_only=True):
    """The entry that the draft became."""

    entry: str
    durable: Durable


def _release(ctx: Context, request: ReleaseRequest) -> Released:
    operator.load(ctx.environ)
    written = ctx.space.release(request.id.lower())
    ctx.space.seal()
    return Released(entry=written.id, durable=Durable(frame=True))


def _show_released(result: Released) -> Iterator[str]:
    yield f"released as entry {short(result.entry)}"


RELEASE = Operation(
    name="release",
    request=ReleaseRequest,
    run=_release,
    show=_show_released,
    about="Append a held draft as it is: you looked, and it is no secret. Operator only.",
    example="waggle release 0a1b2c3d4e5f",
    write=True,
)
