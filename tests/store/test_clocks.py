"""A wrong wall clock: far ahead, far behind, jumping. Entries stay in order; nobody is fooled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waggle.base.clock import DRIFT_MS_MAX, from_the_future, millis
from waggle.eventual.tasks import tasks
from waggle.store.checkup.verify import verify
from waggle.store.space import Space

if TYPE_CHECKING:
    from tests.conftest import World

YEAR_MS = 365 * 86_400_000


def test_a_clock_that_was_far_ahead_is_left_with_its_replica(world: World, space: Space) -> None:
    was = space.replica
    world.clock.pass_ms(YEAR_MS)
    world.task(space, "from next year")
    world.clock.pass_ms(-YEAR_MS)
    now = world.task(space, "from now")
    assert space.replica != was
    assert (now.seq, millis(now.at)) == (1, world.clock.now)
    assert space.objects.refs.get(f"refs/waggle/main/{was}"), "what the old replica wrote is sealed"
    assert [task.body.title for task in tasks(space.db)] == ["from now"]
    assert verify(space).sound
    world.clock.pass_ms(YEAR_MS)
    assert len(tasks(space.db)) == 2


def test_leaving_the_future_once_is_enough(world: World, space: Space) -> None:
    world.clock.pass_ms(YEAR_MS)
    world.task(space)
    world.clock.pass_ms(-YEAR_MS)
    world.task(space)
    replica = space.replica
    for n in range(3):
        world.task(space, str(n))
    assert space.replica == replica


def test_what_a_minting_kept_of_the_clock_may_be_ahead_too(world: World, space: Space) -> None:
    """A copy starts after its original's clock; if that was ahead, not for ever."""
    world.clock.pass_ms(YEAR_MS)
    world.task(space)
    space.seal()
    copy = world.space(world.copy(space, "copy"))
    first = world.task(copy)
    assert first.at > 0
    world.clock.pass_ms(-YEAR_MS)
    replicas = set()
    for n in range(4):
        written = world.task(copy, str(n))
        replicas.add(copy.replica)
    assert len(replicas) == 1
    assert not from_the_future(written.at, world.clock.now)


def test_a_clock_within_the_drift_goes_on_in_order(world: World, space: Space) -> None:
    was = space.replica
    first = world.task(space)
    world.clock.pass_ms(-DRIFT_MS_MAX)
    second = world.task(space)
    assert second.at == first.at + 1
    assert space.replica == was
    assert len(tasks(space.db)) == 2


def test_a_clock_just_beyond_the_drift_is_left(world: World, space: Space) -> None:
    was = space.replica
    world.task(space)
    world.clock.pass_ms(-DRIFT_MS_MAX - 1)
    world.task(space)
    assert space.replica != was


def test_a_clock_far_behind_writes_and_is_read(world: World, space: Space) -> None:
    world.clock.now = 1000
    written = world.task(space)
    assert millis(written.at) == 1000
    world.clock.now = world.START_MS
    world.task(space)
    assert len(tasks(space.db)) == 2
    assert verify(space).sound


def test_a_whole_space_of_replicas_with_odd_clocks_converges(world: World) -> None:
    spaces = [world.space(name) for name in ("one", "two", "three")]
    for n, space in enumerate(spaces):
        world.clock.now = world.START_MS + (n - 1) * DRIFT_MS_MAX
        world.task(space, str(n))
        space.seal()
    world.clock.now = world.START_MS + DRIFT_MS_MAX
    for into in spaces:
        for source in spaces:
            if into is not source:
                world.exchange(into, source)
    assert len({str(space.digest()) for space in spaces}) == 1
