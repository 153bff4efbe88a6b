"""Logs of a rising number of votes, each in a repository of its own, all sealed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from bench.speed import world
from bench.speed.measure import say
from bench.speed.sizes import Sizes
from bench.speed.world import Poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One log: how many votes it holds, how many entries in all, on what, and where."""

    votes: int
    entries: int
    poll: Poll
    folder: Path


def build(sizes: Sizes, folder: Path) -> list[Step]:
    """Write the logs. No voter votes twice on a candidate, so every vote is there to be counted."""
    return [_step(sizes, votes, folder / f"votes-{votes}") for votes in sizes.ladder]


def _step(sizes: Sizes, votes: int, folder: Path) -> Step:
    say(f"writing and sealing {votes:,} votes")
    per_task = sizes.voters * sizes.candidates
    tasks = -(-votes // per_task)
    world.repository(folder)
    with world.space_in(folder) as space:
        poll = world.propose(space, tasks, sizes.candidates, sizes.voters, sizes.families)
        left = votes
        for cast in poll.rounds(random.Random(votes)):
            space.write(cast[:left])
            left -= min(left, len(cast))
            if not left:
                break
        assert not left, "there are fewer pairs of voters and candidates than votes"
        space.seal()
        entries = space.journal.head("main")[0]
        assert space.journal.sealed("main") == entries
    return Step(votes=votes, entries=entries, poll=poll, folder=folder)
