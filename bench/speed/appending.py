"""Appending: one durable entry, batches, many processes at once, sealing, opening."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter

from bench.speed import child, world
from bench.speed.measure import Samples, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.base.limits import SEAL_ENTRIES
from waggle.choice.kinds import Vote
from waggle.log.entry import Agent
from waggle.log.line import line
from waggle.store.own.journal import Pending
from waggle.store.space import Draft, Space

_SETTING = (
    "Votes are appended to a store in a new repository; the baseline is a table of its own in the"
    " same folder (SQLite, WAL, synchronous=FULL, no index), into which the same bytes are"
    " inserted. Both take turns."
)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure all of it."""
    say("appending")
    world.repository(folder / "appending")
    rows = (
        *_single(sizes, folder),
        *_batches(sizes, folder),
        _two_processes(sizes, folder),
        _writers(sizes, folder),
    )
    return Section(title="Appending", setting=_SETTING, rows=(*rows, _opening(sizes, folder)))


def _lines(pending: list[Pending]) -> list[bytes]:
    """Give what the journal writes for entries, with a clock of the usual length."""
    return [line(1_767_225_600_000 << 16, item.encoded) for item in pending]


def _single(sizes: Sizes, folder: Path) -> tuple[Row, ...]:
    """One entry, durable before the call returns."""
    bare = world.Bare(folder / "single.db")
    with world.space_in(folder / "appending") as space:
        poll = world.propose(space, 1, sizes.candidates, sizes.voters, sizes.families)
        rng = random.Random(1)

        def vote() -> Vote:
            return Vote(candidate=rng.choice(poll.candidates[0]), score=world.score(rng))

        def ours() -> float:
            draft, by = Draft(body=vote()), poll.voter(rng.randrange(poll.voters))
            return timed(lambda: space.append(draft, by))()

        def baseline() -> float:
            by = poll.voter(rng.randrange(poll.voters))
            (one,) = _lines([world.pending(by, vote())])
            return timed(lambda: bare.insert(one))()

        count = sizes.append_block * sizes.append_blocks
        mine, theirs = alternate(count, ours, baseline)
        assert space.journal.head("main")[0] == count + 1 + sizes.candidates
    bare.db.close()
    return (
        Row(
            what="one durable append through the library",
            ours=mine,
            baseline=theirs,
            against="one bare insert",
            goals=(Goal(limit=1.6),),
        ),
        Row(
            what=f"the same, mean of {sizes.append_block:,}, with the sealing that falls due"
            f" every {SEAL_ENTRIES:,}",
            ours=_means(mine, sizes.append_block),
            baseline=_means(theirs, sizes.append_block),
            against="the same mean",
        ),
    )


