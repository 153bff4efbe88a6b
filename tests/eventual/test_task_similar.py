"""Similar titles: found among the few that share a rare word, as a look at all of them would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.agents.folds import FOLDS
from waggle.eventual.task_kinds import TaskAdd, TaskEdit
from waggle.eventual.task_similar import (
    ALIKE_PERCENT,
    ROWS_MAX,
    likeness,
    similar,
    stems,
    trigrams,
)
from waggle.log.entry import Agent, Body, Entry
from waggle.store.views.view import View

TITLES = st.text(max_size=40)
NOW = (2**62, "")


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    opened = View(str(tmp_path), "main", FOLDS, frozenset())
    yield opened
    opened.close()


def fold(view: View, *bodies: Body) -> list[str]:
    """Fold entries at stamps 0, 1, 2, ...; give their ids."""
    entries = [
        Entry(id=f"{at:064x}", replica="0" * 32, seq=at + 1, at=at, by=Agent(name="ann"), body=body)
        for at, body in enumerate(bodies)
    ]
    with view.transaction():
        view.fold(entries)
    return [entry.id for entry in entries]


@given(TITLES, TITLES)
def test_likeness_is_a_percentage_of_what_is_common(one: str, other: str) -> None:
    first, second = trigrams(one), trigrams(other)
    assert likeness(first, second) == likeness(second, first)
    assert 0 <= likeness(first, second) <= 100
    if first:
        assert likeness(first, first) == 100


@given(TITLES)
def test_the_order_of_words_and_what_stands_between_them_is_nothing(title: str) -> None:
    turned = " - ".join(reversed(title.split()))
    assert trigrams(f"{title}!") == trigrams(title)
    assert stems(turned) == stems(title)


def test_a_look_at_all_finds_no_more(view: View) -> None:
    words = ("parser", "parsing", "comment", "comments", "accept", "shed")
    titles = [f"{a} {b}" for a in words for b in words if a != b]
    ids = dict(zip(fold(view, *(TaskAdd(title=title) for title in titles)), titles, strict=True))
    for title in ("parser comments", "accept the parsing", "shed"):
        expected = sorted(
            (-likeness(trigrams(title), trigrams(other)), entry)
            for entry, other in ids.items()
            if stems(title) & stems(other)
        )
        expected = [one for one in expected if -one[0] >= ALIKE_PERCENT]
        found = similar(view.db, title, NOW)
        assert [(-one.percent, one.id) for one in found] == expected[: len(found)]
        assert len(found) == min(3, len(expected))


def test_a_word_that_all_titles_have_hides_nothing(view: View) -> None:
    crowd = [TaskAdd(title=f"fix bug {number}") for number in range(ROWS_MAX * 2)]
    first, *_ = fold(view, TaskAdd(title="fix the flux capacitor"), *crowd)
    assert [one.id for one in similar(view.db, "flux capacitor: fix", NOW)] == [first]


def test_edited_titles_count_and_tasks_that_are_not_open_do_not(view: View) -> None:
    (task,) = fold(view, TaskAdd(title="paint the shed"))
    edit = TaskEdit(task=task, over=(task,), title="write the parser")
    fold(view, TaskAdd(title="paint the shed"), edit)
    assert similar(view.db, "paint the shed", NOW) == []
    assert [one.id for one in similar(view.db, "write a parser", NOW)] == [task]
    fold(view, TaskAdd(title="paint the shed"), edit, TaskEdit(task=task, state="done"))
    assert similar(view.db, "write a parser", NOW) == []
