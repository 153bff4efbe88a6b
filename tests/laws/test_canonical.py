"""The fast encoder gives the bytes of the light one, for every kind and for whatever text."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.worlds import GENERATORS, World

from waggle.base.errors import WaggleError
from waggle.eventual.tasks import TaskAdd
from waggle.log import entry, line
from waggle.log.entry import Body

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_both_encoders_give_the_same_bytes(value: object) -> None:
    assert entry.canonical(value) == line.canonical(value)


@pytest.mark.parametrize("kind", GENERATORS)
def test_both_encoders_give_the_same_lines(kind: type[Body]) -> None:
    for seed in range(20):
        world = World(Random(seed))
        world.tasks.append("ab" * 32)
        fields = msgspec.to_builtins(GENERATORS[kind](world))
        who = {"name": "ann", "model": "\u00e9\u2028\x7f\\"}
        light = line.body(kind.KIND, who, fields, key="k", was="ab" * 32)
        fast = line.body(kind.KIND, who, fields, key="k", was="ab" * 32, encode=entry.canonical)
        assert fast == light, f"seed {seed}"


@pytest.mark.parametrize("encode", [line.canonical, entry.canonical])
def test_text_that_is_no_unicode_is_refused(encode: Callable[[object], bytes]) -> None:
    fields = entry.fields_of(TaskAdd(title="\ud800"))
    with pytest.raises(WaggleError) as caught:
        line.body("task.add", {"name": "ann"}, fields, encode=encode)
    assert caught.value.code == "invalid"
