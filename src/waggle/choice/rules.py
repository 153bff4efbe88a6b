"""Rules: pure functions from a ballot to a key for each candidate, higher first, with words.

Every rule is a row of `RULES`; docs/RULES.md is made from it. A rule that takes a number is
written `threshold(3)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from waggle.choice.ballot import Ballot, Standing
from waggle.choice.weights import ONE, SCALE_BITS, SCATTER, family_votes, harmonic

Key = int | tuple[int, ...]


class Scores(Struct, frozen=True):
    """What a rule says: a key and a phrase for each candidate, by id."""

    keys: Mapping[str, Key]
    words: Mapping[str, str]


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: what it prefers, and whether its condition can be decided (see outcome.py)."""

    name: str
    prefers: str
    score: Callable[[Ballot, int], Scores]
    takes: str = ""
    monotone: bool = False


def _simple(key: Callable[[Standing], Key], words: Callable[[Standing], str]) -> Callable[
    [Ballot, int], Scores
]:  # fmt: skip
    def score(ballot: Ballot, _: int) -> Scores:
        return Scores(
            {standing.id: key(standing) for standing in ballot.current},
            {standing.id: words(standing) for standing in ballot.current},
        )

    return score


def _bits(value: int) -> str:
    """Give a weight with two decimals, e.g. `+1.25 bits`."""
    hundredths = (abs(value) * 100) >> SCALE_BITS
    return f"{'-' if value < 0 else '+'}{hundredths // 100}.{hundredths % 100:02} bits"


def approvals(standing: Standing) -> int:
    """Give how many voters approve (score above 50)."""
    return sum(votes.ups for votes in standing.votes)


def rejections(standing: Standing) -> int:
    """Give how many voters reject (score below 50)."""
    return sum(votes.downs for votes in standing.votes)


def check_tier(standing: Standing) -> tuple[int, int, int]:
    """Give all passed before nothing run before something failed; then passes, then failures.

    Not run is not fail: a candidate that nobody checked stands above one that failed.
    """
    tier = 0 if standing.failed else 2 if standing.passed else 1
    return tier, standing.passed, -standing.failed


def _checks(standing: Standing) -> str:
    if not standing.passed and not standing.failed:
        return "no checks run"
    flaky = f" ({standing.flaky} flaky)" if standing.flaky else ""
    return f"{standing.passed} checks passed, {standing.failed} failed{flaky}"


def _first_pass(standing: Standing) -> int:
    done = standing.passed and not standing.failed
    return -standing.passed_at if done else -(2**63)


def _groups(ballot: Ballot) -> dict[str, list[Standing]]:
    groups: dict[str, list[Standing]] = {}
    for standing in ballot.current:
        groups.setdefault(standing.result, []).append(standing)
    return groups


def _by_family(group: list[Standing]) -> dict[int, dict[str, Standing]]:
    """Give, per family, each author's first candidate with this result: an author counts once."""
    families: dict[int, dict[str, Standing]] = {}
    for standing in sorted(group, key=lambda one: (one.at, one.id)):
        families.setdefault(standing.family, {}).setdefault(standing.author, standing)
    return families


def effective_authors(group: list[Standing]) -> int:
    """Give how many independent authors a group of equal results is worth, times 2**16."""
    return sum(harmonic(len(authors)) for authors in _by_family(group).values())


def _agreement(ballot: Ballot, _: int) -> Scores:
    keys: dict[str, Key] = {}
    words: dict[str, str] = {}
    for group in _groups(ballot).values():
        worth = effective_authors(group)
        for standing in group:
            keys[standing.id] = worth
            words[standing.id] = f"{len(group)} candidates brought this very result"
    return Scores(keys, words)


def evidence(group: list[Standing]) -> int:
    """Give the evidence for a result in units of 2**-16 bits: its authors' records and its votes.

    A family's authors count as their mean times 1 + 1/2 + ...; so do a family's votes.
    """
    total = 0
    for authors in _by_family(group).values():
        n = len(authors)
        mean = sum(one.authorship + SCATTER for one in authors.values()) // n
        total += mean * harmonic(n) >> SCALE_BITS
    votes: dict[int, list[int]] = {}
    for standing in group:
        for row in standing.votes:
            sums = votes.setdefault(row.family, [0, 0, row.approve, row.reject])
            sums[0] += row.n
            sums[1] += row.total
    return total + sum(family_votes(*sums) for sums in votes.values())


