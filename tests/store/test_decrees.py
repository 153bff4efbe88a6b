"""The operator's decrees: what they let count and what not, and that the rest goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import pytest
from tests.conftest import ANN, Forger, World
from tests.laws.worlds import key, public
from tests.store.voices import Voice, logs

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.eventual.tasks import TaskAdd, tasks
from waggle.log.sshsig import public_text
from waggle.store import config
from waggle.store.checkup.verify import verify
from waggle.store.hearing.listening import Listener
from waggle.store.space import Draft, Space
from waggle.store.views import decrees
from waggle.store.views.decrees import Admit, Decree, Distrust, Trust
from waggle.store.views.members import Member, members

OPERATOR = 10
SETTINGS = config.Config(operators=(public_text(public(OPERATOR)),))


def opened(world: World, name: str = "one", settings: config.Config = SETTINGS) -> Space:
    repository = world.store(name)
    config.save(repository.store_dir, settings)
    return world.space(repository)


@pytest.fixture
def space(world: World) -> Space:
    return opened(world)


def decree(kind: type[Decree], replica: str, made: int = 1, **more: object) -> Decree:
    """Give a decree, signed by the operator."""
    fields = {"replica": replica, "made": made, "operator": SETTINGS.operators[0], "signature": ""}
    return decrees.signed(key(OPERATOR), "main", msgspec.convert({**fields, **more}, kind))


def say(space: Space, kind: type[Decree], replica: str, made: int = 1, **more: object) -> None:
    """Append a decree to a store's own log."""
    space.append(Draft(body=decree(kind, replica, made, **more)), ANN)


def arrive(space: Space, forger: Forger, *lines: bytes) -> list[str]:
    """Let a whole log arrive; give its ids."""
    forger.point(forger.frame(list(lines)))
    space.find_logs()
    return forger.ids(list(lines))


def titles(space: Space) -> list[str]:
    return sorted(task.body.title for task in tasks(space.db))


def member(space: Space, replica: str) -> Member:
    (found,) = (one for one in members(space) if one.replica == replica)
    return found


def two_histories(forger: Forger) -> list[tuple[str, str]]:
    """Give (frame, last id) of two histories that share two entries."""
    lines = forger.lines(2)
    root, before = forger.frame(lines), forger.ids(lines)[-1]
    ends = []
    for title in ("left", "right"):
        line = forger.line(TaskAdd(title=title))
        oid = forger.frame([line], first=3, before=before, parents=(root,))
        ends.append((oid, forger.ids([line], before)[-1]))
    return ends


def at_odds(space: Space) -> bool:
    """Tell whether the last read met a fork that is not settled."""
    return space.folding.forked


# --- trust and distrust ------------------------------------------------------------------------


def test_distrust_takes_entries_away_and_trust_brings_them_back(world: World, space: Space) -> None:
    forger = world.forger(space)
    arrive(space, forger, *forger.lines(4))
    say(space, Distrust, forger.replica, last=2)
    assert titles(space) == ["forged 0", "forged 1"]
    assert member(space, forger.replica).held_back == "distrusted"
    assert decrees.distrusted(space) == frozenset()
    say(space, Distrust, forger.replica, made=2, last=0)
    assert titles(space) == []
    assert forger.replica not in space.digest()[1]
    assert decrees.distrusted(space) == {forger.replica}
    say(space, Trust, forger.replica, made=3)
    assert len(titles(space)) == 4
    say(space, Distrust, forger.replica, made=2, last=1)
    assert len(titles(space)) == 4, "an older decree changes nothing"
    assert member(space, forger.replica).held_back is None
    assert len(space.counted.newest(forger.replica, 2)) == 2


def test_newest_gives_the_last_entries_that_count(world: World, space: Space) -> None:
    forger = world.forger(space)
    ids = arrive(space, forger, *forger.lines(9))
    say(space, Distrust, forger.replica, last=5)
    assert [link.id for link in space.counted.newest(forger.replica, 2)] == ids[3:5]
    say(space, Distrust, forger.replica, made=2, last=0)
    assert space.counted.newest(forger.replica, 2) == []
    assert list(space.counted.every(forger.replica)) == []


def test_a_decree_counts_in_a_log_that_is_distrusted(world: World, space: Space) -> None:
    one, two = world.forger(space), world.forger(space, b"\5" * 32)
    arrive(space, one, one.line(), one.line(decree(Distrust, two.replica, last=0)))
    arrive(space, two, two.line(), two.line(decree(Distrust, one.replica, last=0)))
    assert titles(space) == []
    assert decrees.distrusted(space) == {one.replica, two.replica}
    say(space, Trust, one.replica, made=2)
    assert titles(space) == ["forged"]


