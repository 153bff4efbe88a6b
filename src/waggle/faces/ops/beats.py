"""`join`, `beat`, `leave`: taking part, and staying a member.

`beat` is what agents do hundreds of times an hour. It writes one row of a small file and wakes the
node, if there is one; whoever carries beats signs them. So it loads neither libgit2, Zenoh nor
cryptography, and folds nothing unless it has to join or to look up a task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.eventual.members import Join, Leave, Membership, membership
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, opt
from waggle.faces.ops.shapes import Durable, printable, short, when
from waggle.log.beat import LEASE_S, LEASE_S_MAX, LEASE_S_MIN, NOTE_CHARS_MAX, Beat
from waggle.store.hearing.beats import Beats, Renewed
from waggle.store.own import bell
from waggle.store.own.secrets import scan_text
from waggle.store.space import Draft


class Joined(Struct, frozen=True, kw_only=True):
    """An agent takes part."""

    join: str
    """The id of its entry."""
    agent: str
    roles: tuple[str, ...]
    lease: int
    """In seconds."""
    until: str
    """When the membership lapses, unless a beat renews it."""
    durable: Durable


class Beaten(Struct, frozen=True, kw_only=True):
    """A sign of life; it is no entry, and travels with the next sync or by the node."""

    agent: str
    joined: str | None
    """The id of the entry by which it joined just now; None where it was a member."""
    back: bool
    """Whether its membership had lapsed."""
    until: str
    note: str
    doing: str | None
    durable: Durable


class Left(Struct, frozen=True, kw_only=True):
    """An agent takes part no longer."""

    leave: str
    """The id of its entry."""
    agent: str
    durable: Durable


def _beats(ctx: Context) -> Beats:
    return Beats(ctx.space.store_dir, ctx.space.name)


def _until(beat: Beat) -> str:
    return when((beat.at + beat.lease * 1000) << 16)


class JoinRequest(Struct, frozen=True, kw_only=True):
    """Join."""

    role: Annotated[tuple[str, ...], opt("what the agent is there for, a word: build", "WORD")] = ()
    lease: Annotated[
        int, opt("seconds until it lapses unless renewed", "S", least=LEASE_S_MIN, most=LEASE_S_MAX)
    ] = LEASE_S


def _append_join(ctx: Context, body: Join) -> tuple[str, Join, Renewed]:
    """Append a join and give its id, what it says, and the beat that goes with it."""
    written = ctx.space.append(Draft(body=body, key=ctx.key), ctx.by)
    if not written.fresh:
        body = ctx.recorded(written, Join)
    renewed = _beats(ctx).renew(
        ctx.space.replica, ctx.by.name, ctx.outside.now_ms(), lease=body.lease
    )
    assert renewed is not None  # noqa: S101 - with a lease it always does
    bell.ring(ctx.space.store_dir)
    return written.id, body, renewed


def _join(ctx: Context, request: JoinRequest) -> Joined:
    entry, body, renewed = _append_join(ctx, Join(roles=request.role, lease=request.lease))
    return Joined(
        join=entry,
        agent=ctx.by.name,
        roles=body.roles,
        lease=body.lease,
        until=_until(renewed.beat),
        durable=Durable(),
    )


def _show_joined(result: Joined) -> Iterator[str]:
    yield f"join {short(result.join)}: {printable(result.agent)} is a member until {result.until}"
    yield "`waggle beat` renews it"


JOIN = Operation(
    name="join",
    request=JoinRequest,
    run=_join,
    show=_show_joined,
    about="Take part as a member that others see, until the lease lapses; `beat` renews it.",
    example="waggle join --role build --lease 600 --as ann",
    write=True,
)


class BeatRequest(Struct, frozen=True, kw_only=True):
    """Beat."""

    note: Annotated[str | None, opt("what the agent is at, for others; empty: nothing", "TEXT")] = (
        None
    )
    doing: Annotated[str | None, opt("the task it works on; empty: none", "TASK")] = None


def _beat(ctx: Context, request: BeatRequest) -> Beaten:
    note = None if request.note is None else _note(request.note)
    doing = ctx.task(request.doing).id if request.doing else request.doing
    beats, replica, name = _beats(ctx), ctx.space.replica, ctx.by.name
    now_ms, joined = ctx.outside.now_ms(), None
    renewed = beats.renew(replica, name, now_ms, note=note, doing=doing)
    if renewed is None:
        known = membership(ctx.space.db, replica, name)
        if known is None or known.gone:
            joined, _, _ = _append_join(ctx, _as_before(known))
        lease = known.lease if known and joined is None else None
        renewed = beats.renew(replica, name, now_ms, lease=lease, note=note, doing=doing)
        assert renewed is not None  # noqa: S101 - it has joined, or does so by its lease
    bell.ring(ctx.space.store_dir)
    beat = renewed.beat
    return Beaten(
        agent=name,
        joined=joined,
        back=renewed.back,
        until=_until(beat),
        note=beat.note,
        doing=beat.doing,
        durable=Durable(journal=joined is not None),
    )


def _as_before(known: Membership | None) -> Join:
    """Give the join of an agent that did not join itself: as it did last, if it ever did."""
    return Join(roles=known.roles, lease=known.lease) if known and known.lease else Join()


def _note(text: str) -> str:
    """Give a note back; raise `limit`, or `invalid` for what should not be sent to others."""
    if len(text) > NOTE_CHARS_MAX:
        raise WaggleError(
            "limit",
            f"the note has {len(text)} characters; the limit is {NOTE_CHARS_MAX}",
            "Shorten it; what is worth keeping belongs into a task or a fact.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WaggleError(
            "invalid", f"the note is not valid Unicode: {error.reason}", "Write it in UTF-8."
        ) from error
    if found := scan_text(text, place="note"):
        raise WaggleError(
            "held",
            f"the note looks like {found[0].rule}; nobody was told",
            "Beat again without it.",
        )
    return text


def _show_beaten(result: Beaten) -> Iterator[str]:
    if result.joined is not None:
        yield f"join {short(result.joined)}: {printable(result.agent)} was no member, and joined"
    back = "back, " if result.back else ""
    yield f"beat: {printable(result.agent)} is {back}a member until {result.until}"


BEAT = Operation(
    name="beat",
    request=BeatRequest,
    run=_beat,
    show=_show_beaten,
    about="Give a sign of life: renew the membership, and say what you are at. Leaves no history.",
    example='waggle beat --note "reading the parser" --as ann',
    write=True,
)


class LeaveRequest(Struct, frozen=True, kw_only=True):
    """Leave."""

    reason: Annotated[str, opt("why; others read it", "TEXT")] = ""


def _leave(ctx: Context, request: LeaveRequest) -> Left:
    space, name = ctx.space, ctx.by.name
    known = membership(space.db, space.replica, name)
    # A repeated key is told what its first call did, though the agent has left by now.
    if known is None or (known.gone and ctx.key is None):
        raise WaggleError(
            "not_found",
            f"{name} is no member of this replica",
            "See `waggle members`; `waggle join` makes it one.",
        )
    written = space.append(Draft(body=Leave(reason=request.reason), key=ctx.key), ctx.by)
    if written.fresh:
        _beats(ctx).drop(space.replica, name, ctx.outside.now_ms())
        bell.ring(space.store_dir)
    else:
        ctx.recorded(written, Leave)
    return Left(leave=written.id, agent=name, durable=Durable())


def _show_left(result: Left) -> Iterator[str]:
    yield f"leave {short(result.leave)}: {printable(result.agent)} is no member any more"


LEAVE = Operation(
    name="leave",
    request=LeaveRequest,
    run=_leave,
    show=_show_left,
    about="Take part no longer; `join` or `beat` makes you a member again.",
    example='waggle leave --reason "the work is done" --as ann',
    write=True,
)
