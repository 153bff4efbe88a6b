"""The randomised test of sync: many seeds, every class of fault, and bugs planted to be caught.

Repeat one with `FLEET_SEED=N pytest tests/sync/test_fleet.py -k replicas`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.sync.fleet import CRASHES, Fleet

from waggle.base.errors import WaggleError
from waggle.choice import ballot, outcome
from waggle.choice.fold import ChoiceFold
from waggle.eventual.facts import FACT_FOLD
from waggle.eventual.members import MEMBER_FOLD
from waggle.eventual.tasks import TASK_FOLD
from waggle.log.entry import Entry
from waggle.store.frames import discovery
from waggle.store.own.journal import Journal
from waggle.store.views.view import Tables, View
from waggle.sync.git import receive
from waggle.sync.git.exchange import Exchange

STEPS = 200
SOAK = os.environ.get("WAGGLE_TESTS") == "soak"
SEEDS = 4000 if SOAK else 200
PLANTED_SEEDS_MAX = 12
FAULT_SEEDS = 10
"""Lives of the 200 that together meet every class of fault."""
FAULTS = (
    *(f"crash: {phase}" for phase in CRASHES),
    "link cut",
    "remote rolled back",
    "remote reset",
    "clock jumped",
    "store copied",
    "sync: a remote was out of reach",
    "found: rewound",
    "live: messages lost",
    "live: said: duplicate",
    "live: said: gap",
    "live: frame: gap",
    *(
        f"written: {kind.KIND}"
        for fold in (TASK_FOLD, FACT_FOLD, MEMBER_FOLD)
        for kind in fold.kinds
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: this test is not about disks."""
    memory = "/dev/shm"  # noqa: S108 - a folder of its own is made there
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    made = tempfile.mkdtemp(dir=memory, prefix="waggle-fleet-")
    yield Path(made)
    shutil.rmtree(made)


def life(folder: Path, seed: int) -> Counter[str]:
    """Let a fleet live and settle, and hold it to what must be; give what happened."""
    fleet = Fleet(folder, seed)
    try:
        fleet.live(STEPS)
        fleet.settle()
        fleet.check()
    finally:
        fleet.close()
    return fleet.count


def seeds() -> Sequence[int]:
    given = os.environ.get("FLEET_SEED")
    return [int(given)] if given else range(SEEDS)


@pytest.mark.parametrize("seed", seeds())
def test_replicas_agree_and_lose_nothing(seed: int, folder: Path, happened: Counter[str]) -> None:
    try:
        happened.update(life(folder, seed))
    except BaseException as error:
        error.add_note(f"repeat: FLEET_SEED={seed} pytest tests/sync/test_fleet.py -k replicas")
        raise


def test_every_class_of_fault_happens(folder: Path) -> None:
    total: Counter[str] = Counter()
    for seed in range(FAULT_SEEDS):
        place = folder / str(seed)
        place.mkdir()
        total.update(life(place, seed))
    assert not [fault for fault in FAULTS if not total[fault]], total


# --- bugs that are planted, each of which the same test has to find ------------------------------


def lose_a_gap(patch: pytest.MonkeyPatch) -> None:
    """Skip the first of several new entries that are folded at once, and count them all."""
    fold = View.fold

    def without_first(self: View, entries: Sequence[Entry]) -> None:
        fold(self, entries[1:] if len(entries) > 2 else entries)

    patch.setattr(View, "fold", without_first)


def fold_twice(patch: pytest.MonkeyPatch) -> None:
    """Count a vote again when entries come in batches of three and more."""
    apply = ChoiceFold.apply

    def twice(self: ChoiceFold, tables: Tables, entries: Sequence[Entry]) -> None:
        apply(self, tables, entries)
        if len(entries) > 2:
            tables.db.execute("UPDATE tally SET n = n + 1, ups = ups + 1 WHERE n > 0")

    patch.setattr(ChoiceFold, "apply", twice)


def move_a_ref_back(patch: pytest.MonkeyPatch) -> None:
    """Believe a remote that shows an older frame, as a fetch straight onto the refs would."""
    examine = discovery.examine

    def obey(journal: Journal, logs: Any, log: discovery.Log, oid: str) -> discovery.Step:  # noqa: ANN401 - any
        step = examine(journal, logs, log, oid)
        if step.how == "behind":
            seq = discovery.frame_end(logs, oid)
            entry = logs.frame(oid, *log).statement.hash
            with journal.transaction() as db:
                db.execute("DELETE FROM tip WHERE space=? AND replica=?", log)
                db.execute("INSERT INTO tip VALUES(?,?,?,?,?)", (*log, oid, seq, entry))
        return step

    patch.setattr(receive, "examine", obey)


def skip_a_sync(patch: pytest.MonkeyPatch) -> None:
    """Push nothing of logs that have grown past their first frame, and call it done."""
    lacking = Exchange._lacking  # noqa: SLF001 - a bug is planted inside

    def nothing_new(self: Exchange, talk: Any) -> Mapping[str, str]:  # noqa: ANN401 - any
        found = lacking(self, talk)
        return {name: oid for name, oid in found.items() if name.split("/")[-1] not in talk.theirs}

    patch.setattr(Exchange, "_lacking", nothing_new)


def break_ties_by_arrival(patch: pytest.MonkeyPatch) -> None:
    """Among equals let the candidate win that was folded first, instead of the smaller id."""
    query = ballot._CANDIDATES  # noqa: SLF001 - a bug is planted inside
    patch.setattr(ballot, "_CANDIDATES", f"{query} ORDER BY c.n")
    patch.setattr(ballot, "_id", lambda _: 0)
    patch.setattr(outcome, "sorted", lambda items, **_: list(items), raising=False)


PLANTED: Mapping[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a lost gap": lose_a_gap,
    "a double fold": fold_twice,
    "a ref moved back": move_a_ref_back,
    "a skipped sync": skip_a_sync,
    "a wrong tie-break": break_ties_by_arrival,
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    for seed in range(PLANTED_SEEDS_MAX):
        place = folder / str(seed)
        place.mkdir()
        try:
            life(place, seed)
        except AssertionError:
            return
        except WaggleError as error:
            if error.code != "damaged":
                raise
            return
    pytest.fail(f"{bug} went unnoticed in {PLANTED_SEEDS_MAX} lives")
