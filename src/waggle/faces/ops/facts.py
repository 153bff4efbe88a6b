"""`fact add`, `fact retract` and the reads: what agents know, and where they disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_prefix
from waggle.eventual import fact_reads, fact_search
from waggle.eventual.fact_reads import Fact, Register
from waggle.eventual.fact_tables import ALWAYS
from waggle.eventual.facts import SUPERSEDES_MAX, FactAssert, FactBody, FactRetract, check_term
from waggle.faces.ops.context import Context
from waggle.faces.ops.fact_shapes import (
    FactShape,
    RegisterShape,
    fact_shape,
    register_shape,
    said,
    settling,
    show_register,
    stamp_of,
)
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import Durable, printable, short, when
from waggle.store.space import Draft

EntityArg = Annotated[str, arg("ENTITY", "what it is known of, one line")]
AttributeArg = Annotated[str, arg("ATTRIBUTE", "what about it, one line")]
SomeAttributeArg = Annotated[str | None, arg("[ATTRIBUTE]", "what about it; default all")]
SourceOpt = Annotated[str | None, opt("from what you know it: a URL, path@commit, words", "TEXT")]
SupersedesOpt = Annotated[
    tuple[str, ...],
    opt("what you saw and replace: ids, a `seen` of `fact get`, or 'all' shown now", "IDS"),
]
LimitOpt = Annotated[int, opt("how many; 0 for all", "N", least=0)]


class FactWritten(Struct, frozen=True, kw_only=True):
    """The fact that was written, and what its register comes to."""

    fact: FactShape
    register: RegisterShape | None
    """None where this store's log does not count here."""
    notes: list[str]
    durable: Durable


def superseded(register: Register | None, writer: str, names: Iterable[str]) -> tuple[str, ...]:
    """Give what a write supersedes: what it names, and the writer's own heads, the latest first.

    Another agent's head is superseded only by name: who did not see it has not judged it. Raises
    `limit` where more is named than an entry can hold.
    """
    own = [head.id for head in register.heads if head.writer == writer] if register else []
    chosen = list(dict.fromkeys(names))
    if len(chosen) > SUPERSEDES_MAX:
        raise WaggleError(
            "limit",
            f"{len(chosen)} facts are named; one entry supersedes at most {SUPERSEDES_MAX}",
            "Name some of them, and the rest in a second write.",
        )
    return tuple(dict.fromkeys([*chosen, *own]))[:SUPERSEDES_MAX]


def _superseded(ctx: Context, request: FactAddRequest | FactRetractRequest) -> tuple[str, ...]:
    entity = check_term("entity", request.entity)
    attribute = check_term("attribute", request.attribute)
    names = list(_named(ctx, entity, attribute, request.supersedes))
    return superseded(_register(ctx, entity, attribute), _writer(ctx), names)


def _writer(ctx: Context) -> str:
    return f"{ctx.space.replica}/{ctx.by.name}"


def _unknown(entity: str, attribute: str | None) -> WaggleError:
    what = entity if attribute is None else f"{entity} {attribute}"
    return WaggleError(
        "not_found",
        f"nothing is known of {what}",
        "Names are taken letter by letter: look with `waggle fact search WORDS`.",
    )


def _named(ctx: Context, entity: str, attribute: str, words: Iterable[str]) -> Iterator[str]:
    """Give the whole ids of what a caller names; raise `invalid`, `not_found`, `ambiguous`."""
    for word in words:
        for part in filter(None, (part.strip() for part in word.split(","))):
            if part == "all":
                register = _register(ctx, entity, attribute)
                yield from (head.id for head in register.heads) if register else ()
            else:
                prefix = check_prefix(part)
                yield fact_reads.named(ctx.space.db, entity, attribute, prefix)


def _register(ctx: Context, entity: str, attribute: str) -> Register | None:
    found = fact_reads.registers(ctx.space.db, entity, attribute)
    return found[0] if found else None


