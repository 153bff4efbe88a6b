"""Views of many entries that stand in no log, and reads of them that are to cost alike.

Appending and sealing a million entries would take several times as long, and no read of the view
looks at the log.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from bench.speed import world
from bench.speed.measure import Work, alternate, timed
from bench.speed.table import Goal, Row
from waggle.agents.folds import FOLDS
from waggle.log.entry import Body, Entry
from waggle.store.views.view import View

BATCH = 4096
"""Entries that are folded at once, as when a log is read."""
BEGAN_MS = 1_767_225_600_000
"""When the first entry was written; each comes a millisecond after the one before."""
_REPLICA = "ab" * 16
_VOCABULARY = 5000


def phrase(rng: random.Random, words: int) -> str:
    """Give some words, each one out of 5,000."""
    return " ".join(f"w{rng.randrange(_VOCABULARY)}" for _ in range(words))


def id_of(number: int) -> str:
    """Give the id of an entry by its number, from 0 on: in no order, as real ones."""
    return blake2b(number.to_bytes(8, "big"), digest_size=32).hexdigest()


def stamp(number: int) -> int:
    """Give the stamp of an entry by its number."""
    return (BEGAN_MS + number) << 16


def filled(folder: Path, bodies: Iterable[Body]) -> tuple[View, float]:
    """Fold bodies into a new view; give it, and the seconds that the folding alone took."""
    view, took = View(str(folder), "main", FOLDS, frozenset()), 0.0
    entries = (
        Entry(id=id_of(n), replica=_REPLICA, seq=n + 1, at=stamp(n), by=world.ANN, body=body)
        for n, body in enumerate(bodies)
    )
    while batch := list(islice(entries, BATCH)):
        with view.transaction():
            took += timed(partial(view.fold, batch))()
    return view, took


def compare(what: str, repetitions: int, works: Mapping[int, Work], most: float | None) -> Row:
    """Let a read of a view of many entries take turns with the same read of one of few.

    `what` has braces where the number of entries goes, and `works` the read by that number; `most`
    is how many times as much the first may cost, where there is a goal.
    """
    few, many = min(works), max(works)
    mine, theirs = alternate(repetitions, works[many], works[few])
    return Row(
        what=what.format(f"{many:,}"),
        ours=mine,
        baseline=theirs,
        against=f"the same of {few:,}",
        goals=() if most is None else (Goal(limit=most),),
    )
