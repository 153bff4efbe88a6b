"""Facts: looking up, going back in time, and searching among few and among very many."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.speed.filling import compare, filled, id_of, phrase, stamp
from bench.speed.measure import Samples, Work, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Row, Section
from waggle.eventual import fact_reads
from waggle.eventual.fact_search import expression, search
from waggle.eventual.facts import FactAssert
from waggle.store.views.view import View

_ATTRIBUTES = ("host", "note", "owner", "port", "state")
_FACTS_EACH = 5
"""How many facts an attribute of an entity gets, in the mean."""
_KNOWING = 0.9
"""How many of the facts that follow another supersede it; the others are in conflict with it."""
_WORDS = 6
_SHOWN = 20
_MOST = 3.0
"""How many times as much a look-up among the most facts may cost as one among the fewest: trees are
deeper, and do not fit into SQLite's cache any more."""
_SETTING = (
    "Facts of {attributes} attributes of many entities, {each} of each in the mean; nine of ten"
    " supersede the one before, the others are in conflict with it. Values have {words} words out"
    " of 5,000. Every read asks for another entity or word, and both sizes take turns: a look-up"
    " is to cost what it gives, however many facts there are. A search costs what its words match,"
    " for all of that is ranked; its baseline is the full-text index alone, which counts matches."
)


@dataclass(frozen=True, slots=True)
class _Store:
    """A view of facts, and what is asked of it."""

    view: View
    count: int
    rng: random.Random

    @property
    def db(self) -> sqlite3.Connection:
        """The tables."""
        return self.view.db

    def entity(self) -> str:
        """Give one by chance."""
        return _entity(self.rng.randrange(_entities(self.count)))


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure every read on the views of all sizes."""
    stores, folds = dict[int, _Store](), list[Row]()
    for count in sizes.facts:
        say(f"folding {count:,} facts")
        view, took = filled(folder / f"facts-{count}", _facts(count))
        (found,) = view.db.execute("SELECT count(*) FROM fact").fetchone()
        assert found == count, "a fact is missing"
        stores[count] = _Store(view, count, random.Random(count))
        rate = Samples((took,)).rate(count)
        folds.append(Row(what=f"folding {count:,} `fact.assert`", ours=rate))
    say("reading facts")
    rows = [
        compare(
            f"{what}, {{}} facts",
            sizes.shared_reads,
            {count: _reader(store, read) for count, store in stores.items()},
            _MOST,
        )
        for what, read in _READS.items()
    ]
    rows += _searches(sizes, stores[max(stores)])
    for store in stores.values():
        store.view.close()
    setting = _SETTING.format(attributes=len(_ATTRIBUTES), each=_FACTS_EACH, words=_WORDS)
    return Section(title="Facts", setting=setting, rows=(*rows, *folds))


def _entities(count: int) -> int:
    return max(1, count // (_FACTS_EACH * len(_ATTRIBUTES)))


def _entity(number: int) -> str:
    return f"service-{number}"


def _facts(count: int) -> Iterator[FactAssert]:
    rng, entities = random.Random(count), _entities(count)
    latest: list[int | None] = [None] * (entities * len(_ATTRIBUTES))
    """The number of the newest fact of each register."""
    for number in range(count):
        register = rng.randrange(len(latest))
        entity, attribute = divmod(register, len(_ATTRIBUTES))
        before, latest[register] = latest[register], number
        knows = before is not None and rng.random() < _KNOWING
        yield FactAssert(
            entity=_entity(entity),
            attribute=_ATTRIBUTES[attribute],
            value=phrase(rng, _WORDS),
            source="README.md",
            supersedes=(id_of(before),) if knows and before is not None else (),
        )


_Read = Callable[[_Store, str], object]
"""Reads what is asked of an entity."""
_READS: dict[str, _Read] = {
    "an attribute of an entity": lambda store, entity: fact_reads.registers(
        store.db, entity, _ATTRIBUTES[0]
    ),
    "all attributes of an entity": lambda store, entity: fact_reads.registers(store.db, entity),
    "all attributes as of half-way": lambda store, entity: fact_reads.registers(
        store.db, entity, None, stamp(store.count // 2)
    ),
    "the history of an entity": lambda store, entity: fact_reads.history(
        store.db, entity, limit=_SHOWN
    ),
    "conflicts": lambda store, _entity: fact_reads.conflicts(store.db, _SHOWN),
}


def _reader(store: _Store, read: _Read) -> Work:
    def work() -> float:
        entity = store.entity()
        return timed(lambda: read(store, entity))()

    return work


def _searches(sizes: Sizes, store: _Store) -> Iterator[Row]:
    """Search among the most facts for what is rare and for what is not."""
    asked: dict[str, Callable[[], str]] = {
        "a word": lambda: phrase(store.rng, 1),
        "two words": lambda: phrase(store.rng, 2),
        "an entity and an attribute": lambda: f"{store.entity()} {_ATTRIBUTES[0]}",
    }
    for what, words in asked.items():
        works = _search(store, words)
        mine, theirs = alternate(sizes.shared_reads, *works)
        yield Row(
            what=f"a search for {what}, {store.count:,} facts",
            ours=mine,
            baseline=theirs,
            against="the index alone, which counts",
        )


def _search(store: _Store, words: Callable[[], str]) -> tuple[Work, Work]:
    asked: list[str] = []

    def ours() -> float:
        asked.append(words())
        return timed(lambda: search(store.db, asked[-1], _SHOWN))()

    def baseline() -> float:
        query = "SELECT count(*) FROM fact_index WHERE fact_index MATCH ?"
        words = (expression(asked[-1]),)
        return timed(lambda: store.db.execute(query, words).fetchone())()

    return ours, baseline
