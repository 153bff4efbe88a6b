"""A node's part in beats, without a network: what it says, believes, and suspects."""

from __future__ import annotations

import sqlite3

import pytest
from msgspec.structs import replace
from tests.conftest import World

from waggle.base.clock import DRIFT_MS_MAX
from waggle.eventual.suspicion import Detector
from waggle.log.beat import SignedBeats
from waggle.store.hearing.beats import Beats
from waggle.sync.git.beats import own_record
from waggle.sync.live import wire
from waggle.sync.node.pulse import KEEP_S, Pulse

BEAT_S = 10


class Node:
    """One side: a space, its pulse, and a monotonic clock of its own."""

    def __init__(self, world: World, name: str, start_s: float = 0.0) -> None:
        self.space = world.space(name)
        self.beats = Beats(self.space.store_dir, "main")
        self.now_s = start_s
        self.pulse = self.restarted()

    def restarted(self) -> Pulse:
        return Pulse(self.space, Detector())

    def beat(self, name: str = "ann", lease: int = 600) -> None:
        self.beats.renew(self.space.replica, name, self.space.outside.now_ms(), lease=lease)

    def hear(self, *messages: bytes) -> None:
        for message in messages:
            self.pulse.hear(message, self.now_s)

    def heard(self) -> list[str]:
        return [one.beat.name for one in self.beats.heard()]

    def levels(self) -> dict[str, int]:
        self.pulse.look(self.now_s)
        return {one.name: one.level for one in self.beats.watched()}


@pytest.fixture
def one(world: World) -> Node:
    return Node(world, "one")


@pytest.fixture
def two(world: World) -> Node:
    return Node(world, "two", start_s=5000.0)


def go_on(world: World, one: Node, two: Node, beats: int) -> None:
    """Let an agent of `one` beat in its rhythm, and `two` hear it."""
    for _ in range(beats):
        world.clock.pass_ms(BEAT_S * 1000)
        one.now_s += BEAT_S
        two.now_s += BEAT_S
        one.beat()
        two.hear(*one.pulse.news(one.now_s))


def test_a_beat_is_said_once_and_again_when_asked(one: Node, two: Node) -> None:
    assert one.pulse.news(0.0) == one.pulse.again() == []
    one.beat()
    (message,) = one.pulse.news(0.0)
    one.now_s += 100
    assert one.pulse.news(one.now_s) == []
    assert one.pulse.again() == [message]
    two.hear(message, message)
    assert two.heard() == ["ann"]
    assert two.pulse.refused == 0


def test_what_a_sync_has_signed_is_said_all_the_same(one: Node) -> None:
    one.beat()
    signed = own_record(one.space, one.beats)
    assert signed is not None
    assert one.pulse.news(0.0) == [wire.encode(signed)]


def test_silence_is_suspected_and_a_beat_ends_it(world: World, one: Node, two: Node) -> None:
    go_on(world, one, two, 12)
    assert one.levels() == two.levels() == {"ann": 0}
    two.now_s += 4 * BEAT_S
    one.now_s += 4 * BEAT_S
    assert one.levels() == two.levels() == {"ann": 3}
    (watched,) = two.beats.watched()
    assert watched.heard_ms == world.clock() - 4 * BEAT_S * 1000
    go_on(world, one, two, 1)
    assert two.levels() == {"ann": 0}


def test_a_wall_clock_that_jumps_makes_no_suspicion_and_hides_none(
    world: World, one: Node, two: Node
) -> None:
    go_on(world, one, two, 12)
    for jump_ms in (3_600_000, -7_200_000):
        world.clock.pass_ms(jump_ms)
        two.now_s += 1.5
        assert two.levels() == {"ann": 0}
    two.now_s += 4 * BEAT_S
    assert two.levels() == {"ann": 3}


def test_a_record_that_is_said_again_is_no_arrival(world: World, one: Node, two: Node) -> None:
    go_on(world, one, two, 12)
    for _ in range(8):
        two.now_s += 5
        two.hear(*one.pulse.again())
    assert two.levels() == {"ann": 3}


def test_a_rhythm_outlives_the_node(world: World, one: Node, two: Node) -> None:
    go_on(world, one, two, 12)
    two.levels()
    two.now_s += KEEP_S + 1
    two.levels()
    two.pulse, two.now_s = two.restarted(), 3.0
    go_on(world, one, two, 1)
    two.now_s += 4 * BEAT_S
    assert two.levels() == {"ann": 3}


def test_who_left_is_watched_no_longer(world: World, one: Node, two: Node) -> None:
    one.beat("bob")
    go_on(world, one, two, 3)
    assert set(two.levels()) == {"ann", "bob"}
    one.beats.drop(one.space.replica, "bob", world.clock())
    go_on(world, one, two, 1)
    two.now_s += KEEP_S + 1
    assert set(two.levels()) == {"ann"}


def test_what_is_not_believed_is_counted_and_changes_nothing(
    world: World, one: Node, two: Node
) -> None:
    one.beat()
    (message,) = one.pulse.news(0.0)
    signed = wire.decode(message)
    assert isinstance(signed, SignedBeats)
    two.hear(
        wire.encode(replace(signed, signature=bytes(64))),
        wire.encode(replace(signed, space="other")),
        message[:-1],
        b"",
        wire.encode(wire.Ask(space="main", replica=one.space.replica, after=0, limit=1)),
    )
    world.clock.pass_ms(-DRIFT_MS_MAX - 1)
    two.hear(message)
    assert two.pulse.refused == 6
    assert two.heard() == []
    assert two.levels() == {}


def test_nobody_tells_a_node_of_its_own_agents(one: Node) -> None:
    one.beat()
    (message,) = one.pulse.news(0.0)
    one.hear(message)
    assert one.pulse.refused == 1


def test_a_process_stopped_in_its_beat_does_not_stop_the_node(one: Node) -> None:
    one.beat()
    assert one.pulse.news(0.0)
    with sqlite3.connect(one.beats.file.path, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        one.now_s += 5
        assert one.pulse.news(one.now_s) == []
        one.pulse.look(one.now_s)
        assert one.pulse.trouble is not None
        assert one.pulse.trouble.code == "busy"
        db.execute("ROLLBACK")
    db.close()
    one.beat()
    one.now_s += 5
    assert one.pulse.news(one.now_s)
