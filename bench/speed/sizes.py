"""How much is measured: the sizes of the goals, and small ones that only show that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes and repetitions of one run."""

    append_block: int
    append_blocks: int
    batch: int
    batches: int
    writers: int
    writer_appends: int
    writer_rounds: int
    opens: int
    voters: int
    families: int
    candidates: int
    ladder: tuple[int, ...]
    """Numbers of votes, rising; each a log of its own."""
    reads: int
    """Choices read at each number of votes; at most twice the candidates of a task, because each
    check that moves a record is one that the candidate did not have."""
    small_tasks: int
    sealed: int
    """The step of the ladder whose rebuild has a goal."""
    rebuilds: tuple[int, ...]
    """Repetitions for each step of the ladder."""
    verifies: int
    pack_votes: int
    frames: tuple[int, ...]
    commands: int
    races: int
    race_commands: int
    agents: int
    files: int
    """In the repository that is raced in."""
    live: int
    """Entries that are said on the live path, one by one."""
    idle_s: float
    """Seconds of each look at an idle node."""
    idles: int
    receivers: int
    floods: tuple[tuple[int, int], ...]
    """Entries that are appended as fast as it goes, and how many of them at once."""
    git_syncs: int
    sync_writers: tuple[int, ...]
    """Numbers of writers to one remote, each a race of its own."""
    writer_syncs: int
    """Entries of each writer, with a sync after each."""
    writer_limit_s: int
    """After this time the writers of the shared ref, who may take for ever, begin nothing new."""
    devices: tuple[tuple[int, int], ...]
    """Steps of the ladder that a new device fetches, and how often."""
    replicas: int
    """Logs on a remote with many."""
    shared_rounds: int
    """Batches of each kind of shared state."""
    shared_singles: int
    """Entries of each kind, one by one."""
    open_tasks: tuple[int, ...]
    """In the sets whose ready lists are compared."""
    facts: tuple[int, ...]
    """In the views whose reads are compared."""
    shared_reads: int
    """Repetitions of each of these reads."""
    server_starts: int
    server_calls: int
    beaters: int
    """Agents that beat through the simulated time, on all devices."""
    day_s: int
    """The simulated time, in seconds."""
    day_sync_s: int
    """Simulated seconds between two syncs of a device."""


FULL = Sizes(
    append_block=4096,
    append_blocks=3,
    batch=1000,
    batches=40,
    writers=8,
    writer_appends=250,
    writer_rounds=5,
    opens=100,
    voters=1000,
    families=20,
    candidates=50,
    ladder=(1_000, 10_000, 100_000, 1_000_000),
    reads=50,
    small_tasks=20,
    sealed=100_000,
    rebuilds=(5, 5, 5, 2),
    verifies=3,
    pack_votes=20_000,
    frames=(100, 1000),
    commands=40,
    races=9,
    race_commands=5,
    agents=8,
    files=100,
    live=300,
    idle_s=10.0,
    idles=4,
    receivers=8,
    floods=((20_000, 100), (3_000, 1)),
    git_syncs=9,
    sync_writers=(1, 4, 16, 32),
    writer_syncs=10,
    writer_limit_s=20,
    devices=((100_000, 3), (1_000_000, 1)),
    replicas=1000,
    shared_rounds=10,
    shared_singles=100,
    open_tasks=(10_000, 100_000),
    facts=(10_000, 1_000_000),
    shared_reads=200,
    server_starts=10,
    server_calls=200,
    beaters=50,
    day_s=86_400,
    day_sync_s=600,
)
QUICK = Sizes(
    append_block=10,
    append_blocks=2,
    batch=20,
    batches=2,
    writers=2,
    writer_appends=5,
    writer_rounds=1,
    opens=2,
    voters=20,
    families=4,
    candidates=5,
    ladder=(20, 40, 200),
    reads=4,
    small_tasks=4,
    sealed=40,
    rebuilds=(1, 1, 1),
    verifies=1,
    pack_votes=100,
    frames=(20, 50),
    commands=2,
    races=1,
    race_commands=1,
    agents=2,
    files=5,
    live=5,
    idle_s=0.5,
    idles=1,
    receivers=2,
    floods=((100, 20), (20, 1)),
    git_syncs=1,
    sync_writers=(2,),
    writer_syncs=1,
    writer_limit_s=5,
    devices=((40, 1), (200, 1)),
    replicas=5,
    shared_rounds=2,
    shared_singles=2,
    open_tasks=(40, 80),
    facts=(100, 400),
    shared_reads=3,
    server_starts=1,
    server_calls=2,
    beaters=4,
    day_s=60,
    day_sync_s=30,
)
