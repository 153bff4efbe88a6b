"""The laws of every fold: order, batches and repetition change nothing, and a recount agrees."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.reference import Recount
from tests.laws.worlds import AGENTS, GENERATORS, OPERATORS, SPACE, Made, shuffled, worlds

from waggle.agents.folds import FOLDS
from waggle.choice import outcome
from waggle.choice.ballot import Ballot, first_approvals, read
from waggle.choice.fold import CHOICE_FOLD
from waggle.choice.rules import DEFAULT, RULES
from waggle.log.entry import Body, Entry
from waggle.store.views.decrees import KINDS
from waggle.store.views.view import View

SEEDS = st.integers(0, 2**32 - 1)


@contextmanager
def folded(batches: Iterable[Sequence[Entry]]) -> Iterator[View]:
    """Give a view after these batches, a transaction each."""
    with tempfile.TemporaryDirectory() as folder:
        view = View(folder, SPACE, FOLDS, OPERATORS)
        view.db.execute("PRAGMA synchronous=OFF")
        for batch in batches:
            with view.transaction():
                view.fold(batch)
        yield view
        view.close()


def tasks(db: sqlite3.Connection) -> list[str]:
    return [task for (task,) in db.execute("SELECT DISTINCT task FROM candidate ORDER BY task")]


def ballots(view: View) -> list[Ballot]:
    return [read(view.db, task) for task in tasks(view.db)]


def rows(view: View, table: str) -> list[tuple[object, ...]]:
    return view.db.execute(CHOICE_FOLD.digests[table]).fetchall()


@pytest.mark.parametrize("kind", [*KINDS, *(kind for fold in FOLDS for kind in fold.kinds)])
def test_every_kind_has_a_generator(kind: type[Body]) -> None:
    assert kind in GENERATORS


@given(worlds(), SEEDS)
def test_order_batches_and_repetition_change_nothing(made: Made, seed: int) -> None:
    with (
        folded([made.entries]) as straight,
        folded(shuffled(Random(seed), made.entries)) as mixed,
    ):
        assert mixed.digest() == straight.digest()
        assert ballots(mixed) == ballots(straight)


@given(worlds(), SEEDS)
def test_folding_everything_again_changes_nothing(made: Made, seed: int) -> None:
    batches = shuffled(Random(seed), made.entries)
    with folded(batches) as once, folded([*batches, *reversed(batches)]) as twice:
        assert twice.digest() == once.digest()


@given(worlds(), SEEDS)
def test_tables_equal_a_recount(made: Made, seed: int) -> None:
    entries = shuffled(Random(seed), made.entries)
    recount = Recount(made.entries, made.valid_rulings)
    with folded(entries) as view:
        assert rows(view, "candidate") == recount.candidate_rows()
        assert rows(view, "vote") == recount.vote_rows()
        assert rows(view, "tally") == recount.tally_rows()
        assert {who: tuple(row) for who, *row in rows(view, "voter_record")} == (
            recount.voter_records()
        )
        assert {(who, decile): tuple(row) for who, decile, *row in rows(view, "author_record")} == (
            recount.author_records()
        )


@given(worlds(), SEEDS, st.integers(1, 3))
def test_every_rule_orders_as_a_recount_does(made: Made, seed: int, number: int) -> None:
    recount = Recount(made.entries, made.valid_rulings)
    single = [f"{rule.name}({number})" if rule.takes else rule.name for rule in RULES.values()]
    with folded(shuffled(Random(seed), made.entries)) as view:
        for ballot in ballots(view):
            for expression in [*single, DEFAULT]:
                stages = outcome.parse(expression)
                found = outcome.choose(ballot, stages)
                dumb = [(stage.rule.name, stage.number) for stage in stages]
                assert [place.candidate.id for place in found.places] == recount.order(
                    ballot.task, dumb
                ), expression


@given(worlds(), SEEDS)
def test_first_approvals_equal_a_recount(made: Made, seed: int) -> None:
    recount = Recount(made.entries, made.valid_rulings)
    voters = sorted({f"{log.replica}/{by.name}" for log in made.logs for by in AGENTS})
    electorate = Random(seed).sample(voters, len(voters) // 2)
    with folded(shuffled(Random(seed), made.entries)) as view:
        for task in tasks(view.db):
            assert first_approvals(view.db, task, electorate) == recount.first_approvals(
                task, electorate
            )


@given(worlds(), st.integers(1, 3))
def test_what_was_decided_stays_decided(made: Made, needed: int) -> None:
    """Reading longer and longer prefixes, each log in its order, no decision is undone."""
    stages = outcome.parse(f"threshold({needed}) > size")
    electorate = sorted({f"{log.replica}/{by.name}" for log in made.logs for by in AGENTS})
    ordered = sorted(made.entries, key=lambda entry: (entry.at, entry.replica))
    ordered = [entry for entry in ordered if entry.body.KIND != "ruling.make"]
    decided: dict[str, str] = {}
    with folded([]) as view:
        for start in range(0, len(ordered), 5):
            with view.transaction():
                view.fold(ordered[start : start + 5])
            for ballot in ballots(view):
                approvals = first_approvals(view.db, ballot.task, electorate)
                found = outcome.choose(ballot, stages, first_approvals=approvals)
                winner = found.winner
                if ballot.task in decided:
                    assert found.status in {"decided", "contested"}
                if ballot.task in decided and found.status == "decided":
                    assert winner is not None
                    assert winner.id == decided[ballot.task]
                if found.status == "decided" and winner is not None:
                    decided[ballot.task] = winner.id


@given(worlds())
def test_the_view_holds_no_floats(made: Made) -> None:
    with folded([made.entries]) as view:
        for (table,) in view.db.execute(
            "SELECT name FROM sqlite_master WHERE type='table'"
        ).fetchall():
            found = view.db.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
            assert not any(isinstance(value, float) for row in found for value in row), table


@given(worlds(max_steps=40), SEEDS)
def test_two_processes_fold_into_one_view(made: Made, seed: int) -> None:
    """Names are numbered anew when the other one clears the view; no number may survive that."""
    random = Random(seed)
    entries = made.entries
    with tempfile.TemporaryDirectory() as folder, folded([entries]) as straight:
        views = [View(folder, SPACE, FOLDS, OPERATORS) for _ in range(2)]
        with views[0].transaction():
            views[0].fold(entries)
        with views[1].transaction():
            views[1].clear()
            views[1].fold(random.sample(entries, len(entries) // 2))
        with views[0].transaction():
            views[0].fold(entries)
        digests = {view.digest() for view in views}
        for view in views:
            view.close()
        assert digests == {straight.digest()}


def _interrupted(view: View, entries: Sequence[Entry]) -> None:
    with view.transaction():
        view.fold(entries)
        raise KeyboardInterrupt


@given(worlds(max_steps=30))
def test_a_fold_that_fails_leaves_the_view_as_it_was(made: Made) -> None:
    with folded([]) as view, folded([made.entries]) as straight:
        before = view.digest()
        with pytest.raises(KeyboardInterrupt):
            _interrupted(view, made.entries)
        assert view.digest() == before
        with view.transaction():
            view.fold(made.entries)
        assert view.digest() == straight.digest()
