"""`members`, `members trust`, `members distrust`, `members admit`: whose logs count here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_prefix, is_replica, unique
from waggle.faces import operator
from waggle.faces.ops.context import Context
from waggle.faces.ops.present import AgentShape, agent_words, present_agents
from waggle.faces.ops.registry import Nothing, Operation, arg, opt
from waggle.faces.ops.shapes import Durable, printable, short, when
from waggle.store.space import Draft
from waggle.store.views import decrees
from waggle.store.views.decrees import Admit, Decree, Distrust, Trust
from waggle.store.views.members import Member, members

AGENTS_SHOWN = 6


class DecreeShape(Struct, frozen=True, kw_only=True):
    """The decree in force on a log."""

    trusted: bool
    last: int | None
    """The last seq that counts, where the log is distrusted."""
    reason: str
    made: str
    operator: str


class MemberShape(Struct, frozen=True, kw_only=True):
    """A replica and how far its log counts."""

    id: str
    own: bool
    entries: int
    """Held here and verified."""
    admitted: int
    """How many of them count."""
    held_back: str | None
    """Why the others do not: unlisted, distrusted, future or forked."""
    decree: DecreeShape | None
    forked: str
    future: str | None
    """When the first entry that is from the future says that it was written."""
    last: str | None
    """When its last entry was written."""
    last_id: str | None
    agents: tuple[str, ...]


class MemberList(Struct, frozen=True, kw_only=True):
    """All replicas that are known, this one first, and the agents that joined."""

    members: list[MemberShape]
    agents: list[AgentShape]


def _shape(one: Member) -> MemberShape:
    decree = None
    if one.standing is not None:
        trusted = one.standing.limit == decrees.EVERYTHING
        decree = DecreeShape(
            trusted=trusted,
            last=None if trusted else one.standing.limit,
            reason=one.standing.reason,
            made=when(one.standing.made << 16),
            operator=one.standing.operator,
        )
    return MemberShape(
        id=one.replica,
        own=one.own,
        entries=one.entries,
        admitted=one.admitted,
        held_back=one.held_back,
        decree=decree,
        forked=one.forked,
        future=when(one.future) if one.future else None,
        last=when(one.at) if one.at else None,
        last_id=one.last or None,
        agents=one.agents,
    )


def _list(ctx: Context, _request: Nothing) -> MemberList:
    found = sorted(members(ctx.space), key=lambda one: (not one.own, one.replica))
    return MemberList(members=[_shape(one) for one in found], agents=present_agents(ctx))


def _show_list(result: MemberList) -> Iterator[str]:
    for one in result.members:
        count = f"{one.entries} entries"
        if one.admitted < one.entries:
            count = f"{one.admitted} of {one.entries} entries count"
        names = [printable(name, 20) for name in one.agents[:AGENTS_SHOWN]]
        more = len(one.agents) - len(names)
        who = ", ".join(names) + (f" and {more} more" if more else "")
        own = "  (this store)" if one.own else ""
        yield f"{short(one.id)}  {count:<28} {one.last or 'nothing yet':<20}  {who}{own}"
        yield from (f"          {words}" for words in _remarks(one))
        for agent in result.agents:
            if agent.replica == one.id:
                yield f"          {agent_words(agent)}"
    known = {one.id for one in result.members}
    for agent in result.agents:
        if agent.replica not in known:
            yield f"{short(agent.replica)}  no log here yet: {agent_words(agent)}"


def _remarks(one: MemberShape) -> Iterator[str]:
    """Give what there is to know of a log besides its entries."""
    if one.held_back == "unlisted":
        yield "not trusted; to let it count: `waggle members trust`"
    if one.decree is not None:
        words = "trusted" if one.decree.trusted else "distrusted"
        if one.decree.last:
            words += f" after entry {one.decree.last}"
        yield f"{words} since {one.decree.made}: {printable(one.decree.reason)}"
    if one.forked == "open":
        yield "forked: it wrote two histories and counts up to where they part; `waggle verify`"
    if one.forked == "settled":
        yield "forked: it wrote two histories; the operator admitted one of them"
    if one.forked == "heard":
        yield "forked: it signed two histories; the one that git brought counts; `waggle verify`"
    if one.future is not None:
        words = f"`waggle members admit {short(one.id)} {short(one.last_id or '')}`"
        yield f"from the future: from {one.future} on it waits until then; to admit it: {words}"


MEMBERS = Operation(
    name="members",
    request=Nothing,
    run=_list,
    show=_show_list,
    about="List the replicas that are known, how far each one's log counts, and why.",
    example="waggle members",
)


class Decreed(Struct, frozen=True, kw_only=True):
    """The decree that was made, and what it comes to here."""

    decree: str
    """The id of its entry."""
    kind: str
    member: MemberShape
    notes: list[str]
    durable: Durable


def _replica(ctx: Context, text: str) -> str:
    """Give a replica's whole id; one that was never met has to be named in full."""
    prefix = text.lower()
    if is_replica(prefix):
        return prefix
    check_prefix(prefix)
    matches = [one.replica for one in members(ctx.space) if one.replica.startswith(prefix)]
    if not matches:
        raise WaggleError(
            "not_found",
            f"no replica is known whose id starts with {prefix}",
            "See `waggle members`; name one that is not here yet by its whole id.",
        )
    return unique(prefix, matches, "replica")


