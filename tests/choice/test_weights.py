"""Weights: fixed point that follows the real numbers, and never a float."""

from __future__ import annotations

import ast
import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.choice import ballot, fold, outcome, rules, tables, weights
from waggle.choice.weights import (
    ONE,
    FamilyVotes,
    approval,
    authorship,
    harmonic,
    log2,
    rejection,
    votes_worth,
)

POSITIVE = st.integers(1, 2**80)
COUNTS = st.integers(0, 10**6)


@given(POSITIVE, POSITIVE)
def test_log2_follows_the_real_one(numerator: int, denominator: int) -> None:
    real = (math.log2(numerator) - math.log2(denominator)) * ONE
    assert abs(log2(numerator, denominator) - real) < 2


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_log2_is_rounded_down_exactly(numerator: int, denominator: int) -> None:
    units = log2(numerator, denominator)
    left, right = numerator**ONE, denominator**ONE
    shift = max(-units, 0) + 1
    assert right << (units + shift) <= left << shift < right << (units + 1 + shift)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_log2_never_falls_while_the_fraction_rises(a: int, b: int, c: int, d: int) -> None:
    low, high = sorted(((a, b), (c, d)), key=lambda pair: pair[0] * (b * d) // pair[1])
    if low[0] * high[1] <= high[0] * low[1]:
        assert log2(*low) <= log2(*high)
    else:
        assert log2(*high) <= log2(*low)


@given(st.integers(1, 2**40), st.integers(1, 2**20), st.integers(1, 2**20))
def test_log2_sees_the_fraction_only(numerator: int, denominator: int, factor: int) -> None:
    assert log2(numerator * factor, denominator * factor) == log2(numerator, denominator)


def test_log2_of_powers_is_exact() -> None:
    for power in range(-40, 41):
        assert log2(2 ** max(power, 0), 2 ** max(-power, 0)) == power * ONE


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (-1, 2), (3, -1)])
def test_log2_takes_positive_fractions_only(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        log2(*pair)


def test_harmonic_numbers() -> None:
    assert [harmonic(n) / ONE for n in (0, 1, 2)] == [0, 1, 1.5]
    for n in (3, 10, 100, 4096):
        assert abs(harmonic(n) / ONE - sum(1 / k for k in range(1, n + 1))) < n / ONE
    assert harmonic(5000) == harmonic(4096)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_being_right_once_more_never_weakens_an_approval(
    tp: int, fp: int, tn: int, fn: int
) -> None:
    assert approval(tp + 1, fp, tn, fn) >= approval(tp, fp, tn, fn)
    assert approval(tp, fp, tn + 1, fn) >= approval(tp, fp, tn, fn)
    assert approval(tp, fp + 1, tn, fn) <= approval(tp, fp, tn, fn)
    assert rejection(tp, fp, tn + 1, fn) <= rejection(tp, fp, tn, fn)
    assert rejection(tp, fp, tn, fn + 1) >= rejection(tp, fp, tn, fn)


def test_a_voter_without_a_record_is_worth_a_little() -> None:
    assert approval(0, 0, 0, 0) == ONE
    assert rejection(0, 0, 0, 0) == -ONE


def test_a_voter_that_approves_everything_is_worth_nothing() -> None:
    assert abs(approval(10**6, 10**6, 0, 0)) < 2


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_an_authors_record_weighs_both_ways(
    bin_right: int, bin_wrong: int, more_right: int, more_wrong: int
) -> None:
    right, wrong = bin_right + more_right, bin_wrong + more_wrong
    here = authorship(bin_right, bin_wrong, right, wrong)
    assert authorship(bin_right + 1, bin_wrong, right + 1, wrong) >= here
    assert authorship(bin_right, bin_wrong + 1, right, wrong + 1) <= here
    assert authorship(0, 0, 0, 0) == 0


@given(st.integers(1, 1000), st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20))
def test_votes_of_one_family_count_less_and_less(n: int, approve: int, reject: int) -> None:
    worth = votes_worth([FamilyVotes("f", n, n, 0, 50 * n, 0, approve, reject)])
    assert abs(worth - approve * harmonic(n) / ONE) <= 1
    assert votes_worth([FamilyVotes("f", n, 0, 0, 0, 0, approve, reject)]) == 0, "abstentions"


def test_half_an_approval_is_worth_half() -> None:
    half = FamilyVotes("f", 1, 1, 0, 25, 0, 4 * ONE, -ONE)
    whole = FamilyVotes("g", 1, 0, 1, 0, 50, 4 * ONE, -ONE)
    assert votes_worth([half]) == 2 * ONE
    assert votes_worth([whole]) == -ONE
    assert votes_worth([half, whole]) == ONE


@pytest.mark.parametrize("module", [weights, rules, outcome, ballot, fold, tables])
def test_no_float_is_written_and_no_true_division_is_made(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Div)
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
