"""Ids: the running hash, the names of replicas and spaces, abbreviations."""

from __future__ import annotations

from functools import reduce
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base import ids
from waggle.base.errors import WaggleError
from waggle.base.limits import SPACE_CHARS_MAX

REPLICA = "ab" * 16
LINES = st.lists(st.binary(max_size=40), max_size=8)


def running(lines: list[bytes]) -> str:
    return reduce(ids.extend, lines, ids.genesis("main", REPLICA))


def test_the_running_hash_is_what_the_design_says() -> None:
    seed = blake2b(b"waggle/1\0main\0" + REPLICA.encode(), digest_size=32).digest()
    expected = blake2b(seed + b"line", digest_size=32).hexdigest()
    assert running([b"line"]) == expected


@given(LINES, LINES)
def test_equal_ids_mean_equal_pasts(one: list[bytes], other: list[bytes]) -> None:
    assert (running(one) == running(other)) == (one == other)


@given(LINES, st.binary(max_size=40))
def test_hashing_on_from_a_prefix_is_hashing_the_whole(lines: list[bytes], last: bytes) -> None:
    assert ids.extend(running(lines), last) == running([*lines, last])


def test_the_first_hash_is_bound_to_space_and_replica() -> None:
    assert len({ids.genesis(s, r) for s in ("a", "b") for r in (REPLICA, "cd" * 16)}) == 4


def test_a_replica_is_named_after_its_key() -> None:
    assert ids.is_replica(ids.replica_of(b"k" * 32))
    assert ids.replica_of(b"k" * 32) != ids.replica_of(b"l" * 32)


@pytest.mark.parametrize("text", ["", "ab" * 15, "AB" * 16, "ab" * 17, "xy" * 16, "ab" * 16 + "\n"])
def test_what_is_no_replica(text: str) -> None:
    assert not ids.is_replica(text)


@pytest.mark.parametrize("name", ["a", "main", "7", "a-b_c", "a" * SPACE_CHARS_MAX])
def test_names_of_spaces(name: str) -> None:
    assert ids.check_space(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "_a", "A", "a/b", "..", "a.b", "a b", "é", "a\n", "a" * (SPACE_CHARS_MAX + 1)],
)
def test_names_that_no_space_has(name: str) -> None:
    with pytest.raises(WaggleError) as caught:
        ids.check_space(name)
    assert caught.value.code == "invalid"


def test_an_abbreviation_is_at_least_four_hex_digits_in_any_case() -> None:
    assert ids.check_prefix("ABCD") == "abcd"
    for text in ("abc", "", "abcg", "a" * 65, "../x"):
        with pytest.raises(WaggleError) as caught:
            ids.check_prefix(text)
        assert caught.value.code == "invalid"


def test_an_abbreviation_names_one_or_says_why_not() -> None:
    assert ids.unique("aaaa", ["aaaa1"], "task") == "aaaa1"
    with pytest.raises(WaggleError) as none:
        ids.unique("aaaa", [], "task")
    with pytest.raises(WaggleError) as several:
        ids.unique("aaaa", ["aaaa2", "aaaa1"], "task")
    assert (none.value.code, several.value.code) == ("not_found", "ambiguous")
    assert "aaaa1, aaaa2" in several.value.message