def _entry(ctx: Context, replica: str, text: str) -> str:
    """Give the whole id of an entry in a log, on whichever of its histories it stands."""
    prefix = check_prefix(text)
    found = {
        link.id
        for one in ctx.space.folding.reading.histories(replica)
        for link in one
        if link.id.startswith(prefix)
    }
    if not found:
        raise WaggleError(
            "not_found",
            f"the log of {short(replica)} has no entry here whose id starts with {prefix}",
            "See `waggle log`; `waggle verify` shows both entries of a fork.",
        )
    return unique(prefix, sorted(found), "entry")


def _key(ctx: Context) -> Ed25519PrivateKey:
    return operator.ruling_here(ctx.environ, ctx.space.config.operators)


def _made(ctx: Context, replica: str) -> int:
    """Give the time of a decree on a replica: later than all of them, whatever the clocks say."""
    return max(ctx.outside.now_ms(), decrees.latest(ctx.space.db, replica) + 1)


def _decree(ctx: Context, key: Ed25519PrivateKey, unsigned: Decree) -> Decreed:
    """Sign a decree, append it, and give what it comes to."""
    space = ctx.space
    try:
        body = decrees.signed(key, space.name, unsigned)
    except UnicodeEncodeError as error:
        raise WaggleError(
            "invalid", f"the reason is not valid Unicode: {error.reason}", "Write it in UTF-8."
        ) from error
    written = space.append(Draft(body=body, key=ctx.key), ctx.by)
    space.seal()
    if not written.fresh:
        body = ctx.recorded(written, type(body))
    (member,) = (one for one in members(space) if one.replica == body.replica)
    return Decreed(
        decree=written.id,
        kind=body.KIND,
        member=_shape(member),
        notes=list(_notes(body, member, decrees.distrusted(space))),
        durable=Durable(frame=True),
    )


def _notes(body: Decree, member: Member, distrusted: frozenset[str]) -> Iterator[str]:
    """Give what the operator may not expect."""
    if isinstance(body, Admit) and member.held_back in {"unlisted", "distrusted"}:
        yield f"the log is {member.held_back}, so this changes nothing until you trust it"
    if isinstance(body, Trust) and member.forked == "open":
        yield "the log is forked: admit an entry of the history that shall count"
    if member.own and member.replica in distrusted:
        yield "others no longer fetch this store's log: make your next decrees in another clone"
    if member.standing is not None and member.standing.made > body.made:
        yield "a later decree on this replica is in force"


def _show_decreed(result: Decreed) -> Iterator[str]:
    one = result.member
    yield f"{result.kind}: {one.admitted} of {one.entries} entries of {short(one.id)} count now"
    yield from (f"note: {words}" for words in result.notes)


ReplicaArg = Annotated[str, arg("REPLICA", "the replica's id, abbreviated as in git")]
ReasonOpt = Annotated[str, opt("why; others read it", "TEXT")]


class TrustRequest(Struct, frozen=True, kw_only=True):
    """Trust a replica."""

    replica: ReplicaArg
    reason: ReasonOpt


def _trust(ctx: Context, request: TrustRequest) -> Decreed:
    key, replica = _key(ctx), _replica(ctx, request.replica)
    decree = Trust(
        replica=replica,
        reason=request.reason,
        made=_made(ctx, replica),
        operator=operator.public(key),
        signature="",
    )
    return _decree(ctx, key, decree)


TRUST = Operation(
    name="members trust",
    request=TrustRequest,
    run=_trust,
    show=_show_decreed,
    about="Let a replica's whole log count, here and for all whose operator you are.",
    example='waggle members trust 8c1d22aa --reason "the build machine"',
    write=True,
)


class DistrustRequest(Struct, frozen=True, kw_only=True):
    """Distrust a replica."""

    replica: ReplicaArg
    reason: ReasonOpt
    after: Annotated[int, opt("the last entry that still counts; 0: none", "SEQ", least=0)] = 0


def _distrust(ctx: Context, request: DistrustRequest) -> Decreed:
    key, replica = _key(ctx), _replica(ctx, request.replica)
    decree = Distrust(
        replica=replica,
        last=request.after,
        reason=request.reason,
        made=_made(ctx, replica),
        operator=operator.public(key),
        signature="",
    )
    return _decree(ctx, key, decree)


DISTRUST = Operation(
    name="members distrust",
    request=DistrustRequest,
    run=_distrust,
    show=_show_decreed,
    about="Let a replica's log count no further than an entry. Nothing is lost; trust undoes it.",
    example='waggle members distrust 8c1d22aa --after 120 --reason "the key was stolen"',
    write=True,
)


class AdmitRequest(Struct, frozen=True, kw_only=True):
    """Admit the chain of a log through an entry."""

    replica: ReplicaArg
    entry: Annotated[str, arg("ENTRY", "the entry's id, abbreviated as in git")]
    reason: ReasonOpt


def _admit(ctx: Context, request: AdmitRequest) -> Decreed:
    key, replica = _key(ctx), _replica(ctx, request.replica)
    decree = Admit(
        replica=replica,
        entry=_entry(ctx, replica, request.entry),
        reason=request.reason,
        made=_made(ctx, replica),
        operator=operator.public(key),
        signature="",
    )
    return _decree(ctx, key, decree)


ADMIT = Operation(
    name="members admit",
    request=AdmitRequest,
    run=_admit,
    show=_show_decreed,
    about="Let a log count through an entry: though from the future, or one of two histories.",
    example='waggle members admit 8c1d22aa 3f2a91c4 --reason "its clock ran ahead"',
    write=True,
)
