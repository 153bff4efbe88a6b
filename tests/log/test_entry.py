"""Lines as typed values: the registry's rules, validation, references that follow `was`."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.base.limits import ENTRY_BYTES_MAX
from waggle.choice.kinds import Vote
from waggle.log.entry import Agent, Body, envelope, fields_of, follow, registry, validate
from waggle.log.line import body, line

DECODERS = registry(kind for fold in FOLDS for kind in fold.kinds)
OLD, NEW, OTHER = "aa" * 32, "bb" * 32, "cc" * 32


class Early(Body, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "early.bird"
    a: int


class Reserved(Body, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "greedy.one"
    was: str


class Several(Body, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "several.refs"
    REFS: ClassVar[tuple[str, ...]] = ("names",)
    names: tuple[str, ...] = ()


@pytest.mark.parametrize("kinds", [(Early,), (Reserved,), (Vote, Vote)])
def test_kinds_that_break_the_rules_are_not_registered(kinds: tuple[type[Body], ...]) -> None:
    with pytest.raises(ValueError, match="breaks the rules"):
        registry(kinds)


@given(st.integers(0, 100), st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_body_reads_back_as_it_was_written(score: int, reason: str) -> None:
    value = Vote(candidate=OLD, score=score, reason=reason)
    encoded = body(value.KIND, Agent(name="ann").fields(), fields_of(value))
    validate(DECODERS[value.KIND], encoded)
    assert DECODERS[value.KIND](line(5, encoded)) == value


def test_defaults_are_not_written() -> None:
    assert fields_of(Vote(candidate=OLD, score=1)) == {"candidate": OLD, "score": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"candidate": OLD, "score": 101},
        {"candidate": OLD, "score": -1},
        {"candidate": OLD, "score": 1.5},
        {"candidate": "short", "score": 1},
        {"score": 1},
        {"candidate": OLD, "score": "1"},
    ],
)
def test_a_body_that_no_reader_would_take_is_not_written(fields: dict[str, object]) -> None:
    with pytest.raises(WaggleError) as caught:
        validate(DECODERS["vote.cast"], body("vote.cast", {"name": "ann"}, fields))
    assert caught.value.code == "invalid"
    assert "nothing was appended" in caught.value.next_step


def test_fields_of_a_later_version_are_skipped() -> None:
    written = body("vote.cast", {"name": "ann"}, {"candidate": OLD, "score": 1, "zeal": [1]})
    assert DECODERS["vote.cast"](line(5, written)) == Vote(candidate=OLD, score=1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"at":1,"by":{"name":"a"}}',
        b'{"at":-1,"by":{"name":"a"},"kind":"x.y"}',
        b'{"at":9223372036854775808,"by":{"name":"a"},"kind":"x.y"}',
        b'{"at":1,"by":{"name":""},"kind":"x.y"}',
        b'{"at":1,"by":{"name":"a"},"kind":"undotted"}',
        b'{"at":1,"by":{"name":"a"},"kind":"X.y"}',
        b'{"at":1,"by":{"name":"a"},"kind":"x.y","was":"zz"}',
        b'{"at":1,"by":{"name":"a"},"kind":"x.y"}\n{}',
        b'{"at":1,"by":{"name":"a"},"kind":"x.y","z":"' + b"x" * ENTRY_BYTES_MAX + b'"}',
    ],
)
def test_what_is_no_entry(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        envelope(raw)


def test_an_agent_shows_only_what_is_set() -> None:
    assert Agent(name="a", model="m").fields() == {"name": "a", "model": "m"}


def test_references_follow_what_was_appended_again() -> None:
    assert follow(Vote(candidate=NEW, score=1), {NEW: OLD}) == Vote(candidate=OLD, score=1)
    untouched = Vote(candidate=OTHER, score=1)
    assert follow(untouched, {NEW: OLD}) is untouched


def test_each_of_several_references_follows() -> None:
    assert follow(Several(names=(OTHER, NEW)), {NEW: OLD}) == Several(names=(OTHER, OLD))
    for untouched in (Several(names=(OTHER,)), Several()):
        assert follow(untouched, {NEW: OLD}) is untouched
