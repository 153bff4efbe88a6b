"""waggle on hosts in network namespaces: slow, lossy and parted links; devices that are killed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from tests.net.hosts import Host, NetworkOf
from tests.net.swarm import Live, Swarm, eventually, mesh, star
from tests.net.switch import CUT

SwarmOf = Callable[..., AbstractContextManager[Swarm]]
ALONE: list[Live] = [{}, {}, {}]
"""No live path between devices."""
UNDER_WAY = 2
"""Commands that are under way when a device is killed."""
UNREACHABLE = 7
"""The status of a sync in which no remote took part."""


@pytest.fixture
def swarms(networks: NetworkOf, tmp_path: Path, request: pytest.FixtureRequest) -> SwarmOf:
    """Make a remote and three hosts for devices, on a network as `networks` makes it."""

    @contextmanager
    def make(*, delay_ms: float = 20, loss: float = 0.03) -> Iterator[Swarm]:
        with networks(4, delay_ms=delay_ms, loss=loss) as net:
            swarm = Swarm(net, tmp_path)
            try:
                yield swarm
            finally:
                print(swarm.told())  # noqa: T201 (shown with a failure)
                tally = ("tally: waggle on such hosts", dict(swarm.counts()))
                request.node.user_properties.append(tally)

    return make


@pytest.mark.parametrize(("delay_ms", "loss"), [(20, 0.03), (5, 0.2)])
def test_tasks_and_votes_arrive_over_slow_and_lossy_links(
    swarms: SwarmOf, delay_ms: float, loss: float
) -> None:
    with swarms(delay_ms=delay_ms, loss=loss) as swarm:
        ann, bob, cid = swarm.settle(star(swarm.hosts))
        swarm.up()
        task = ann.task("name the bees")
        for author, text in ((bob, "Apis"), (cid, "Bombus")):
            author.read("show", task, after=[ann])
            author.write("candidate", "publish", task, "--text", text)
        best = bob.write("candidate", "publish", task, "--text", "Apis mellifera")
        for voter in (ann, cid):
            voter.read("show", best, after=[bob])
            voter.write("vote", "vote", best, "--up")
        swarm.agree()
        for one in swarm.devices:
            assert one.run("choose", task)["winner"]["id"] == best


@pytest.mark.parametrize(("shape", "missed"), [(mesh, False), (star, True)])
def test_both_sides_of_a_partition_work_on_and_agree_afterwards(
    swarms: SwarmOf, shape: Callable[[Collection[Host]], list[Live]], *, missed: bool
) -> None:
    """`missed`: it lasts until the nodes hold one another for gone, and have to meet again."""
    with swarms() as swarm:
        ann, bob, cid = swarm.settle(shape(swarm.hosts))
        swarm.up()
        ann.task("before")
        for one in (bob, cid):
            assert one.titles(after=[ann]) == ["before"]
        swarm.net.partition({ann.host, bob.host}, {cid.host, swarm.server})
        for one in swarm.devices:
            one.task(f"{one.name} alone")
        for here, there in ((ann, bob), (bob, ann)):
            assert here.titles(after=[there]) == ["ann alone", "before", "bob alone"]
        assert cid.titles() == ["before", "cid alone"]
        eventually("cid's log on the remote", lambda: cid.replica in swarm.logs())
        if missed:
            eventually("ann's node to miss cid's", lambda: bool(ann.events("gone")))
        assert swarm.net.counts()[CUT] > 0
        swarm.net.heal()
        for one in swarm.devices:
            one.task(f"{one.name} again")
        swarm.agree()


def test_a_killed_device_has_all_that_it_acknowledged_and_goes_on(swarms: SwarmOf) -> None:
    with swarms() as swarm:
        ann, bob, _ = swarm.settle(star(swarm.hosts))
        swarm.up()
        for victim, other in ((ann, bob), (bob, ann)):  # the router, and a client
            for number in range(UNDER_WAY):
                victim.start("task", "add", f"{victim.name} {number}", f"--key={number}")
            victim.task(f"{victim.name} before")
            victim.kill()
            other.task(f"{other.name} without {victim.name}")
            for number in range(UNDER_WAY):
                victim.task(f"{victim.name} {number}", f"--key={number}")
            victim.up()
        swarm.agree()
        assert ann.titles() == [
            "ann 0", "ann 1", "ann before", "ann without bob",
            "bob 0", "bob 1", "bob before", "bob without ann",
        ]  # fmt: skip


def test_while_the_remote_is_cut_off_the_live_path_goes_on(swarms: SwarmOf) -> None:
    with swarms() as swarm:
        swarm.settle(star(swarm.hosts))
        swarm.net.partition({swarm.server}, set(swarm.hosts))
        swarm.up()
        for one in swarm.devices:
            one.task(one.name)
        swarm.agree()
        assert swarm.logs() == {}
        swarm.net.heal()
        for one in swarm.devices:
            # It fails where the device's node pushes the same just now: then that will do.
            one.run("sync")
        eventually("all logs on the remote", swarm.complete)


def test_without_a_live_path_git_carries_everything(swarms: SwarmOf) -> None:
    with swarms() as swarm:
        for one in swarm.settle(ALONE):
            one.task(one.name)
            one.up()
        swarm.agree()
        assert not [one.name for one in swarm.devices if one.events("here")]


def test_a_sync_that_breaks_in_the_middle_is_mended_by_the_next(swarms: SwarmOf) -> None:
    with swarms(delay_ms=5, loss=0) as swarm:
        ann, bob, cid = swarm.settle(ALONE)
        broken = []
        for packets in (6, 25, 35):  # in the fetch; in the push; in its answer, or after it
            ann.task(f"cut after {packets} packets")
            swarm.net.partition({ann.host}, {swarm.server}, after=packets)
            done = ann.attempt("sync", "--timeout", "1", "--json")
            if done.returncode:
                assert "it did not end within the time limit" in done.stdout
                broken.append(done.returncode)
            swarm.net.heal()
        assert broken[0] == UNREACHABLE
        for one in (ann, bob, cid):
            one.run("sync")
        assert swarm.logs()[ann.replica] == ann.ref()
        swarm.agree()
