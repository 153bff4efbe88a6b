"""Who is alive, as far as can be known here: entries, beats and the failure detector together.

    left      it said so, and gave no sign of life since
    lapsed    its lease is over: nothing more is known, for it may be offline
    suspect   it is heard live, and was silent for unlike its rhythm (suspicion.py)
    alive     its lease runs

Nobody is ever called dead. A lease counts from the earlier of when a beat says that it was made and
when it came, so neither a clock that runs ahead nor an old record that comes late keeps an agent
alive. Where clocks lag behind, agents lapse early: `waggle doctor` looks at clocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from waggle.base.clock import DRIFT_MS_MAX, millis
from waggle.eventual.members import Membership
from waggle.log.beat import LEASE_S_MIN, Beat
from waggle.store.hearing.beat_rows import HeardBeat, Watched

State = Literal["alive", "suspect", "lapsed", "left"]


class Presence(Struct, frozen=True, kw_only=True):
    """One agent. Times are milliseconds since 1970."""

    replica: str
    name: str
    state: State
    since: int
    """Since when it is so; 0 where nothing tells."""
    back: bool
    """Whether it is alive again after its lease had been over."""
    level: int
    """How strong the suspicion is, 1 to 3; 0 where there is none."""
    phi_milli: int | None
    """Phi in thousandths; None where no running node hears the agent."""
    seen: int
    """When it gave the last sign of life that can be trusted; 0 for never."""
    until: int
    """When its lease ends, or ended; 0 where nothing tells."""
    member: Membership | None
    """What it said when it joined, once that entry is here."""
    beat: Beat | None


def presences(
    members: Iterable[Membership],
    heard: Iterable[HeardBeat],
    watched: Iterable[Watched],
    now_ms: int,
) -> list[Presence]:
    """Give all agents that joined or beat, by replica and name; `watched`: by a running node."""
    joined = {(one.replica, one.name): one for one in members}
    beats = {(one.replica, one.beat.name): one for one in heard}
    levels = {(one.replica, one.name): one for one in watched}
    return [
        _presence(who, joined.get(who), beats.get(who), levels.get(who), now_ms)
        for who in sorted({*joined, *beats})
    ]


def _presence(
    who: tuple[str, str],
    member: Membership | None,
    heard: HeardBeat | None,
    watched: Watched | None,
    now_ms: int,
) -> Presence:
    joined = millis(member.joined) if member and not member.gone else 0
    seen = max(_trusted(joined, now_ms), _seen(heard, now_ms))
    lease = heard.beat.lease if heard else member.lease if member else 0
    until = seen + lease * 1000 if seen else 0
    since = max(joined, heard.beat.since if heard else 0)
    # A beat that came after the node looked last is news that its suspicion does not know of.
    current = watched if watched and heard and heard.heard <= watched.heard_ms else None
    state: State = "alive"
    if member is not None and member.gone and seen <= millis(member.left):
        state, since = "left", millis(member.left)
    elif now_ms > until:
        state, since = "lapsed", until
    elif current is not None and current.level:
        state, since = "suspect", current.heard_ms
    return Presence(
        replica=who[0],
        name=who[1],
        state=state,
        since=since,
        back=state in {"alive", "suspect"} and _is_back(joined, heard),
        level=current.level if current and state == "suspect" else 0,
        phi_milli=watched.phi_milli if watched and current else None,
        seen=seen,
        until=until,
        member=member,
        beat=heard.beat if heard else None,
    )


def _seen(heard: HeardBeat | None, now_ms: int) -> int:
    return _trusted(min(heard.beat.at, heard.heard), now_ms) if heard else 0


def _trusted(at_ms: int, now_ms: int) -> int:
    """Give a time, 0 where it is from the future: a clock was wrong, and says nothing then."""
    return at_ms if at_ms <= now_ms + DRIFT_MS_MAX else 0


def _is_back(joined: int, heard: HeardBeat | None) -> bool:
    """Tell whether an agent's unbroken time began after a lapse, not with its join.

    The first beat follows the join at once; no lapse is shorter than the shortest lease.
    """
    return heard is not None and bool(joined) and heard.beat.since > joined + LEASE_S_MIN * 1000
