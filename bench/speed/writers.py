"""Many writers to one remote: a ref of one's own, as waggle has it, against one shared ref."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bench.speed import clones, world
from bench.speed.child import answer, release
from bench.speed.measure import Samples, say
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row

PAUSE_MS = 20
"""What the pause after a first refusal is drawn from; it doubles with each."""
PAUSE_MS_MAX = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What all writers together came to."""

    took: Samples
    """Seconds from each append until the entry was on the remote; so far, where it never was."""
    done: int
    """Entries that were."""
    refused: int
    seconds: float
    """From the first start to the last end."""

    @property
    def rate(self) -> Samples:
        """Entries on the remote in a second."""
        return Samples((self.done / self.seconds,), "entries/s")

    @property
    def refusals(self) -> Samples:
        """Pushes that the remote refused."""
        return Samples((float(self.refused),), "pushes")


def measure(sizes: Sizes, place: Path) -> tuple[Row, ...]:
    """Measure with a rising number of writers."""
    return tuple(row for number in sizes.sync_writers for row in _rows(sizes, place, number))


def _rows(sizes: Sizes, place: Path, number: int) -> tuple[Row, ...]:
    each = sizes.writer_syncs
    say(f"{number} writers to one remote")
    own = _race(place, f"own-{number}", number, each)
    rows = []
    who = f"{number} writer{'s' if number > 1 else ''}, {each} entries each"
    for way, pause in (("tried again at once", 0), ("tried again after a pause", PAUSE_MS)):
        words = map(str, (sizes.writer_limit_s, pause, PAUSE_MS_MAX))
        shared = _race(place, f"shared-{number}-{pause}", number, each, *words)
        against = f"one shared ref, {way}"
        if left := number * each - shared.done:
            against += f" (given up with {left} of {number * each} entries left)"
        goals = () if pause else (Goal(limit=0, of="figure"),)
        rows += [
            Row(what=f"{who}: pushes refused", ours=own.refusals, baseline=shared.refusals,
                against=against, goals=goals),
            Row(what=f"{who}: all together", ours=own.rate, baseline=shared.rate,
                against=against),
            Row(what=f"{who}: from append to remote, median", ours=own.took,
                baseline=shared.took, against=against),
            Row(what=f"{who}: the same, 99th percentile", ours=own.took.p99,
                baseline=shared.took.p99, against=against),
        ]  # fmt: skip
    return tuple(rows)


def _race(place: Path, name: str, number: int, each: int, *shared: str) -> Race:
    """Let writers go all at once, each from a repository of its own, until all are done."""
    hub = clones.hub(place, f"{name}.git")
    commands = []
    for n in range(number):
        folder = place / f"{name}-{n}"
        if shared:
            folder.mkdir()
            world.git(folder, "init", "--quiet")
        else:
            world.repository(folder)
        what = "shared" if shared else "own"
        commands.append(("peers", what, str(folder), hub.where, str(each), *shared))
    if shared:
        _begin(place / f"{name}-0", hub.where)
    with clones.peers(*commands) as processes:
        for process in processes:
            answer(process)  # it is ready
        began = perf_counter()
        for process in processes:
            release(process)
        said = [json.loads(answer(process)) for process in processes]
        seconds = perf_counter() - began
    done = [took for one in said for took in one["took"]]
    left = [one["left"] for one in said if one["left"]]
    on_remote = world.git(Path(hub.where), "rev-list", "--count", "--all")
    assert int(on_remote) == len(done) + bool(shared), "the remote has another number of commits"
    assert left or len(done) == number * each
    return Race(
        took=Samples((*done, *left)),
        done=len(done),
        refused=sum(one["refused"] for one in said),
        seconds=seconds,
    )


def _begin(folder: Path, hub: str) -> None:
    """Make the shared ref, so that every writer goes on from something."""
    world.git(folder, "commit", "--quiet", "--allow-empty", "--message", "begin")
    world.git(folder, "push", "--quiet", hub, "HEAD:refs/heads/log")
