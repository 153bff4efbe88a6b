"""Packed size: what a vote costs in a repository that git has packed."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from time import time_ns

from bench.speed import world
from bench.speed.measure import Samples, say
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.choice.kinds import Vote
from waggle.faces import machine
from waggle.store.outside import Outside
from waggle.store.space import Draft

_PAUSE_MS_MAX = 5000
"""Between two votes: clocks that stood still would pack better than real ones."""
_SETTING = (
    "Votes are appended one by one by voters in no order, some seconds apart, on the candidates of"
    " one task; after `git gc` all files under `objects/pack` count, indexes too. The baseline is"
    " all lines in one piece, compressed by zlib at its best."
)


class _Clock:
    """A clock that moves by chance, and ends before the present."""

    def __init__(self, votes: int, rng: random.Random) -> None:
        self.now = time_ns() // 1_000_000 - votes * _PAUSE_MS_MAX
        self._rng = rng

    def pass_some(self) -> None:
        """Let some seconds go by."""
        self.now += self._rng.randrange(_PAUSE_MS_MAX)

    def __call__(self) -> int:
        return self.now


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure every size of frame."""
    rows = tuple(_row(sizes, frame, folder / f"frames-{frame}") for frame in sizes.frames)
    return Section(title="Packed size", setting=_SETTING, rows=rows)


def _row(sizes: Sizes, frame: int, folder: Path) -> Row:
    say(f"packing frames of {frame:,}")
    rng = random.Random(frame)
    clock = _Clock(sizes.pack_votes, rng)
    outside = Outside(now_ms=clock, entropy=machine.outside().entropy)
    world.repository(folder, outside)
    with world.space_in(folder, outside) as space:
        poll = world.propose(space, 1, sizes.candidates, sizes.voters, sizes.families)
        space.seal()
        frames = 0
        lines: list[bytes] = []
        for number in range(1, sizes.pack_votes + 1):
            clock.pass_some()
            vote = Vote(candidate=rng.choice(poll.candidates[0]), score=world.score(rng))
            space.append(Draft(body=vote), poll.voter(rng.randrange(poll.voters)))
            if number % frame == 0:
                (sealed,) = space.seal()
                assert sealed.last - sealed.first + 1 == frame
                rows = space.journal.read("main", sealed.first - 1, frame)
                lines += [line for _, _, line in rows]
                frames += 1
    assert len(lines) == sizes.pack_votes
    world.git(folder, "gc", "--quiet", "--prune=now")
    loose = world.git(folder, "count-objects").split(" ", 1)[0]
    assert loose == "0", "something was not packed"
    packed = sum(path.stat().st_size for path in (folder / ".git/objects/pack").iterdir())
    whole = b"\n".join(lines)
    return Row(
        what=f"a vote in frames of {frame:,} ({frames:,} frames; a line has"
        f" {len(whole) / len(lines):.0f} bytes)",
        ours=Samples((packed / len(lines),), "bytes"),
        baseline=Samples((len(zlib.compress(whole, 9)) / len(lines),), "bytes"),
        against="zlib",
        goals=(Goal(limit=60, of="figure"),),
    )
