"""Validation of lines in order, and admission, each fast function against a plain one."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base.clock import DRIFT_MS_MAX, from_the_future, stamp
from waggle.base.ids import extend
from waggle.base.limits import ENTRY_BYTES_MAX
from waggle.log.chain import NESTING_MAX, Head, follow, fork, ripe, start
from waggle.log.line import body, line

HEAD = start("main", "ab" * 16)


def entry(at: int, **fields: object) -> bytes:
    return line(at, body("x.y", {"name": "a"}, fields))


def test_good_lines_are_linked_by_their_running_hash() -> None:
    lines = [entry(at) for at in (1, 2, 9)]
    links, refusal = follow(HEAD, lines)
    assert refusal is None
    assert [(link.seq, link.line) for link in links] == list(enumerate(lines, start=1))
    assert [link.id for link in links][1] == extend(links[0].id, lines[1])


@given(st.lists(st.integers(1, 2**40), unique=True, min_size=1, max_size=12), st.integers(0, 12))
def test_following_in_parts_is_following_the_whole(clocks: list[int], cut: int) -> None:
    lines = [entry(at) for at in sorted(clocks)]
    whole, _ = follow(HEAD, lines)
    first, _ = follow(HEAD, lines[:cut])
    head = Head(first[-1].seq, first[-1].id, first[-1].envelope.at) if first else HEAD
    assert first + follow(head, lines[cut:])[0] == whole


@given(st.lists(st.integers(1, 8), min_size=1, max_size=8))
def test_a_clock_that_does_not_rise_ends_the_log(clocks: list[int]) -> None:
    links, refusal = follow(HEAD, [entry(at) for at in clocks])
    rising = 1
    while rising < len(clocks) and clocks[rising] > clocks[rising - 1]:
        rising += 1
    assert len(links) == rising
    if rising == len(clocks):
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.seq, "clock" in refusal.reason) == (rising + 1, True)


WRONG = {
    "no JSON": b"nonsense",
    "empty": b"",
    "cut short": b'{"at":2,"by":{"name":"a"},"ki',
    "CRLF": entry(2) + b"\r",
    "byte order mark": b"\xef\xbb\xbf" + entry(2),
    "space before": b" " + entry(2),
    "clock as a float": b'{"at":2.0,"by":{"name":"a"},"kind":"x.y"}',
    "clock with an exponent": b'{"at":2e0,"by":{"name":"a"},"kind":"x.y"}',
    "two clocks": b'{"at":2,"at":3,"by":{"name":"a"},"kind":"x.y"}',
    "clock not first": b'{"by":{"name":"a"},"at":2,"kind":"x.y"}',
    "NaN": b'{"at":2,"by":{"name":"a"},"kind":"x.y","z":NaN}',
    "Infinity": b'{"at":2,"by":{"name":"a"},"kind":"x.y","z":-Infinity}',
    "Latin-1 in a name": b'{"at":2,"by":{"name":"\xe9"},"kind":"x.y"}',
    "Latin-1 in an unknown field": b'{"at":2,"by":{"name":"a"},"kind":"x.y","z":"\xe9"}',
    "lone surrogate": b'{"at":2,"by":{"name":"\\ud800"},"kind":"x.y"}',
    "control character": b'{"at":2,"by":{"name":"a\x01"},"kind":"x.y"}',
    "deep": b'{"at":2,"by":{"name":"a"},"kind":"x.y","z":' + b"[" * 9000 + b"]" * 9000 + b"}",
    "deep and never closed": b'{"at":2,"by":{"name":"a"},"kind":"x.y","z":' + b"[" * 60_000,
    "huge": entry(2, z="x") + b" " * ENTRY_BYTES_MAX,
    "two lines": entry(2) + b"\n" + entry(3),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_line_is_refused_where_it_stands_and_all_after_it(wrong: str) -> None:
    links, refusal = follow(HEAD, [entry(1), WRONG[wrong], entry(9)])
    assert len(links) == 1
    assert refusal is not None
    assert refusal.seq == 2
    assert refusal.reason


def test_how_deep_a_line_may_nest_does_not_depend_on_the_reader() -> None:
    nested: list[object] = []
    for _ in range(NESTING_MAX - 2):  # the line and the innermost list are levels too
        nested = [nested]
    deepest = entry(1, z=nested)
    deeper = entry(1, z=[nested])

    def at_depth(depth: int, raw: bytes) -> bool:
        return at_depth(depth - 1, raw) if depth else follow(HEAD, [raw])[1] is None

    for depth in (0, sys.getrecursionlimit() // 2):
        assert at_depth(depth, deepest)
        assert not at_depth(depth, deeper)


def test_brackets_in_texts_are_no_nesting() -> None:
    assert follow(HEAD, [entry(1, z='[{"\\' * 500)])[1] is None


CLOCKS = st.lists(st.integers(1, 100), unique=True, max_size=20).map(sorted)


@given(CLOCKS, st.integers(0, 110))
def test_ripe_counts_what_a_plain_loop_counts(minutes: list[int], now: int) -> None:
    links, _ = follow(HEAD, [entry(stamp(minute * 60_000)) for minute in minutes])
    wall = now * 60_000 - DRIFT_MS_MAX
    plain = 0
    for link in links:
        if from_the_future(link.envelope.at, wall):
            break
        plain += 1
    assert ripe(links, wall) == plain


def plain_fork(chains: list[list[str]]) -> int:
    longest = max(chains, key=len, default=[])
    agreed = 0
    for seq, entry_id in enumerate(longest):
        if any(len(chain) > seq and chain[seq] != entry_id for chain in chains):
            break
        agreed += 1
    return agreed


CHAINS = st.lists(st.lists(st.sampled_from("ab"), max_size=6), max_size=4)


@given(CHAINS)
def test_fork_finds_what_a_plain_loop_finds(chains: list[list[str]]) -> None:
    assert fork(chains) == plain_fork(chains)


@given(CHAINS)
def test_fork_is_independent_of_order_and_repetition(chains: list[list[str]]) -> None:
    assert fork(chains) == fork(chains[::-1]) == fork(chains + chains)


@given(st.lists(st.sampled_from("ab"), max_size=8), st.integers(0, 8))
def test_a_shorter_copy_proves_nothing(chain: list[str], cut: int) -> None:
    assert fork([chain, chain[:cut]]) == len(chain)
