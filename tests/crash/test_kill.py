"""SIGKILL in every phase of the real program: nothing that was acknowledged may be missing.

A writer kills itself with SIGKILL at a phase, or is killed at a random time, alone (git, if it
runs, goes on) or with the git that it has started. Acknowledgements come over a pipe, so what
counts as acknowledged is recorded by another process.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.crash.harness import examine, new_store, seeded, writing
from tests.crash.writer import AFTER_COMMIT, BEFORE_COMMIT, Job

from waggle.store.frames.sealing import PHASES

KILLS = 16
"""Per phase; ten places make 160, and the random ones 60 more."""
RANDOM_KILLS = 30
ACKED = "entries acknowledged by writers that were killed"


@pytest.mark.parametrize("place", [BEFORE_COMMIT, AFTER_COMMIT, *PHASES])
def test_nothing_is_lost_when_killed_at(
    place: str, tmp_path: Path, request: pytest.FixtureRequest, tally: Counter[str]
) -> None:
    chance = seeded(request)
    folder = new_store(str(tmp_path))
    acked: list[dict[str, str]] = []
    for number in range(KILLS):
        job = Job(
            folder=folder,
            name=f"w{number}",
            entries=40,
            seal_every=chance.randint(2, 6),
            strike=place,
            nth=chance.randint(1, 4),
        )
        with writing(job) as writer:
            status = writer.end()
        assert writer.struck, f"{place} was not reached {job.nth} times: {writer.errors}"
        assert status == -9
        tally[f"SIGKILL: {place}"] += 1
        tally[ACKED] += len(writer.acked)
        acked.append(writer.acked)
        examine(folder, acked, tally)


@pytest.mark.parametrize("group", [False, True], ids=["writer", "writer and git"])
def test_nothing_is_lost_when_killed_at_any_time(
    group: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
    request: pytest.FixtureRequest,
    tally: Counter[str],
) -> None:
    chance = seeded(request)
    folder = new_store(str(tmp_path))
    acked: list[dict[str, str]] = []
    for number in range(RANDOM_KILLS):
        name = f"w{number}"
        job = Job(folder=folder, name=name, entries=100_000, seal_every=chance.randint(1, 5))
        with writing(job) as writer:
            writer.read_until(1)
            writer.read_for(chance.uniform(0, 0.1))
            writer.kill(group=group)
            assert writer.end() == -9
        tally[f"SIGKILL: at a random time, {'with git' if group else 'alone'}"] += 1
        tally[ACKED] += len(writer.acked)
        acked.append(writer.acked)
        examine(folder, acked, tally)
