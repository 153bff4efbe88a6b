"""How much evidence a vote or an author is: log-odds of records, in fixed point, made when read.

A vote of a voter with true-positive rate t and false-positive rate f multiplies the odds that a
candidate is right by t/f when it approves and by (1-t)/(1-f) when it rejects (Bayes' factor; I. J.
Good, "Probability and the Weighing of Evidence", 1950, chapter 6; for weighted majority votes:
Nitzan and Paroush 1982). Rates come from records with a prior, so nobody starts at certainty.
Errors within a family are not independent, so its n votes count as their mean times
1 + 1/2 + ... + 1/n. All integers: every receiver computes the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

SCALE_BITS = 16
ONE = 1 << SCALE_BITS
"""One bit of evidence (odds of 2 to 1)."""
PRIOR_GOOD, PRIOR_BAD = 2, 1
"""A voter without a record is taken to have been right twice and wrong once, on either side."""
AUTHOR_PRIOR = 1
"""An author without a record: one candidate right, one wrong."""
BIN_PRIOR = 4
"""How many candidates a confidence decile needs before it outweighs the author's whole record."""
_DOUBT = 2**-20
"""How near to a whole number of units, in units, a float is not trusted to tell its side."""
SCATTER = ONE
"""Wrong results scatter, right ones coincide: what one more equal result is worth beyond its
author's odds, in bits. Between half a bit and one is best by bench.choice on the learning half,
and from none to three bits no choice there is worse by more than a point on the whole."""


class FamilyVotes(Struct, frozen=True, gc=False):
    """What one family's voters said of a candidate, and what its record makes of it."""

    family: str
    n: int
    ups: int
    downs: int
    pro: int
    """How far the scores above 50 lie above it, summed."""
    con: int
    """How far the scores below 50 lie below it, summed."""
    approve: int
    """What a whole approval of this family's is worth, in units of 2**-16 bits."""
    reject: int


@lru_cache(maxsize=65_536)
def log2(numerator: int, denominator: int) -> int:
    """Give log2 of a positive fraction in units of 2**-16, rounded down: the same everywhere.

    A float is right to some 2**-45 of a unit, so it decides unless it lies next to a whole number
    of units; then integers do (Ziv, "Fast evaluation of elementary mathematical functions with
    correctly rounded last bit", ACM TOMS 17, 1991).
    """
    if numerator <= 0 or denominator <= 0:
        raise ValueError("log2 needs a positive fraction")
    units = (math.log2(numerator) - math.log2(denominator)) * ONE
    nearest = round(units)
    if abs(units - nearest) > _DOUBT:
        return math.floor(units)
    return nearest if _reaches(numerator, denominator, nearest) else nearest - 1


def _reaches(numerator: int, denominator: int, units: int) -> bool:
    """Tell whether the fraction, to the power of 2**16, is at least 2**units."""
    common = math.gcd(numerator, denominator)
    numerator, denominator = numerator // common, denominator // common
    if numerator.bit_count() == denominator.bit_count() == 1:
        return (numerator.bit_length() - denominator.bit_length()) << SCALE_BITS >= units
    left, right = pow(numerator, ONE), pow(denominator, ONE)
    return bool(left << max(-units, 0) >= right << max(units, 0))


@lru_cache(maxsize=4096)
def harmonic(n: int) -> int:
    """Give 1 + 1/2 + ... + 1/n in units of 2**-16; beyond 4,096 it grows no more."""
    return sum(ONE // k for k in range(1, min(n, 4096) + 1))


def approval(tp: int, fp: int, tn: int, fn: int) -> int:
    """Give the evidence of an approval by a voter with this record, in units of 2**-16 bits."""
    right, wrong = tp + fn + PRIOR_GOOD + PRIOR_BAD, fp + tn + PRIOR_GOOD + PRIOR_BAD
    return log2((tp + PRIOR_GOOD) * wrong, (fp + PRIOR_BAD) * right)


def rejection(tp: int, fp: int, tn: int, fn: int) -> int:
    """Give the evidence of a rejection by a voter with this record, in units of 2**-16 bits."""
    right, wrong = tp + fn + PRIOR_GOOD + PRIOR_BAD, fp + tn + PRIOR_GOOD + PRIOR_BAD
    return log2((fn + PRIOR_BAD) * wrong, (tn + PRIOR_GOOD) * right)


def votes_worth(votes: Iterable[FamilyVotes]) -> int:
    """Give what the votes of several families on one candidate are worth together.

    A score of 100 is a whole approval, one of 75 half an approval, one of 0 a whole rejection, one
    of 50 an abstention, which weighs nothing. A family's n other votes count as their mean times
    1 + 1/2 + ... + 1/n.
    """
    total = 0
    for row in votes:  # thousands of times a choice
        n = row.ups + row.downs
        if n:
            mean = (row.pro * row.approve + row.con * row.reject) // (50 * n)
            total += mean * harmonic(n) >> SCALE_BITS
    return total


def authorship(bin_right: int, bin_wrong: int, right: int, wrong: int) -> int:
    """Give the log-odds that this author's candidate is right, before anyone looked at it.

    The record of the stated confidence's decile, drawn towards the author's whole record as if
    that had been seen BIN_PRIOR times in the decile.
    """
    good, bad = right + AUTHOR_PRIOR, wrong + AUTHOR_PRIOR
    every = good + bad
    return log2(bin_right * every + BIN_PRIOR * good, bin_wrong * every + BIN_PRIOR * bad)
