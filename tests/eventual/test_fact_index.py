"""The full-text index lives and dies with the view, and no words of a user's are its syntax."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waggle.base.errors import WaggleError
from waggle.eventual.fact_search import QUERY_CHARS_MAX, QUERY_WORDS_MAX, expression, search
from waggle.eventual.facts import FACT_FOLD, FactAssert
from waggle.log.entry import Agent, Entry
from waggle.store.views.view import View

BEES = FactAssert(entity="hive 7", attribute="scouts", value='the "near" bees AND the queen')


def entry(body: FactAssert, seq: int = 1) -> Entry:
    return Entry(
        id=f"{seq:064x}", replica="ab" * 16, seq=seq, at=seq, by=Agent(name="ann"), body=body
    )


def opened(folder: Path, operators: frozenset[str] = frozenset()) -> View:
    return View(str(folder), "main", (FACT_FOLD,), operators)


def fold(view: View, *bodies: FactAssert) -> None:
    with view.transaction():
        view.fold([entry(body, seq) for seq, body in enumerate(bodies, 1)])


def found(view: View, words: str) -> list[str | None]:
    return [hit.fact.value for hit in search(view.db, words, 10)]


def test_a_cleared_view_finds_nothing_and_then_what_is_folded_anew(tmp_path: Path) -> None:
    view = opened(tmp_path)
    fold(view, BEES)
    with view.transaction():
        view.clear()
        assert found(view, "bees") == []
    assert found(view, "bees") == []
    fold(view, BEES)
    assert found(view, "bees") == [BEES.value]
    view.close()


def test_what_is_rolled_back_is_not_found(tmp_path: Path) -> None:
    view = opened(tmp_path)
    with pytest.raises(KeyboardInterrupt), view.transaction():  # noqa: PT012 - one transaction
        view.fold([entry(BEES)])
        assert found(view, "bees") == [BEES.value]
        raise KeyboardInterrupt
    assert found(view, "bees") == []
    view.close()


def test_who_makes_the_tables_anew_makes_the_index_anew(tmp_path: Path) -> None:
    one = opened(tmp_path)
    fold(one, BEES)
    other = opened(tmp_path, frozenset({"an operator"}))
    assert found(other, "bees") == []
    fold(other, BEES)
    assert found(other, "bees") == [BEES.value]
    one.close()
    other.close()


def test_the_names_of_things_come_before_what_is_said_of_others(tmp_path: Path) -> None:
    view = opened(tmp_path)
    said = [("port", "db", "x"), ("web", "uses", "db"), ("db", "port", "x")]
    fold(view, *(FactAssert(entity=e, attribute=a, value=v) for e, a, v in said))
    entities = [hit.fact.entity for hit in search(view.db, "db", 10)]
    assert entities == ["db", "port", "web"]
    view.close()


@given(st.text(max_size=60))
@example('"')
@example('bees" OR "x')
@example("bees\0x")
@example("NEAR(bees queen, 2)")
@example("value: bees")
@example("-bees ^bees {value}: * ()")
@example("\U0001f41d")
@example("\u0345\u00b2 \ud7ff")
def test_no_words_are_syntax(tmp_path_factory: pytest.TempPathFactory, words: str) -> None:
    view = opened(tmp_path_factory.mktemp("view"))
    fold(view, BEES)
    if any(map(str.isalnum, words)):
        assert found(view, words) in ([], [BEES.value])
    else:
        with pytest.raises(WaggleError, match="no letter or digit"):
            found(view, words)
    view.close()


def test_operators_are_words_like_others(tmp_path: Path) -> None:
    view = opened(tmp_path)
    fold(view, BEES)
    for words in ("near", "AND", '"near"', "bee* queen", "(hive)", "sco -que"):
        assert found(view, words) == [BEES.value], words
    for words in ("bees OR x", "NOT bees", "bees NEAR drone", "value:bees"):
        assert found(view, words) == [], words
    view.close()


@pytest.mark.parametrize(
    "words", ["", " ", "***", "\0", "x" * (QUERY_CHARS_MAX + 1), "x " * (QUERY_WORDS_MAX + 1)]
)
def test_what_cannot_be_searched_for_is_told(words: str) -> None:
    with pytest.raises(WaggleError) as caught:
        expression(words)
    assert caught.value.code == "invalid"
