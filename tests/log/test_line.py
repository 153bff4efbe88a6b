"""Writing a line: canonical, within its limits, or an error that says what to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base.errors import WaggleError
from waggle.base.limits import ENTRY_BYTES_MAX, KEY_CHARS_MAX, NAME_CHARS_MAX
from waggle.log.chain import follow, start
from waggle.log.entry import canonical as fast
from waggle.log.line import body, canonical, check_key, check_name, line

BY = {"name": "ann"}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text("bcdefghijklmnop", min_size=1, max_size=8).filter(lambda n: n not in {"by", "kind"})


@given(st.integers(1, 2**62), st.dictionaries(NAMES, VALUES, max_size=5))
def test_a_line_is_canonical_and_reads_back(at: int, fields: dict[str, object]) -> None:
    written = line(at, body("task.add", BY, fields))
    whole = {**fields, "at": at, "by": BY, "kind": "task.add"}
    assert json.loads(written) == whole
    sorted_again = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert written == sorted_again.encode()
    assert b"\n" not in written


@given(st.integers(1, 2**62), st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_is_written_is_what_readers_take(at: int, fields: dict[str, object]) -> None:
    links, refusal = follow(start("main", "ab" * 16), [line(at, body("new.kind", BY, fields))])
    assert refusal is None
    assert links[0].envelope.at == at


def test_key_and_former_id_stand_in_the_line() -> None:
    written = body("task.add", BY, {"title": "x"}, key="k", was="ab" * 32)
    assert json.loads(written) == {
        "by": BY,
        "key": "k",
        "kind": "task.add",
        "title": "x",
        "was": "ab" * 32,
    }


def test_the_longest_line_passes_and_a_longer_one_says_what_to_do() -> None:
    empty = len(body("task.add", BY, {"title": ""}))
    longest = ENTRY_BYTES_MAX - 32 - empty
    assert len(line(2**63 - 1, body("task.add", BY, {"title": "x" * longest}))) <= ENTRY_BYTES_MAX
    with pytest.raises(WaggleError) as caught:
        body("task.add", BY, {"title": "x" * (longest + 1)})
    assert caught.value.code == "limit"
    assert str(ENTRY_BYTES_MAX) in caught.value.message


def test_the_limit_counts_bytes_and_not_characters() -> None:
    with pytest.raises(WaggleError, match="limit"):
        body("task.add", BY, {"title": "é" * (ENTRY_BYTES_MAX // 2)})


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(WaggleError) as caught:
        body("task.add", BY, {"title": "\ud800"})
    assert caught.value.code == "invalid"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        body("task.add", BY, {"title": value})


@given(VALUES)
def test_both_encoders_write_the_same_bytes(value: object) -> None:
    assert fast(value) == canonical(value)


@pytest.mark.parametrize("name", ["a", "Ann Lee", "éß", "x" * NAME_CHARS_MAX])
def test_names(name: str) -> None:
    assert check_name("agent", name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\x1b[31m", "x" * (NAME_CHARS_MAX + 1)])
def test_names_that_would_break_a_line_or_a_terminal(name: str) -> None:
    with pytest.raises(WaggleError) as caught:
        check_name("agent", name)
    assert caught.value.code == "invalid"


def test_keys() -> None:
    assert check_key(None) is None
    assert check_key("x" * KEY_CHARS_MAX) == "x" * KEY_CHARS_MAX
    for key in ("", "a\n", "x" * (KEY_CHARS_MAX + 1)):
        with pytest.raises(WaggleError) as caught:
            check_key(key)
        assert caught.value.code == "invalid"