def _write(ctx: Context, body: FactBody) -> FactWritten:
    """Append a fact and tell what it comes to; a repeated key tells of the first one."""
    written = ctx.space.append(Draft(body=body, key=ctx.key), ctx.by)
    if not written.fresh:
        body = ctx.recorded(written, type(body))
    found = _register(ctx, body.entity, body.attribute)
    register = None if found is None else register_shape(found)
    fact = Fact(
        id=written.id,
        entity=body.entity,
        attribute=body.attribute,
        value=body.value if isinstance(body, FactAssert) else None,
        source=body.source,
        writer=_writer(ctx),
        at=written.at,
        until=ALWAYS,
        supersedes=body.supersedes,
    )
    return FactWritten(
        fact=fact_shape(fact),
        register=register,
        notes=list(settling(register)) if register and register.conflict else [],
        durable=Durable(),
    )


def _show_written(result: FactWritten) -> Iterator[str]:
    fact = result.fact
    what = "retracted" if fact.value is None else f"= {printable(fact.value)}"
    yield f"fact {short(fact.id)}: {printable(fact.entity)} {printable(fact.attribute)} {what}"
    yield from result.notes


class FactAddRequest(Struct, frozen=True, kw_only=True):
    """Write down what you know."""

    entity: EntityArg
    attribute: AttributeArg
    value: Annotated[str, arg("VALUE", "the value, a text")]
    source: SourceOpt = None
    supersedes: SupersedesOpt = ()


def _add(ctx: Context, request: FactAddRequest) -> FactWritten:
    body = FactAssert(
        entity=request.entity,
        attribute=request.attribute,
        value=request.value,
        source=request.source,
        supersedes=_superseded(ctx, request),
    )
    return _write(ctx, body)


ADD = Operation(
    name="fact add",
    request=FactAddRequest,
    run=_add,
    show=_show_written,
    about="Write down a fact. It replaces your own last value, and others' only where you name it.",
    example='waggle fact add "staging db" host db-2.internal --source deploy/hosts.md@4f2a9c1',
    write=True,
)


class FactRetractRequest(Struct, frozen=True, kw_only=True):
    """Take a value back."""

    entity: EntityArg
    attribute: AttributeArg
    source: SourceOpt = None
    supersedes: SupersedesOpt = ()


def _retract(ctx: Context, request: FactRetractRequest) -> FactWritten:
    chosen = _superseded(ctx, request)
    if _register(ctx, request.entity, request.attribute) is None:
        raise _unknown(request.entity, request.attribute)
    body = FactRetract(
        entity=request.entity,
        attribute=request.attribute,
        source=request.source,
        supersedes=chosen,
    )
    return _write(ctx, body)


RETRACT = Operation(
    name="fact retract",
    request=FactRetractRequest,
    run=_retract,
    show=_show_written,
    about="Take a fact back: your own, and others' only where you name it. Nothing is erased.",
    example='waggle fact retract "staging db" host --source "it was switched off"',
    write=True,
)


class FactGetRequest(Struct, frozen=True, kw_only=True):
    """Ask what is known."""

    entity: EntityArg
    attribute: SomeAttributeArg = None
    as_of: Annotated[str | None, opt("what was known at a time: UTC, or a stamp", "TIME")] = None


class FactsKnown(Struct, frozen=True, kw_only=True):
    """What is known of an entity, an attribute each, or what was known at a time."""

    entity: str
    as_of: str | None
    registers: list[RegisterShape]


def _get(ctx: Context, request: FactGetRequest) -> FactsKnown:
    at = None if request.as_of is None else stamp_of(request.as_of)
    found = fact_reads.registers(ctx.space.db, request.entity, request.attribute, at)
    # What was only retracted is known no longer; asked for by name, it is told who did that.
    known = [
        one for one in found if request.attribute or one.conflict or one.shown.value is not None
    ]
    if not known:
        raise _unknown(request.entity, request.attribute)
    return FactsKnown(
        entity=request.entity,
        as_of=None if at is None else when(at),
        registers=[register_shape(one) for one in known],
    )


def _show_known(result: FactsKnown) -> Iterator[str]:
    as_of = f" as of {result.as_of}" if result.as_of else ""
    yield f"{printable(result.entity)}{as_of}"
    for register in result.registers:
        yield from show_register(register)


