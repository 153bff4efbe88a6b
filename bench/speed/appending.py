"""Appending: one durable entry, batches, many processes at once, sealing, opening."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean
from time import perf_counter

from bench.speed import child, world
from bench.speed.measure import Samples, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.base.limits import SEAL_ENTRIES
from waggle.choice.kinds import Vote
from waggle.log.line import line
from waggle.store.journal import Pending
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
    rows = (*_single(sizes, folder), *_batches(sizes, folder), _writers(sizes, folder))
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


def _batches(sizes: Sizes, folder: Path) -> tuple[Row, ...]:
    """Batches of one voter's votes: appended, folded, and sealed."""
    world.repository(folder / "batches")
    bare, rng = world.Bare(folder / "batches.db"), random.Random(2)
    tasks = max(1, sizes.batch // sizes.candidates)
    parts: list[tuple[float, ...]] = []
    with world.space_in(folder / "batches") as space:
        poll = world.propose(space, tasks, sizes.candidates, sizes.voters, sizes.families)
        all_candidates = [one for mine in poll.candidates for one in mine]
        space.seal()
        for number in range(sizes.batches):
            by = poll.voter(number)
            votes = [Vote(candidate=one, score=world.score(rng)) for one in all_candidates]
            drafts = [Draft(body=vote) for vote in votes]
            same = _lines([world.pending(by, vote) for vote in votes])
            append = timed(lambda drafts=drafts, by=by: space.append_all(drafts, by))()  # type: ignore[misc]
            fold = timed(space.folding.catch_up)()
            seal = timed(space.seal)()
            insert = timed(lambda same=same: bare.insert_all(same))()  # type: ignore[misc]
            parts.append((append + fold, append + fold + seal, seal, insert, append))
        (cast,) = space.db.execute("SELECT count(*) FROM vote").fetchone()
        assert cast == sizes.batches * len(all_candidates)
    bare.db.close()
    count = len(all_candidates)
    folded, whole, seal_s, insert_s, append_s = (
        Samples(column) for column in zip(*parts, strict=True)
    )
    commit = _commits(folder / "commits", b"\n".join(same), sizes.batches)
    rate, against = insert_s.rate(count), "bare inserts in one transaction"
    goal = (Goal(limit=60_000, of="figure", at_least=True),)
    batch = f"batches of {count:,} votes appended"
    return (
        Row(what=f"{batch} and folded", ours=folded.rate(count), baseline=rate, against=against,
            goals=goal),
        Row(what=f"{batch}", ours=append_s.rate(count), baseline=rate, against=against),
        Row(what=f"{batch}, folded and each sealed", ours=whole.rate(count), baseline=rate,
            against=against),
        Row(what=f"sealing {count:,} entries", ours=seal_s, baseline=commit,
            against="`git add` and `git commit` of the same bytes, synced"),
    )  # fmt: skip


def _commits(folder: Path, data: bytes, repetitions: int) -> Samples:
    """Time git itself at making the same bytes durable."""
    folder.mkdir()
    world.git(folder, "init", "--quiet")

    def commit(number: int) -> None:
        (folder / "entries.jsonl").write_bytes(b"%d\n" % number + data)
        world.git(folder, "add", "entries.jsonl")
        world.git(folder, "-c", "core.fsync=all", "commit", "--quiet", "--message", "frame")

    return Samples(tuple(timed(lambda n=n: commit(n))() for n in range(repetitions)))  # type: ignore[misc]


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
        return perf_counter() - began

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
