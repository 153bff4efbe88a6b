"""Beats by git: what is carried, refused, replaced and left behind."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping

import pytest
from tests.conftest import World

from waggle.base.clock import DRIFT_MS_MAX
from waggle.eventual.presence import presences
from waggle.log.beat import Beat, sign_beats, to_file
from waggle.log.frame import commit_bytes, identity
from waggle.store.hearing.beats import Beats
from waggle.store.repo.locate import Repository
from waggle.store.space import Space
from waggle.sync.git.beats import BEATS_FILE, Carried, own_record
from waggle.sync.git.exchange import Exchange, Exchanged
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport


@pytest.fixture
def hub(world: World) -> Remote:
    """A bare repository that everybody can reach."""
    world.repository("hub.git", "--bare")
    where = str(world.folder / "hub.git")
    return Remote(name="hub", where=where, track="hub", prefix="refs/waggle")


def exchange(
    space: Space, *remotes: Remote, hidden: frozenset[str] = frozenset(), every_ms: int = 0
) -> tuple[Exchanged, ...]:
    transport = Transport(space.repository.common_dir, os.environ, 60)
    one = Exchange(space, transport, hidden=hidden, beats_every_ms=every_ms)
    return one.sync(list(remotes)).remotes


def sync(space: Space, remote: Remote, hidden: frozenset[str] = frozenset()) -> Carried:
    (one,) = exchange(space, remote, hidden=hidden)
    assert one.trouble is None
    return one.beats


def beat(space: Space, name: str = "ann", lease: int = 60) -> int:
    beats = Beats(space.store_dir, space.name)
    renewed = beats.renew(space.replica, name, space.outside.now_ms(), lease=lease)
    assert renewed is not None
    return renewed.beat.counter


def states(space: Space) -> dict[str, str]:
    heard = Beats(space.store_dir, space.name).heard()
    return {one.name: one.state for one in presences([], heard, [], space.outside.now_ms())}


def heard(space: Space) -> dict[str, int]:
    return {one.beat.name: one.beat.counter for one in Beats(space.store_dir, space.name).heard()}


def test_beats_arrive_lapse_and_come_back(world: World, hub: Remote) -> None:
    one, two = world.space("one"), world.space("two")
    beat(one, "ann")
    beat(one, "bob", lease=600)
    assert sync(one, hub) == Carried(fresh=0, refused={}, pushed=True, trouble=None)
    assert sync(two, hub).fresh == 2
    assert states(two) == {"ann": "alive", "bob": "alive"}
    world.clock.pass_ms(60_001)
    assert states(two) == {"ann": "lapsed", "bob": "alive"}
    beat(one, "ann")
    sync(one, hub)
    assert sync(two, hub).fresh == 1, "bob's beat is no news"
    assert states(two) == {"ann": "alive", "bob": "alive"}


def test_what_has_not_changed_is_not_pushed_again(world: World, hub: Remote) -> None:
    one = world.space("one")
    assert not sync(one, hub).pushed, "nobody beat"
    beat(one)
    assert sync(one, hub).pushed
    before = objects(world, one.repository)
    assert not sync(one, hub).pushed
    assert objects(world, one.repository) == before
    beat(one)
    assert sync(one, hub).pushed


def test_many_beats_leave_no_history_and_few_objects(world: World, hub: Remote) -> None:
    one, two = world.space("one"), world.space("two")
    syncs = 5
    for _ in range(syncs):
        for number in range(100):
            world.clock.pass_ms(100)
            beat(one, f"agent {number % 10}")
        assert sync(one, hub).pushed
        assert sync(two, hub).fresh == 10
    for where in (one.repository, two.repository, hub.where):
        refs = world.git(where, "for-each-ref", "--format=%(refname)").split()
        reached = world.git(where, "rev-list", "--objects", *refs).splitlines()
        assert len(reached) == 3, "one commit, one tree, one file"
        assert objects(world, where) <= 3 * syncs
        world.git(where, "gc", "-q", "--prune=now")
        assert objects(world, where) == 3
    assert sync(one, hub).pushed is False, "what is needed is still there"


def test_a_node_leaves_a_remote_alone_for_a_while(world: World, hub: Remote) -> None:
    one = world.space("one")

    def carried() -> bool:
        beat(one)
        (found,) = exchange(one, hub, every_ms=60_000)
        return found.beats.pushed

    assert carried()
    world.clock.pass_ms(59_999)
    assert not carried()
    world.clock.pass_ms(1)
    assert carried()
    world.clock.pass_ms(-3_600_000)
    assert carried(), "the clock was set back"
    assert sync(one, hub).pushed is False, "whoever asks for a sync gets one"


def objects(world: World, where: Repository | str) -> int:
    """Count all objects of a repository, those that nothing reaches, too."""
    rows = world.git(where, "count-objects", "-v").splitlines()
    counts = {name: int(count) for name, count in (row.split(": ") for row in rows)}
    return counts["count"] + counts["in-pack"]


def test_a_remote_that_went_back_changes_nothing_and_gets_the_newer_record(
    world: World, hub: Remote
) -> None:
    one, two = world.space("one"), world.space("two")
    beat(one)
    sync(one, hub)
    ref = f"refs/waggle-beats/main/{one.replica}"
    old = world.git(hub.where, "rev-parse", ref)
    world.clock.pass_ms(1000)
    newest = beat(one)
    sync(one, hub)
    sync(two, hub)
    world.git(hub.where, "update-ref", ref, old)
    assert sync(two, hub).fresh == 0
    assert heard(two) == {"ann": newest}
    assert sync(one, hub).pushed
    assert heard(one) == {"ann": newest}
    assert world.git(hub.where, "rev-parse", ref) != old


def test_a_store_that_lost_its_file_is_believed_again(world: World, hub: Remote) -> None:
    one, two = world.space("one"), world.space("two")
    beat(one)
    sync(one, hub)
    sync(two, hub)
    os.remove(Beats(one.store_dir, "main").file.path)
    world.clock.pass_ms(-5000)
    beat(one, "bob")
    sync(one, hub)
    sync(two, hub)
    assert set(heard(two)) == {"bob"}


def test_beats_go_beside_logs_wherever_these_lie(world: World, hub: Remote) -> None:
    one = world.space("one")
    beat(one)
    branches = Remote(name="hub", where=hub.where, track="hub", prefix="refs/heads/waggle")
    assert sync(one, branches).pushed
    refs = world.git(hub.where, "for-each-ref", "--format=%(refname)").split()
    assert refs == [f"refs/heads/waggle-beats/main/{one.replica}"]


def test_a_remote_that_is_away_stops_nobody(world: World, hub: Remote) -> None:
    one, two = world.space("one"), world.space("two")
    beat(one)
    gone = Remote(name="gone", where=str(world.folder / "no.git"), track="gone", prefix=hub.prefix)
    away, there = exchange(one, gone, hub)
    assert away.trouble is not None
    assert not away.beats.pushed
    assert there.beats.pushed
    assert sync(two, hub).fresh == 1


def test_trouble_with_beats_costs_no_log_its_sync(
    world: World, hub: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waggle.sync.git.beats.WAIT_MS", 50)
    one = world.space("one")
    beat(one)
    world.task(one)
    with sqlite3.connect(Beats(one.store_dir, "main").file.path, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        (found,) = exchange(one, hub)
    db.close()
    assert (found.own, found.trouble) == (1, None)
    assert found.beats.trouble is not None
    assert found.beats.trouble.kind == "busy"
    assert sync(one, hub).pushed


def test_who_is_distrusted_is_not_heard(world: World, hub: Remote) -> None:
    one, two = world.space("one"), world.space("two")
    beat(one)
    sync(one, hub)
    assert sync(two, hub, hidden=frozenset({one.replica})).fresh == 0
    assert heard(two) == {}


# --- hostile ----------------------------------------------------------------------------------


class Liar:
    """Somebody who may push to the remote."""

    def __init__(self, world: World, hub: Remote) -> None:
        self.world = world
        self.space = world.space("liar")
        self.forger = world.forger(self.space)
        self.hub = hub

    @property
    def replica(self) -> str:
        return self.forger.replica

    def record(self, space: str = "main", ahead_ms: int = 0, counter: int = 5) -> bytes:
        """An honest record as a file, or one of another space, or dated ahead."""
        at = self.world.clock() + ahead_ms
        said = [Beat(name="eve", counter=counter, at=at, since=at, lease=60)]
        return to_file(sign_beats(self.forger.key, space, counter, said))

    def push(
        self, files: Mapping[str, bytes], parents: tuple[str, ...] = (), name: str | None = None
    ) -> str:
        objects = self.space.objects
        oid = objects.commit(
            commit_bytes(
                tree=objects.tree(files), parents=parents, who=identity("0" * 32, 0), text="x\n"
            )
        )
        self.point(oid, name)
        return oid

    def point(self, oid: str, name: str | None = None) -> None:
        ref = f"refs/waggle-beats/main/{name or self.replica}"
        self.world.git(self.space.repository, "push", "-q", self.hub.where, f"+{oid}:{ref}")


@pytest.fixture
def liar(world: World, hub: Remote) -> Liar:
    return Liar(world, hub)


def test_an_honest_record_of_a_stranger_is_taken(world: World, hub: Remote, liar: Liar) -> None:
    """So that the refusals below are for their own reasons."""
    two = world.space("two")
    liar.push({BEATS_FILE: liar.record()})
    assert sync(two, hub).refused == {}
    assert states(two) == {"eve": "alive"}


LIES: dict[str, tuple[str, Callable[[Liar], Mapping[str, bytes]]]] = {
    "forged": ("does not fit", lambda liar: {BEATS_FILE: liar.record().replace(b'"e', b'"f', 1)}),
    "truncated": ("no record", lambda liar: {BEATS_FILE: liar.record()[:40]}),
    "another file": ("no record", lambda liar: {"other": liar.record()}),
    "a folder": ("no record", lambda liar: {f"{BEATS_FILE}/x": liar.record()}),
    "another space's": ("does not fit", lambda liar: {BEATS_FILE: liar.record("other")}),
    "oversize": ("the limit is", lambda _liar: {BEATS_FILE: b" " * 10_000_000}),
    "future-dated": (
        "future",
        lambda liar: {BEATS_FILE: liar.record(ahead_ms=DRIFT_MS_MAX + 1)},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused_with_a_reason(world: World, hub: Remote, liar: Liar, name: str) -> None:
    reason, files = LIES[name]
    one, two = world.space("one"), world.space("two")
    beat(one)
    sync(one, hub)
    liar.push(files(liar))
    found = sync(two, hub)
    assert list(found.refused) == [liar.replica]
    assert reason in found.refused[liar.replica]
    assert states(two) == {"ann": "alive"}, "others are heard all the same"


def test_a_record_under_another_name_is_refused(world: World, hub: Remote, liar: Liar) -> None:
    one, two = world.space("one"), world.space("two")
    liar.push({BEATS_FILE: liar.record()}, name=one.replica)
    liar.push({BEATS_FILE: liar.record()}, name="no-replica")
    found = sync(two, hub)
    assert set(found.refused) == {one.replica, "no-replica"}
    assert heard(two) == {}
    beat(one)
    assert sync(one, hub).pushed, "the writer puts its own name right"
    assert sync(two, hub).fresh == 1


def test_a_record_with_a_history_is_refused(world: World, hub: Remote, liar: Liar) -> None:
    two = world.space("two")
    first = liar.push({BEATS_FILE: liar.record()})
    liar.push({BEATS_FILE: liar.record(counter=6)}, parents=(first,))
    assert "history" in sync(two, hub).refused[liar.replica]


def test_what_is_no_commit_is_refused(world: World, hub: Remote, liar: Liar) -> None:
    two = world.space("two")
    for data in (b"x", b"tree aa/dev/zero", b"tree ../../../../etc/passwd\nauthor "):
        liar.point(liar.space.objects.blob(data))
        assert "no commit" in sync(two, hub).refused[liar.replica]


def test_a_replay_of_an_older_record_is_no_sign_of_life(
    world: World, hub: Remote, liar: Liar
) -> None:
    two = world.space("two")
    old = liar.record(counter=5)
    liar.push({BEATS_FILE: liar.record(counter=6)})
    sync(two, hub)
    world.clock.pass_ms(61_000)
    liar.push({BEATS_FILE: old})
    assert sync(two, hub).fresh == 0
    assert states(two) == {"eve": "lapsed"}


def test_a_record_is_signed_once_and_the_same_everywhere(world: World, hub: Remote) -> None:
    one = world.space("one")
    beats = Beats(one.store_dir, "main")
    assert own_record(one, beats) is None
    beat(one)
    signed = own_record(one, beats)
    assert own_record(one, beats) == signed
    sync(one, hub)
    ref = f"refs/waggle-beats/main/{one.replica}"
    assert signed is not None
    held = world.git(hub.where, "show", f"{ref}:{BEATS_FILE}") + "\n"
    assert held.encode() == to_file(signed)
