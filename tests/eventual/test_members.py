"""Who takes part, by entries; and who is alive, by entries, beats and suspicion together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.base.errors import WaggleError
from waggle.eventual.members import Join, Leave, Membership, membership, memberships
from waggle.eventual.presence import Presence, presences
from waggle.log.beat import Beat
from waggle.log.entry import Agent, Body
from waggle.store.hearing.beat_rows import HeardBeat, Watched
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

NOW_MS = 1_767_225_600_000
REPLICA = "ab" * 16
MEMBER = Membership(
    replica=REPLICA, name="ann", joined=stamp(NOW_MS), left=0, reason="", session=None,
    model=None, vendor=None, roles=(), lease=60,
)  # fmt: skip
HEARD = HeardBeat(
    replica=REPLICA,
    beat=Beat(name="ann", counter=1, at=NOW_MS + 1000, since=NOW_MS, lease=60),
    heard=NOW_MS + 1500,
    live=True,
)
WATCHED = Watched(
    replica=REPLICA, name="ann", level=2, phi_milli=5300, heard_ms=NOW_MS + 1500, intervals_ms=()
)


def state(
    after_s: float,
    member: Membership | None = MEMBER,
    heard: HeardBeat | None = HEARD,
    watched: Watched | None = None,
) -> Presence:
    members = [member] if member else []
    (one,) = presences(
        members,
        [heard] if heard else [],
        [watched] if watched else [],
        NOW_MS + int(after_s * 1000),
    )
    return one


def made(at_ms: int, since_ms: int = NOW_MS, heard_ms: int | None = None) -> HeardBeat:
    beat = replace(HEARD.beat, at=at_ms, since=since_ms)
    return replace(HEARD, beat=beat, heard=at_ms if heard_ms is None else heard_ms)


# --- entries ----------------------------------------------------------------------------------


def say(space: Space, body: Body, name: str = "ann", model: str | None = None) -> None:
    space.append(Draft(body=body), Agent(name=name, model=model))


def test_the_last_join_and_the_last_leave_count(world: World, space: Space) -> None:
    say(space, Join(roles=("build",), lease=60), model="m1")
    say(space, Join(roles=("build", "deploy"), lease=90), model="m2")
    say(space, Join(), "bob")
    ann = membership(space.db, space.replica, "ann")
    assert ann is not None
    assert (ann.roles, ann.lease, ann.model, ann.gone) == (("build", "deploy"), 90, "m2", False)
    say(space, Leave(reason="done"))
    ann, bob = memberships(space.db)
    assert (ann.gone, ann.reason, bob.gone) == (True, "done", False)
    world.clock.pass_ms(1000)
    say(space, Join())
    ann, _ = memberships(space.db)
    assert (ann.gone, ann.lease, ann.roles) == (False, 300, ())
    assert membership(space.db, space.replica, "eve") is None


@pytest.mark.parametrize(
    "words", [{"roles": ("Build",)}, {"roles": ("x",) * 17}, {"lease": 9}, {"lease": 604_801}]
)
def test_what_is_no_role_and_no_lease_is_not_appended(
    space: Space, words: dict[str, object]
) -> None:
    with pytest.raises(WaggleError) as error:
        say(space, Join(**words))  # type: ignore[arg-type]
    assert error.value.code == "invalid"
    assert memberships(space.db) == []


# --- states -----------------------------------------------------------------------------------


def test_an_agent_is_alive_until_its_lease_is_over() -> None:
    alive, lapsed = state(61), state(61.001)
    assert (alive.state, alive.since, alive.until) == ("alive", NOW_MS, NOW_MS + 61_000)
    assert (lapsed.state, lapsed.since) == ("lapsed", NOW_MS + 61_000)
    assert not alive.back


def test_who_joined_and_never_beat_has_the_lease_of_its_join() -> None:
    assert state(60, heard=None).state == "alive"
    assert state(60.001, heard=None).state == "lapsed"


def test_beats_that_come_before_the_entry_of_their_agent_count() -> None:
    found = state(30, member=None)
    assert (found.state, found.member, found.seen) == ("alive", None, NOW_MS + 1000)


def test_who_left_has_left_until_it_beats_or_joins_again() -> None:
    gone = replace(MEMBER, left=stamp(NOW_MS + 20_000), reason="done")
    left = state(30, gone)
    assert (left.state, left.since) == ("left", NOW_MS + 20_000)
    assert state(9999, gone).state == "left", "who left does not lapse"
    assert state(30, gone, made(NOW_MS + 20_001)).state == "alive"
    assert state(30, replace(gone, joined=stamp(NOW_MS + 25_000))).state == "alive"


def test_who_comes_back_is_back_since_then() -> None:
    back = state(500, heard=made(NOW_MS + 480_000, NOW_MS + 470_000))
    assert (back.state, back.back, back.since) == ("alive", True, NOW_MS + 470_000)


def test_suspicion_is_of_a_running_node_and_of_what_it_has_heard() -> None:
    found = state(30, watched=WATCHED)
    assert (found.state, found.level, found.phi_milli) == ("suspect", 2, 5300)
    assert found.since == WATCHED.heard_ms
    assert state(30, watched=replace(WATCHED, level=0)).state == "alive"
    assert state(30).level == 0
    assert state(100, watched=WATCHED).state == "lapsed"
    later = made(NOW_MS + 9000)
    assert state(30, heard=later, watched=WATCHED).state == "alive", "it has not heard this one"


def test_an_old_record_that_comes_late_keeps_nobody_alive() -> None:
    late = made(NOW_MS, heard_ms=NOW_MS + 3_600_000)
    assert state(3600, heard=late).state == "lapsed"


def test_a_clock_that_runs_ahead_keeps_nobody_alive() -> None:
    ahead = made(NOW_MS + DRIFT_MS_MAX, heard_ms=NOW_MS + 1000)
    assert state(61, heard=ahead).state == "alive"
    assert state(62, heard=ahead).state == "lapsed"


def test_what_this_clock_said_when_it_was_wrong_counts_for_nothing() -> None:
    """It ran a year ahead when the beat was made or heard, and was set right since."""
    year_ms = 365 * 24 * 3600 * 1000
    wrong = made(NOW_MS + year_ms, NOW_MS + year_ms)
    assert state(61, heard=wrong).state == "lapsed"
    assert state(30, member=None, heard=wrong).state == "lapsed"


def test_agents_are_told_apart_by_replica() -> None:
    other = replace(MEMBER, replica="cd" * 16)
    found = presences([MEMBER, other], [HEARD], [], NOW_MS + 60_500)
    assert [(one.replica[:2], one.state) for one in found] == [("ab", "alive"), ("cd", "lapsed")]