def test_a_log_may_carry_the_decree_on_itself(world: World, space: Space) -> None:
    forger = world.forger(space)
    lines = [forger.line(), forger.line(), forger.line(decree(Distrust, forger.replica, last=1))]
    arrive(space, forger, *lines, forger.line())
    assert titles(space) == ["forged"]
    assert space.digest()[1][forger.replica].seq == 1
    say(space, Trust, forger.replica, made=2)
    assert len(titles(space)) == 3


def test_the_own_log_may_be_distrusted_and_goes_on(world: World, space: Space) -> None:
    world.task(space, "before")
    say(space, Distrust, space.replica, last=1)
    world.task(space, "after")
    assert titles(space) == ["before"]
    space.seal()
    assert space.rebuild() == 1
    say(space, Trust, space.replica, made=2)
    assert titles(space) == ["after", "before"]


def test_what_does_not_count_is_read_once(world: World, space: Space) -> None:
    """Growing, a distrusted log costs its news: the frames before may even be gone."""
    forger = world.forger(space)
    say(space, Distrust, forger.replica, last=0)
    first, second = forger.lines(2)
    root = forger.frame([first])
    forger.point(root)
    space.find_logs()
    assert titles(space) == []
    os.remove(f"{space.repository.common_dir}/objects/{root[:2]}/{root[2:]}")
    before = forger.ids([first])[-1]
    forger.point(forger.frame([second], first=2, before=before, parents=(root,)))
    space.find_logs()
    assert titles(space) == []
    assert member(space, forger.replica).entries == 2


def test_another_process_sees_a_decree_and_its_effect(world: World, space: Space) -> None:
    forger = world.forger(space)
    arrive(space, forger, *forger.lines(3))
    other = world.space(space.repository)
    assert len(titles(other)) == 3
    say(space, Distrust, forger.replica, last=1)
    assert len(titles(other)) == len(titles(space)) == 1
    assert other.digest() == space.digest()


# --- who may decree ----------------------------------------------------------------------------


def test_a_decree_that_no_operator_signed_is_a_note_and_nothing_else(
    world: World, space: Space
) -> None:
    forger = world.forger(space)
    good = decree(Distrust, space.replica, last=0)
    stranger = decrees.signed(
        key(12), "main", msgspec.structs.replace(good, operator=public_text(public(12)))
    )
    changed = msgspec.structs.replace(good, made=2)
    lines = [forger.line(stranger), forger.line(changed), forger.line(TaskAdd(title="no decree"))]
    lines[2] = lines[2].replace(b'"kind":"task.add"', b'"kind":"member.trust"')
    arrive(space, forger, *lines)
    world.task(space, "mine")
    assert titles(space) == ["mine"]
    assert space.db.execute("SELECT count(*) FROM decree").fetchone() == (0,)
    report = verify(space)
    assert report.sound
    assert [(one.seq, one.harm) for one in report.problems] == [(n, "note") for n in (1, 2, 3)]
    assert "no operator" in report.problems[0].reason
    assert "signature" in report.problems[1].reason


def test_a_replayed_decree_is_no_new_decree(world: World, space: Space) -> None:
    forger = world.forger(space)
    old = decree(Distrust, space.replica, last=0)
    world.task(space, "mine")
    say(space, Trust, space.replica, made=2)
    arrive(space, forger, *(forger.line(old) for _ in range(50)))
    assert titles(space) == ["mine"]
    assert space.db.execute("SELECT count(*) FROM decree").fetchone() == (2,)


def test_other_operators_mean_other_admission(world: World, space: Space) -> None:
    forger = world.forger(space)
    arrive(space, forger, forger.line())
    say(space, Distrust, forger.replica, last=0)
    assert titles(space) == []
    config.save(space.store_dir, config.Config())
    assert titles(world.space(space.repository)) == ["forged"]
    config.save(space.store_dir, SETTINGS)
    assert titles(world.space(space.repository)) == []


