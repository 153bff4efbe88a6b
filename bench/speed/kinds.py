"""Each kind of entry that agents share: durable, folded and readable, in batches and one by one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.speed import world
from bench.speed.filling import phrase
from bench.speed.measure import Samples, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Row, Section
from waggle.base.limits import SEAL_ENTRIES
from waggle.eventual.facts import FactAssert, FactRetract
from waggle.eventual.members import Join, Leave
from waggle.eventual.task_kinds import (
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)
from waggle.log.entry import Body
from waggle.store.space import Draft, Space

_LEASE_S = 1800
_SETTING = (
    "One agent writes, on a store in a new repository: adds tasks, edits them, claims them, and so"
    " on down the table, so that every entry has something to act on; what was written is sealed"
    " now and then, which is not counted. A batch is appended in one transaction and folded in"
    " another; so is a single entry, which others can read then. The baseline is a table of its own"
    " in the same folder (SQLite, WAL, synchronous=FULL, no index), into which the very bytes that"
    " the journal holds are inserted. Both take turns."
)


@dataclass(slots=True)
class _Round:
    """So many entries of each kind, one kind after the other."""

    count: int
    rng: random.Random
    ids: dict[str, list[str]] = field(default_factory=dict)
    """What was written in this round so far, by kind."""

    def words(self) -> str:
        """Give a title or a value."""
        return phrase(self.rng, 6)

    def of(self, kind: type[Body]) -> list[str]:
        """Give the ids of what was written of a kind."""
        return self.ids[kind.KIND]


def _adds(now: _Round) -> list[Body]:
    return [TaskAdd(title=now.words(), labels=("ui",)) for _ in range(now.count)]


def _edits(now: _Round) -> list[Body]:
    return [TaskEdit(task=one, over=(one,), title=now.words()) for one in now.of(TaskAdd)]


def _claims(now: _Round) -> list[Body]:
    return [TaskClaim(task=one, lease_s=_LEASE_S) for one in now.of(TaskAdd)]


def _renews(now: _Round) -> list[Body]:
    return [TaskRenew(claim=one, lease_s=_LEASE_S) for one in now.of(TaskClaim)]


def _releases(now: _Round) -> list[Body]:
    return [TaskRelease(claims=(one,)) for one in now.of(TaskClaim)]


def _removes(now: _Round) -> list[Body]:
    pairs = zip(now.of(TaskAdd), now.of(TaskEdit), strict=True)
    return [TaskRemove(task=task, over=(edit,)) for task, edit in pairs]


def _facts(now: _Round) -> list[Body]:
    return [
        FactAssert(entity=f"service-{n}", attribute="host", value=now.words(), source="README.md")
        for n in range(now.count)
    ]


def _retracts(now: _Round) -> list[Body]:
    return [
        FactRetract(entity=f"service-{n}", attribute="host", supersedes=(one,))
        for n, one in enumerate(now.of(FactAssert))
    ]


def _joins(now: _Round) -> list[Body]:
    return [Join(roles=("build",), lease=_LEASE_S) for _ in range(now.count)]


def _leaves(now: _Round) -> list[Body]:
    return [Leave(reason=now.words()) for _ in range(now.count)]


_MAKERS: dict[type[Body], Callable[[_Round], list[Body]]] = {
    TaskAdd: _adds,
    TaskEdit: _edits,
    TaskClaim: _claims,
    TaskRenew: _renews,
    TaskRelease: _releases,
    TaskRemove: _removes,
    FactAssert: _facts,
    FactRetract: _retracts,
    Join: _joins,
    Leave: _leaves,
}
"""What a round writes, in this order."""


@dataclass(slots=True)
class _Taken:
    """Seconds for one kind: appended and folded, and the same bytes inserted."""

    ours: list[float] = field(default_factory=list)
    inserts: list[float] = field(default_factory=list)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure every kind."""
    say("each kind of shared state")
    world.repository(folder / "kinds")
    bare = world.Bare(folder / "kinds.db")
    with world.space_in(folder / "kinds") as space:
        batches = _rounds(space, bare, sizes.shared_rounds, sizes.batch)
        singles = _rounds(space, bare, sizes.shared_singles, 1)
    bare.db.close()
    rows = (*_batch_rows(batches, sizes.batch), *_single_rows(singles))
    return Section(title="Shared state", setting=_SETTING, rows=rows)


def _rounds(space: Space, bare: world.Bare, rounds: int, count: int) -> dict[str, _Taken]:
    """Write so many rounds; give what each kind took."""
    taken = {kind.KIND: _Taken() for kind in _MAKERS}
    rng, before = random.Random(count), space.journal.head("main")[0]
    for _ in range(rounds):
        now = _Round(count, rng)
        for kind, make in _MAKERS.items():
            drafts = [Draft(body=body) for body in make(now)]
            _write(space, bare, drafts, now.ids.setdefault(kind.KIND, []), taken[kind.KIND])
    written = space.journal.head("main")[0] - before
    assert written == rounds * count * len(_MAKERS), "an entry is missing"
    return taken


def _write(
    space: Space, bare: world.Bare, drafts: list[Draft], ids: list[str], taken: _Taken
) -> None:
    def ours() -> None:
        ids.extend(one.id for one in space.append_all(drafts, world.ANN))
        _ = space.db  # folds

    before = space.journal.head("main")[0]
    if before + len(drafts) - space.journal.sealed("main") >= SEAL_ENTRIES:
        space.seal()  # it would fall due while time is taken
    taken.ours.append(timed(ours)())
    assert space.view.admitted()[space.replica].seq == before + len(drafts), "not all is folded"
    lines = [line for _, _, line in space.journal.read("main", before)]
    assert len(lines) == len(drafts), "other bytes are compared"
    # As the journal does it: one entry, too, is a transaction.
    taken.inserts.append(timed(lambda: bare.insert_all(lines))())


def _batch_rows(taken: dict[str, _Taken], count: int) -> list[Row]:
    return [
        Row(
            what=f"batches of {count:,} `{kind}`",
            ours=Samples(tuple(one.ours)).rate(count),
            baseline=Samples(tuple(one.inserts)).rate(count),
            against="bare inserts in one transaction",
        )
        for kind, one in taken.items()
    ]


def _single_rows(taken: dict[str, _Taken]) -> list[Row]:
    return [
        Row(
            what=f"one `{kind}`",
            ours=Samples(tuple(one.ours)),
            baseline=Samples(tuple(one.inserts)),
            against="one bare insert",
        )
        for kind, one in taken.items()
    ]