def _means(samples: Samples, block: int) -> Samples:
    starts = range(0, samples.n, block)
    return Samples(tuple(fmean(samples.values[start : start + block]) for start in starts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Seconds that one batch took, and what git and a bare table took for the same bytes."""

    append: float
    fold: float
    seal: float
    insert: float
    commit: float


def _batches(sizes: Sizes, folder: Path) -> tuple[Row, ...]:
    """Batches of one voter's votes on many candidates: appended, folded, and sealed."""
    world.repository(folder / "batches")
    bare, rng = world.Bare(folder / "batches.db"), random.Random(2)
    commits = _Commits(folder / "commits")
    tasks = max(1, sizes.batch // sizes.candidates)
    with world.space_in(folder / "batches") as space:
        poll = world.propose(space, tasks, sizes.candidates, sizes.voters, sizes.families)
        candidates = [one for mine in poll.candidates for one in mine]
        space.seal()

        def batch(by: Agent) -> _Batch:
            votes = [Vote(candidate=one, score=world.score(rng)) for one in candidates]
            drafts = [Draft(body=vote) for vote in votes]
            same = _lines([world.pending(by, vote) for vote in votes])
            return _Batch(
                append=timed(lambda: space.append_all(drafts, by))(),
                fold=timed(space.folding.catch_up)(),
                seal=timed(space.seal)(),
                insert=timed(lambda: bare.insert_all(same))(),
                commit=timed(lambda: commits.make(b"\n".join(same)))(),
            )

        batches = [batch(poll.voter(number)) for number in range(sizes.batches)]
        (cast,) = space.db.execute("SELECT count(*) FROM vote").fetchone()
        assert cast == sizes.batches * len(candidates)
    bare.db.close()
    return _batch_rows(batches, len(candidates))


def _batch_rows(batches: Sequence[_Batch], count: int) -> tuple[Row, ...]:
    def seconds(*parts: str) -> Samples:
        return Samples(tuple(sum(getattr(one, part) for part in parts) for one in batches))

    inserts = seconds("insert").rate(count)

    def row(what: str, *parts: str, goals: tuple[Goal, ...] = ()) -> Row:
        return Row(
            what=f"batches of {count:,} votes {what}",
            ours=seconds(*parts).rate(count),
            baseline=inserts,
            against="bare inserts in one transaction",
            goals=goals,
        )

    goal = Goal(limit=60_000, of="figure", at_least=True)
    return (
        row("appended and folded", "append", "fold", goals=(goal,)),
        row("appended", "append"),
        row("appended, folded, and each batch sealed", "append", "fold", "seal"),
        Row(
            what=f"sealing {count:,} entries",
            ours=seconds("seal"),
            baseline=seconds("commit"),
            against="`git add` and `git commit` of the same bytes, synced",
        ),
    )


def _two_processes(sizes: Sizes, folder: Path) -> Row:
    """Batches that one process appends while another folds: on two cores, as writers and readers.

    Timed from the first append until the last vote stands in the view; sealing that falls due
    within is part of it.
    """
    where = folder / "two"
    world.repository(where)
    size = sizes.batch
    with world.space_in(where) as space:
        poll = world.propose(space, 1, size, sizes.voters, sizes.families)

        def once(first: int) -> float:
            end = space.journal.head("main")[0] + sizes.batches * size
            numbers = map(str, (sizes.batches, size, first))
            process = child.start("batches", str(where), poll.tasks[0], *numbers)
            child.answer(process)  # it is ready
            began = perf_counter()
            child.release(process)
            folded = 0
            while folded < end:
                space.folding.catch_up()
                folded = space.view.admitted()[space.replica].seq
            took = perf_counter() - began
            child.answer(process)
            child.finish(process)
            return took

        rounds = range(sizes.writer_rounds)
        taken = Samples(tuple(once(number * sizes.batches) for number in rounds))
    return Row(
        what=f"batches of {size:,} votes appended by one process, folded by another, and sealed",
        ours=taken.rate(sizes.batches * size),
    )


class _Commits:
    """Makes bytes durable with git itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        world.git(folder, "init", "--quiet")
        self._folder = folder

    def make(self, data: bytes) -> None:
        """Commit the bytes as one file."""
        (self._folder / "entries.jsonl").write_bytes(data)
        world.git(self._folder, "add", "entries.jsonl")
        world.git(self._folder, "-c", "core.fsync=all", "commit", "--quiet", "--message", "frame")


def _writers(sizes: Sizes, folder: Path) -> Row:
    """Processes that append one by one, all at once: from the first start to the last end."""
    world.repository(folder / "writers")
    with world.space_in(folder / "writers") as space:
        poll = world.propose(space, 1, 1, sizes.voters, sizes.families)
        before = space.journal.head("main")[0]
    candidate, count = poll.candidates[0][0], sizes.writers * sizes.writer_appends
    each = str(sizes.writer_appends)

    def race(*words: str) -> float:
        started = [child.start(*words, each, str(number)) for number in range(sizes.writers)]
        for process in started:
            child.answer(process)  # it is ready
        began = perf_counter()
        for process in started:
            child.release(process)
        for process in started:
            child.answer(process)
        took = perf_counter() - began
        for process in started:
            child.finish(process)
        return took

    # Only one process can make a database's journal a write-ahead log.
    world.Bare(folder / "writers.db").db.close()
    mine, theirs = alternate(
        sizes.writer_rounds,
        lambda: race("append", str(folder / "writers"), candidate),
        lambda: race("insert", str(folder / "writers.db"), candidate),
    )
    with world.space_in(folder / "writers") as space:
        head = space.journal.head("main")[0]
    assert head == before + count * sizes.writer_rounds, "an entry is missing"
    return Row(
        what=f"{sizes.writers} processes append {sizes.writer_appends} entries each, one by one,"
        " at once",
        ours=mine.rate(count),
        baseline=theirs.rate(count),
        against="as many bare inserts by as many processes",
    )


def _opening(sizes: Sizes, folder: Path) -> Row:
    where = folder / "appending"

    def ours() -> float:
        opened: list[Space] = []
        took = timed(lambda: opened.append(world.space_in(where)))()
        opened.pop().close()
        return took

    def baseline() -> float:
        opened: list[world.Bare] = []
        took = timed(
            lambda: opened.extend(
                world.Bare(folder / f"{name}.db") for name in ("single", "batches")
            )
        )()
        for one in opened:
            one.db.close()
        return took

    mine, theirs = alternate(sizes.opens, ours, baseline)
    return Row(
        what="opening a space in a process that has the library loaded",
        ours=mine,
        baseline=theirs,
        against="opening two bare SQLite files",
    )
