"""A simulated time of many agents that beat, on devices that sync: what they do, and what stays.

The clock is passed in, so a day takes as long as its work: every renewal goes through the store as
`waggle beat` has it done, every record that is synced is signed and verified, and git is real.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.speed import clones, world
from bench.speed.measure import timed
from bench.speed.sizes import Sizes
from waggle.eventual.members import Join
from waggle.faces import machine
from waggle.log.entry import Agent
from waggle.store.hearing.beats import Beats
from waggle.store.outside import Outside
from waggle.store.space import Draft, Space
from waggle.sync.git.remotes import Remote

BEAT_S = 10
DEVICES = ("one", "other")
_LEASE_S = 3600
_BARE = "CREATE TABLE IF NOT EXISTS beat(name TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class Held:
    """A repository at one moment."""

    objects: int
    """How many objects its refs reach."""
    content: int
    """Their bytes, as they are."""
    packed: int
    """All bytes under objects/pack once nothing else is there."""
    before_gc: int
    """KiB of all objects as they lay there, those that nothing reaches too."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of the time."""

    renewals: list[float] = field(default_factory=list)
    """Seconds of each."""
    bare: list[float] = field(default_factory=list)
    """Seconds of as much by SQLite alone."""
    syncs: list[float] = field(default_factory=list)
    """Seconds of each, pushing and fetching beats."""
    held: dict[str, tuple[Held, Held]] = field(default_factory=dict)
    """A store and the remote, after the first syncs and in the end."""


def simulate(sizes: Sizes, place: Path) -> Passed:
    """Let the time pass; it ends with a sync, so the time is a multiple of that between syncs."""
    now = _Now(time.time_ns() // 1_000_000 - sizes.day_s * 1000)
    outside = Outside(now_ms=now, entropy=machine.outside().entropy)
    hub, passed = clones.hub(place, "hub.git"), Passed()
    stores = [world.repository(place / name, outside) for name in DEVICES]
    names = [f"agent-{number:02}" for number in range(sizes.beaters // len(DEVICES))]
    places = {"a store": stores[0], "the remote": Path(hub.where)}
    with ExitStack() as stack:
        spaces = [stack.enter_context(world.space_in(where, outside)) for where in stores]
        for space in spaces:
            _join(space, names)
        _sync(spaces, hub, passed)
        before = {name: look(where) for name, where in places.items()}
        for second in range(BEAT_S, sizes.day_s + 1, BEAT_S):
            now.ms += BEAT_S * 1000
            for space in spaces:
                _beat(space, names, passed, place / "bare.db")
            if second % sizes.day_sync_s == 0:
                _sync(spaces, hub, passed)
        _all_heard(spaces[0], len(names), now.ms)
        passed.held.update((name, (before[name], look(where))) for name, where in places.items())
    return passed


class _Now:
    """A clock that goes on only when it is told to."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


def _join(space: Space, names: Sequence[str]) -> None:
    beats, now_ms = Beats(space.store_dir, space.name), space.outside.now_ms()
    for name in names:
        space.append(Draft(body=Join(lease=_LEASE_S)), Agent(name=name))
        beats.renew(space.replica, name, now_ms, lease=_LEASE_S)


def _sync(spaces: Sequence[Space], hub: Remote, passed: Passed) -> None:
    """Let each device sync, and the first one again: it is to hear of the last one's beats, too."""
    for space in (*spaces, spaces[0]):
        passed.syncs.append(timed(partial(clones.sync, space, hub))())


def _beat(space: Space, names: Sequence[str], passed: Passed, bare: Path) -> None:
    """Let all agents of a device beat, and SQLite alone once."""
    beats, replica = Beats(space.store_dir, space.name), space.replica
    now_ms = space.outside.now_ms()
    for name in names:
        passed.renewals.append(timed(partial(beats.renew, replica, name, now_ms))())
    passed.bare.append(timed(partial(_insert, bare, names[0], now_ms))())


def _insert(path: Path, name: str, now_ms: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute(_BARE)
        db.execute("INSERT OR REPLACE INTO beat VALUES(?,?)", (name, now_ms))


def _all_heard(space: Space, each: int, now_ms: int) -> None:
    heard = Beats(space.store_dir, space.name).heard()
    assert len(heard) == len(DEVICES) * each, "an agent was not heard"
    assert all(one.beat.at == now_ms for one in heard), "a beat did not arrive"


def look(where: Path) -> Held:
    """Look at a repository in a copy, from which git removes what nothing reaches."""
    copy = where.with_name(f"{where.name}-copy")
    shutil.copytree(where, copy)
    rows = world.git(copy, "count-objects", "-v").splitlines()
    counts = {name: int(count) for name, count in (row.split(": ") for row in rows)}
    world.git(copy, "gc", "--quiet", "--prune=now")
    listing = ("cat-file", "--batch-all-objects", "--batch-check=%(objectsize)")
    sizes = [int(size) for size in world.git(copy, *listing).splitlines()]
    (packs,) = copy.rglob("objects/pack")
    packed = sum(path.stat().st_size for path in packs.iterdir())
    shutil.rmtree(copy)
    return Held(len(sizes), sum(sizes), packed, counts["size"] + counts["size-pack"])
