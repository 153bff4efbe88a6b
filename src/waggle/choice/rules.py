"""Rules: pure functions from the candidates in the running to a key for each, higher first.

Every rule is a row of `RULES`; docs/REFERENCE.md lists them. A rule that takes a number is
written `threshold(3)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from waggle.choice.ballot import Standing
from waggle.choice.weights import ONE, SCALE_BITS, SCATTER, FamilyVotes, harmonic, votes_worth

Key = int | tuple[int, ...]


Words = Callable[[Standing], str]


class Scores(Struct, frozen=True):
    """What a rule says: a key for each candidate by id, and a phrase for one when it is asked."""

    keys: Mapping[str, Key]
    words: Words


Score = Callable[[Sequence[Standing], int], Scores]


class Rule(Struct, frozen=True, kw_only=True):
    """One rule: what it prefers, and whether its condition can be decided (see outcome.py)."""

    name: str
    prefers: str
    score: Score
    takes: str = ""
    monotone: bool = False


def _simple(key: Callable[[Standing], Key], words: Words) -> Score:
    return lambda running, _: Scores({one.id: key(one) for one in running}, words)


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


def _groups(running: Sequence[Standing]) -> list[list[Standing]]:
    groups: dict[str, list[Standing]] = {}
    for standing in running:
        groups.setdefault(standing.result, []).append(standing)
    return list(groups.values())


def _by_family(group: Sequence[Standing]) -> dict[str, dict[str, Standing]]:
    """Give, per family, each author's first candidate with this result: an author counts once."""
    families: dict[str, dict[str, Standing]] = {}
    for standing in sorted(group, key=lambda one: (one.at, one.id)):
        families.setdefault(standing.family, {}).setdefault(standing.author, standing)
    return families


def effective_authors(group: Sequence[Standing]) -> int:
    """Give how many independent authors a group of equal results is worth, times 2**16."""
    if len(group) == 1:
        return ONE
    return sum(harmonic(len(authors)) for authors in _by_family(group).values())


def _agreement(running: Sequence[Standing], _: int) -> Scores:
    keys: dict[str, Key] = {}
    brought: dict[str, int] = {}
    for group in _groups(running):
        worth = effective_authors(group)
        for one in group:
            keys[one.id], brought[one.id] = worth, len(group)
    return Scores(keys, lambda one: f"{brought[one.id]} candidates brought this very result")


def evidence(group: Sequence[Standing]) -> int:
    """Give the evidence for a result in units of 2**-16 bits: its authors' records and its votes.

    A family's authors count as their mean times 1 + 1/2 + ...; so do a family's votes.
    """
    return _authors(group) + votes_worth(_votes_of(group))


def _authors(group: Sequence[Standing]) -> int:
    """Give the evidence of the authors alone."""
    if len(group) == 1:
        return group[0].authorship + SCATTER
    total = 0
    for authors in _by_family(group).values():
        n = len(authors)
        mean = sum(one.authorship + SCATTER for one in authors.values()) // n
        total += mean * harmonic(n) >> SCALE_BITS
    return total


def _votes_of(group: Sequence[Standing]) -> Iterable[FamilyVotes]:
    """Give the votes on equal results as if they had been cast on one candidate."""
    if len(group) == 1:
        return group[0].votes
    families: dict[str, FamilyVotes] = {}
    for standing in group:
        for row in standing.votes:
            known = families.get(row.family)
            families[row.family] = row if known is None else _together(known, row)
    return families.values()


def _together(one: FamilyVotes, two: FamilyVotes) -> FamilyVotes:
    return FamilyVotes(
        one.family,
        one.n + two.n,
        one.ups + two.ups,
        one.downs + two.downs,
        one.pro + two.pro,
        one.con + two.con,
        one.approve,
        one.reject,
    )


def _calibrated(running: Sequence[Standing], _: int) -> Scores:
    keys: dict[str, Key] = {}
    weights: dict[str, int] = {}
    for group in _groups(running):
        weight = evidence(group)
        for standing in group:
            keys[standing.id] = weights[standing.id] = weight
    return Scores(keys, lambda one: f"{_bits(weights[one.id])} of evidence from records and votes")


def _threshold(running: Sequence[Standing], k: int) -> Scores:
    return _simple(
        lambda one: int(approvals(one) >= k),
        lambda one: f"{approvals(one)} of {k} approvals",
    )(running, k)


def _ahead(running: Sequence[Standing], k: int) -> Scores:
    counts = sorted((approvals(one) for one in running), reverse=True)

    def lead(one: Standing) -> int:
        own = approvals(one)
        best_rival = counts[1] if len(counts) > 1 and own == counts[0] else counts[0]
        return own - (best_rival if len(counts) > 1 else 0)

    return _simple(
        lambda one: int(lead(one) >= k), lambda one: f"ahead by {lead(one)} approvals of {k}"
    )(running, k)


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
DEFAULT = "checks > calibrated > agreement"
"""The rule when a task names none; bench.choice holds it against every single rule.

Size and time are no further stages: with them the default was worse than `calibrated` alone on
the held-out half of real results (docs/CHOICE.md), so what is left goes by the id.
"""


def effective_voters(standing: Standing) -> int:
    """Give how many independent voters approvals and rejections are worth, times 2**16."""
    return sum(harmonic(votes.ups + votes.downs) for votes in standing.votes)


def in_units(value: int) -> str:
    """Give a number of independent voters or authors with one decimal."""
    tenths = (value * 10 + ONE // 2) >> SCALE_BITS
    return f"{tenths // 10}.{tenths % 10}"