# --- admission ---------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_a_fork_is_settled_by_admitting_an_entry_of_one_history(
    which: int, world: World, space: Space
) -> None:
    forger = world.forger(space)
    ends = two_histories(forger)
    for oid, _ in ends:
        forger.point(oid)
        space.find_logs()
    assert len(titles(space)) == 2
    assert at_odds(space)
    found = member(space, forger.replica)
    assert (found.forked, found.held_back) == ("open", "forked")
    say(space, Admit, forger.replica, entry=ends[which][1])
    assert ("left", "right")[which] in titles(space)
    assert not at_odds(space)
    assert member(space, forger.replica).forked == "settled"
    assert member(space, forger.replica).held_back is None
    oid, last = ends[which]
    more = forger.line(TaskAdd(title="more"))
    forger.point(forger.frame([more], first=4, before=last, parents=(oid,)))
    space.find_logs()
    assert "more" in titles(space), "the history that was admitted goes on"
    say(space, Admit, forger.replica, made=2, entry=ends[1 - which][1])
    assert ("right", "left")[which] in titles(space), "the operator thinks again"
    assert "more" not in titles(space)
    before = space.digest()
    space.rebuild()
    assert space.digest() == before


def test_a_fork_that_was_settled_before_the_other_history_came(world: World, space: Space) -> None:
    forger = world.forger(space)
    (left, _), (right, entry) = two_histories(forger)
    say(space, Admit, forger.replica, entry=entry)
    forger.point(left)
    space.find_logs()
    assert "left" in titles(space)
    forger.point(right)
    space.find_logs()
    assert "left" not in titles(space)
    assert "right" in titles(space)
    assert not at_odds(space)


def test_entries_from_the_future_are_admitted_up_to_one(world: World, space: Space) -> None:
    forger = world.forger(space)
    ahead = stamp(world.START_MS + DRIFT_MS_MAX * 2)
    lines = [forger.line(TaskAdd(title="now"))]
    lines += [forger.line(TaskAdd(title=f"later {n}"), at=ahead + n) for n in range(3)]
    ids = arrive(space, forger, *lines)
    assert titles(space) == ["now"]
    assert member(space, forger.replica).held_back == "future"
    assert member(space, forger.replica).future == ahead
    assert member(space, forger.replica).last == ids[-1]
    say(space, Admit, forger.replica, entry=ids[2])
    assert titles(space) == ["later 0", "later 1", "now"]
    say(space, Distrust, forger.replica, last=2)
    assert titles(space) == ["later 0", "now"], "to admit lifts no distrust"
    say(space, Trust, forger.replica, made=2)
    world.clock.pass_ms(DRIFT_MS_MAX)
    assert len(titles(space)) == 4
    assert member(space, forger.replica).future == 0


# --- the list ----------------------------------------------------------------------------------


def test_a_strict_store_admits_its_own_log_and_those_that_are_trusted(world: World) -> None:
    listed = Voice(3).replica
    settings = msgspec.structs.replace(SETTINGS, trust="listed", trusted=(listed,))
    space = opened(world, "strict", settings)
    stranger, friend = world.forger(space), world.forger(space, Voice(3).seed)
    world.task(space, "mine")
    arrive(space, stranger, stranger.line(TaskAdd(title="stranger's")))
    arrive(space, friend, friend.line(TaskAdd(title="friend's")))
    assert titles(space) == ["friend's", "mine"]
    assert member(space, stranger.replica).held_back == "unlisted"
    assert member(space, stranger.replica).agents == ("eve",)
    assert decrees.distrusted(space) == frozenset(), "it is fetched: it may carry decrees"
    say(space, Trust, stranger.replica)
    assert len(titles(space)) == 3
    say(space, Distrust, friend.replica, last=0)
    assert titles(space) == ["mine", "stranger's"], "a decree beats the settings"


# --- beside the live path ----------------------------------------------------------------------


@pytest.fixture
def node(space: Space) -> Iterator[Listener]:
    listener = Listener(space.store_dir, "main", space.journal, logs(space))
    yield listener
    listener.close()


def test_what_was_heard_of_a_distrusted_log_and_is_gone_again(space: Space, node: Listener) -> None:
    voice = Voice(1).write(6)
    say(space, Distrust, voice.replica, last=0)
    node.take(voice.say(1, 6))
    assert titles(space) == []
    assert member(space, voice.replica).entries == 6
    node.close()
    os.remove(node.path)
    assert titles(space) == []
    assert member(space, voice.replica).entries == 0
    changes = space.view.db.total_changes
    assert titles(space) == []
    assert space.view.db.total_changes == changes, "nothing is left to fold"


def test_another_history_in_place_of_what_was_heard_from_the_future(
    world: World, space: Space, node: Listener
) -> None:
    world.clock.now -= DRIFT_MS_MAX * 2
    voice = Voice(1).write(6)
    node.take(voice.say(1, 6))
    assert titles(space) == []
    assert member(space, voice.replica).held_back == "future"
    node.close()
    os.remove(node.path)
    forger = world.forger(space, voice.seed)
    arrive(space, forger, forger.line(at=stamp(world.clock.now)))
    assert titles(space) == ["forged"]
