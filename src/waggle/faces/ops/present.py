"""Agents as `members` shows them: who is alive, and since when."""

from __future__ import annotations

from msgspec import Struct

from waggle.eventual.members import memberships
from waggle.eventual.presence import Presence, presences
from waggle.faces.ops.context import Context
from waggle.faces.ops.shapes import printable, short, when
from waggle.store.hearing.beats import Beats
from waggle.store.own.bell import is_claimed
from waggle.store.views.decrees import distrusted


class AgentShape(Struct, frozen=True, kw_only=True):
    """An agent that joined, and whether it is alive."""

    replica: str
    name: str
    state: str
    """alive, suspect, lapsed or left; nobody is ever called dead."""
    since: str | None
    back: bool
    """Whether it is alive again after its membership had lapsed."""
    level: int
    """How strong a suspicion is, 1 to 3."""
    phi: float | None
    """The failure detector's figure; None where no running node hears the agent."""
    seen: str | None
    """When it last gave a sign of life."""
    until: str | None
    """When its lease ends, or ended."""
    lease: int
    """In seconds."""
    session: str | None
    model: str | None
    vendor: str | None
    roles: tuple[str, ...]
    note: str
    doing: str | None
    """The task that it works on."""
    reason: str
    """Why it left."""


def present_agents(ctx: Context) -> list[AgentShape]:
    """Give the agents that joined or beat; only a running node suspects anybody."""
    space = ctx.space
    beats = Beats(space.store_dir, space.name)
    watched = beats.watched() if is_claimed(space.store_dir) else []
    hidden = distrusted(space)
    heard = [one for one in beats.heard() if one.replica not in hidden]
    found = presences(memberships(space.db), heard, watched, ctx.outside.now_ms())
    return [_shape(one) for one in found]


def _shape(one: Presence) -> AgentShape:
    member, beat = one.member, one.beat
    return AgentShape(
        replica=one.replica,
        name=one.name,
        state=one.state,
        since=_moment(one.since),
        back=one.back,
        level=one.level,
        phi=None if one.phi_milli is None else one.phi_milli / 1000,
        seen=_moment(one.seen),
        until=_moment(one.until),
        lease=beat.lease if beat else member.lease if member else 0,
        session=member.session if member else None,
        model=member.model if member else None,
        vendor=member.vendor if member else None,
        roles=member.roles if member else (),
        note=beat.note if beat else "",
        doing=beat.doing if beat else None,
        reason=member.reason if member and one.state == "left" else "",
    )


def _moment(at_ms: int) -> str | None:
    return when(at_ms << 16) if at_ms else None


def agent_words(one: AgentShape) -> str:
    """Give one line about an agent, such as `ann: alive since ..., lease until ...`."""
    words = [f"{printable(one.name, 20)}: {one.state}{', back' * one.back} since {one.since}"]
    if one.level:
        words.append(f"suspicion {one.level} of 3 (phi {one.phi})")
    if one.state in {"alive", "suspect"}:
        words.append(f"lease until {one.until}")
    if one.state != "left":
        words.append(f"last seen {one.seen or 'never'}")
    if one.roles:
        words.append(f"roles {' '.join(one.roles)}")
    if one.doing:
        words.append(f"doing {short(one.doing)}")
    said = one.reason or one.note
    return ", ".join(words) + (f": {printable(said)}" if said else "")