GET = Operation(
    name="fact get",
    request=FactGetRequest,
    run=_get,
    show=_show_known,
    about="Show what is known of an entity, who says so, since when, and where they disagree.",
    example='waggle fact get "staging db" host --as-of 2026-01-31T12:00Z',
)


class FactHistoryRequest(Struct, frozen=True, kw_only=True):
    """Look back."""

    entity: EntityArg
    attribute: SomeAttributeArg = None
    limit: LimitOpt = 50


class FactHistory(Struct, frozen=True, kw_only=True):
    """Facts, the latest first, whether they were superseded or not."""

    facts: list[FactShape]


def _history(ctx: Context, request: FactHistoryRequest) -> FactHistory:
    entity, attribute = request.entity, request.attribute
    found = fact_reads.history(ctx.space.db, entity, attribute, request.limit or -1)
    if not found:
        raise _unknown(entity, attribute)
    return FactHistory(facts=[fact_shape(one) for one in found])


def _show_facts(result: FactHistory) -> Iterator[str]:
    for fact in result.facts:
        yield f"{printable(fact.entity)} {printable(fact.attribute)}: {said(fact)}"
        if fact.supersedes:
            yield f"  over {', '.join(map(short, fact.supersedes[:5]))}"


HISTORY = Operation(
    name="fact history",
    request=FactHistoryRequest,
    run=_history,
    show=_show_facts,
    about="Show every fact that was written of an entity, the latest first.",
    example='waggle fact history "staging db" host',
)


class FactSearchRequest(Struct, frozen=True, kw_only=True):
    """Search."""

    words: Annotated[tuple[str, ...], arg("WORDS...", "words, or how they begin; all must occur")]
    limit: Annotated[int, opt("how many, the best first", "N", least=1, most=1000)] = 20


class FactHit(Struct, frozen=True, kw_only=True):
    """A fact that was found, and whether others differ from it."""

    fact: FactShape
    conflict: bool


class FactHits(Struct, frozen=True, kw_only=True):
    """What was found, the best first."""

    hits: list[FactHit]


def _search(ctx: Context, request: FactSearchRequest) -> FactHits:
    found = fact_search.search(ctx.space.db, " ".join(request.words), request.limit)
    return FactHits(
        hits=[FactHit(fact=fact_shape(one.fact), conflict=one.conflict) for one in found]
    )


def _show_hits(result: FactHits) -> Iterator[str]:
    if not result.hits:
        yield "nothing found; try fewer words, or the beginning of one"
    for hit in result.hits:
        fact = hit.fact
        mark = "  (in conflict)" if hit.conflict else ""
        yield f"{printable(fact.entity)} {printable(fact.attribute)}: {said(fact)}{mark}"


SEARCH = Operation(
    name="fact search",
    request=FactSearchRequest,
    run=_search,
    show=_show_hits,
    about="Search what is known, in entities, attributes and values.",
    example="waggle fact search staging host",
)


class FactConflictsRequest(Struct, frozen=True, kw_only=True):
    """List disagreements."""

    limit: LimitOpt = 20


class FactConflicts(Struct, frozen=True, kw_only=True):
    """What is in conflict, and how much of that there is in all."""

    total: int
    registers: list[RegisterShape]


def _conflicts(ctx: Context, request: FactConflictsRequest) -> FactConflicts:
    db = ctx.space.db
    found = fact_reads.conflicts(db, request.limit or -1)
    return FactConflicts(
        total=fact_reads.count_conflicts(db), registers=[register_shape(one) for one in found]
    )


def _show_conflicts(result: FactConflicts) -> Iterator[str]:
    if not result.registers:
        yield "no conflict"
    for register in result.registers:
        yield printable(register.entity)
        yield from show_register(register)
    if result.total > len(result.registers):
        yield f"and {result.total - len(result.registers)} more: --limit 0"


CONFLICTS = Operation(
    name="fact conflicts",
    request=FactConflictsRequest,
    run=_conflicts,
    show=_show_conflicts,
    about="List what agents disagree on, with the command that settles each.",
    example="waggle fact conflicts",
)