def _calibrated(ballot: Ballot, _: int) -> Scores:
    keys: dict[str, Key] = {}
    words: dict[str, str] = {}
    for group in _groups(ballot).values():
        weight = evidence(group)
        for standing in group:
            keys[standing.id] = weight
            words[standing.id] = f"{_bits(weight)} of evidence from records and votes"
    return Scores(keys, words)


def _threshold(ballot: Ballot, k: int) -> Scores:
    return _simple(
        lambda standing: int(approvals(standing) >= k),
        lambda standing: f"{approvals(standing)} of {k} approvals",
    )(ballot, k)


def _ahead(ballot: Ballot, k: int) -> Scores:
    counts = {standing.id: approvals(standing) for standing in ballot.current}
    keys: dict[str, Key] = {}
    words: dict[str, str] = {}
    for one, count in counts.items():
        lead = count - max((n for other, n in counts.items() if other != one), default=0)
        keys[one] = int(lead >= k)
        words[one] = f"ahead by {lead} approvals of {k}"
    return Scores(keys, words)


def _net(standing: Standing) -> int:
    return approvals(standing) - rejections(standing)


_ALL = (
    Rule(
        name="newest",
        prefers="the latest; for superseding one's own, no evidence of quality",
        score=_simple(lambda one: one.at, lambda _: "published later"),
    ),
    Rule(
        name="earliest",
        prefers="the earliest; breaks ties without rewarding lateness",
        score=_simple(lambda one: -one.at, lambda _: "published earlier"),
    ),
    Rule(
        name="approvals",
        prefers="more voters who approve (score above 50)",
        score=_simple(approvals, lambda one: f"{approvals(one)} approvals"),
    ),
    Rule(
        name="votes",
        prefers="more approvals less rejections",
        score=_simple(_net, lambda one: f"{_net(one):+d} in votes"),
    ),
    Rule(
        name="checks",
        prefers="all checks passed, then nothing run, then something failed; then more passed",
        score=_simple(check_tier, _checks),
    ),
    Rule(
        name="first_pass",
        prefers="the first whose checks all passed",
        score=_simple(_first_pass, lambda _: "passed its checks first"),
    ),
    Rule(
        name="threshold",
        prefers="at least k approvals",
        takes="k",
        monotone=True,
        score=_threshold,
    ),
    Rule(name="ahead", prefers="at least k approvals more than any rival", takes="k", score=_ahead),
    Rule(
        name="agreement",
        prefers="the result that most independent authors brought identically",
        score=_agreement,
    ),
    Rule(
        name="size",
        prefers="the smaller change, in bytes (conciseness)",
        score=_simple(lambda one: -one.size, lambda one: f"{one.size} bytes"),
    ),
    Rule(
        name="confidence",
        prefers="the higher confidence stated by its author",
        score=_simple(
            lambda one: -1 if one.confidence is None else one.confidence,
            lambda one: (
                "no confidence stated" if one.confidence is None else f"{one.confidence} % stated"
            ),
        ),
    ),
    Rule(
        name="calibrated",
        prefers="more evidence: authors' and voters' records as log-odds, families discounted",
        score=_calibrated,
    ),
)
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ALL}
DEFAULT = "checks > calibrated > agreement > size > earliest"
"""The rule for code when a task names none; bench.choice holds it against every single rule."""


def effective_voters(standing: Standing) -> int:
    """Give how many independent voters a candidate's votes are worth, times 2**16."""
    return sum(harmonic(votes.n) for votes in standing.votes)


def in_units(value: int) -> str:
    """Give a number of independent voters or authors with one decimal."""
    tenths = (value * 10 + ONE // 2) >> SCALE_BITS
    return f"{tenths // 10}.{tenths % 10}"
