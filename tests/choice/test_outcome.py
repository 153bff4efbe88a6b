"""Rules and outcomes on small ballots: order, reasons, statuses, errors."""

from __future__ import annotations

import msgspec
import pytest

from waggle.base.errors import WaggleError
from waggle.choice.ballot import Ballot, Ruled, Standing
from waggle.choice.outcome import RULED_OUT, choose, parse
from waggle.choice.rules import (
    DEFAULT,
    RULES,
    effective_authors,
    effective_voters,
    evidence,
    in_units,
)
from waggle.choice.weights import ONE, FamilyVotes

A, B, C = ("aa" * 32, "bb" * 32, "cc" * 32)


def standing(entry: str, **changes: object) -> Standing:
    plain = Standing(
        id=entry,
        author=f"r/{entry[:2]}",
        family=f"model:{entry[:2]}",
        at=1,
        commit=None,
        base=None,
        result=entry[:32],
        size=10,
        tokens=None,
        confidence=None,
        supersedes=None,
        flags=(),
        summary=None,
        content="null",
        ruled=0,
        verdict=0,
        authorship=0,
    )
    return msgspec.structs.replace(plain, **changes)


def votes(ups: int = 0, downs: int = 0, family: str = "model:v", abstain: int = 0) -> FamilyVotes:
    return FamilyVotes(family, ups + downs + abstain, ups, downs, 50 * ups, 50 * downs, ONE, -ONE)


def order(rule: str, *standings: Standing, rulings: tuple[Ruled, ...] = ()) -> list[str]:
    found = choose(Ballot("t", standings, rulings), parse(rule))
    return [place.candidate.id for place in found.places]


@pytest.mark.parametrize(
    ("rule", "better", "worse", "why"),
    [
        ("newest", {"at": 2}, {"at": 1}, "published later"),
        ("earliest", {"at": 1}, {"at": 2}, "published earlier"),
        ("approvals", {"votes": (votes(2, 2),)}, {"votes": (votes(1),)}, "2 approvals, against 1"),
        ("votes", {"votes": (votes(1),)}, {"votes": (votes(2, 2),)}, "+1 in votes, against +0"),
        ("checks", {"passed": 1}, {}, "1 checks passed, 0 failed, against no checks run"),
        ("checks", {}, {"failed": 1, "flaky": 1, "passed": 5}, "against 5 checks passed, 1 failed"),
        ("checks", {"passed": 2}, {"passed": 1}, "2 checks passed"),
        ("first_pass", {"passed": 1, "passed_at": 5}, {"passed": 1, "passed_at": 6}, "first"),
        ("first_pass", {"passed": 1, "passed_at": 9}, {"passed": 1, "failed": 1}, "first"),
        ("threshold(2)", {"votes": (votes(2, 9),)}, {"votes": (votes(1),)}, "2 of 2 approvals"),
        ("ahead(2)", {"votes": (votes(3),)}, {"votes": (votes(1),)}, "ahead by 2 approvals of 2"),
        ("size", {"size": 9}, {"size": 10}, "9 bytes, against 10 bytes"),
        ("confidence", {"confidence": 0}, {}, "0 % stated, against no confidence stated"),
        (
            "calibrated",
            {"authorship": ONE},
            {},
            "+2.00 bits of evidence from records and votes, against +1.00",
        ),
        ("calibrated", {"votes": (votes(1),)}, {"votes": (votes(0, 1),)}, "against +0.00 bits"),
    ],
)
def test_each_rule_prefers_and_says_why(
    rule: str, better: dict[str, object], worse: dict[str, object], why: str
) -> None:
    for first, second in ((A, B), (B, A)):
        one, two = standing(first, **better), standing(second, **worse)
        found = choose(Ballot("t", (one, two)), parse(rule))
        assert [place.candidate.id for place in found.places] == [first, second]
        assert found.places[0].by == rule
        assert why in found.places[0].why
        assert found.status == "leading"


def test_every_rule_is_tested_above_or_below() -> None:
    assert set(RULES) == {
        "newest", "earliest", "approvals", "votes", "checks", "first_pass", "threshold", "ahead",
        "agreement", "size", "confidence", "calibrated",
    }  # fmt: skip


def test_agreement_counts_independent_authors() -> None:
    same = {"result": "ab" * 16}
    assert order("agreement", standing(A), standing(B, **same), standing(C, **same))[-1] == A
    kin = {**same, "family": "model:x"}
    alone, twins = standing(A), [standing(B, **kin), standing(C, **kin)]
    assert effective_authors(twins) == ONE + ONE // 2
    assert effective_authors([standing(B, **same), standing(C, **same)]) == 2 * ONE
    one_author = [standing(B, **kin, author="r/x"), standing(C, **kin, author="r/x")]
    assert effective_authors(one_author) == effective_authors([alone]) == ONE


def test_abstentions_weigh_nothing() -> None:
    plain = standing(A, votes=(votes(1),))
    abstained = standing(A, votes=(votes(1, abstain=3),))
    assert evidence([abstained]) == evidence([plain])
    assert effective_voters(abstained) == effective_voters(plain) == ONE
    assert abstained.n_votes == 4


def test_votes_on_equal_results_count_as_of_one_family() -> None:
    group = [
        standing(A, result="ab" * 16, votes=(votes(1),)),
        standing(B, result="ab" * 16, votes=(votes(1), votes(1, family="model:w"))),
    ]
    bare = [msgspec.structs.replace(one, votes=()) for one in group]
    assert evidence(group) - evidence(bare) == ONE + ONE // 2 + ONE


def test_effective_voters_are_shown_with_one_decimal() -> None:
    one = standing(A, votes=(votes(2), votes(1, 1, family="model:w")))
    assert in_units(effective_voters(one)) == "3.0"
    assert in_units(ONE + ONE // 2) == "1.5"


def test_stages_break_ties_in_turn_and_the_id_comes_last() -> None:
    one, two = standing(A, passed=1, size=9), standing(B, passed=1, size=8)
    found = choose(Ballot("t", (one, two)), parse("checks > size"))
    assert found.rule == "checks > size"
    assert [(place.candidate.id, place.by) for place in found.places] == [(B, "size"), (A, "last")]
    equal = choose(Ballot("t", (standing(B), standing(A))), parse("checks"))
    assert [(place.candidate.id, place.by) for place in equal.places] == [(A, "id"), (B, "last")]
    assert choose(Ballot("t", (one,)), parse("size")).places[0].by == "only"


@pytest.mark.parametrize(
    "expression",
    ["", "best", "checks >", "threshold", "threshold()", "size(2)", "ahead(-1)", "checks, size"],
)
def test_what_is_no_rule_is_refused_with_the_rules_there_are(expression: str) -> None:
    with pytest.raises(WaggleError) as caught:
        parse(expression)
    assert caught.value.code == "invalid"
    assert "threshold(k)" in caught.value.next_step
    assert DEFAULT in caught.value.next_step


def test_parsing_gives_back_what_was_written() -> None:
    assert " > ".join(map(str, parse(" threshold(3)>ahead(2) >  size "))) == (
        "threshold(3) > ahead(2) > size"
    )
    assert " > ".join(map(str, parse(DEFAULT))) == DEFAULT


def test_an_author_supersedes_its_own_only() -> None:
    own = standing(B, author="r/aa", supersedes=A)
    found = choose(Ballot("t", (standing(A), own)), parse("size"))
    assert [place.candidate.id for place in found.places] == [B]
    assert [one.id for one in found.superseded] == [A]
    foreign = standing(B, supersedes=A)
    assert len(choose(Ballot("t", (standing(A), foreign)), parse("size")).places) == 2


def test_nothing_proposed_is_open() -> None:
    found = choose(Ballot("t", ()), parse(DEFAULT))
    assert (found.status, found.winner, found.places) == ("open", None, ())


def test_a_threshold_of_first_votes_decides() -> None:
    both = (standing(A, votes=(votes(0, 2),)), standing(B, votes=(votes(2),)))
    ballot, stages = Ballot("t", both), parse("threshold(2) > size")
    leading = choose(ballot, stages, first_approvals={A: 1})
    assert leading.status == "leading"
    assert leading.winner is both[1]
    decided = choose(ballot, stages, first_approvals={A: 2})
    assert decided.status == "decided"
    assert decided.winner is both[0]
    assert "decided" in decided.places[0].why
    assert choose(ballot, stages, first_approvals={A: 2, B: 2}).status == "contested"
    assert choose(ballot, stages, first_approvals={A: 2}, forked=True).status == "contested"
    assert choose(ballot, parse("ahead(1)"), first_approvals={A: 9}).status == "leading"
    assert choose(ballot, parse("threshold(0)"), first_approvals={}).status == "leading"


def test_superseding_what_was_decided_does_not_undo_it() -> None:
    newer = standing(B, author="r/aa", supersedes=A)
    found = choose(Ballot("t", (standing(A), newer)), parse("threshold(1)"), first_approvals={A: 1})
    assert found.status == "decided"
    assert found.winner is not None
    assert found.winner.id == A


def ruled(candidate: str | None, operator: str = "op", made: int = 5) -> Ruled:
    return Ruled(candidate, "because", operator, made)


def test_a_ruling_beats_every_rule() -> None:
    one, two = standing(A, ruled=1), standing(B, ruled=-1, passed=9)
    found = choose(Ballot("t", (one, two), (ruled(A),)), parse("checks"))
    assert found.status == "decided"
    assert found.winner is one
    assert (found.places[0].by, found.places[0].why) == ("ruling", "the operator ruled: because")


def test_a_ruling_for_what_was_superseded_holds() -> None:
    newer = standing(B, author="r/aa", supersedes=A)
    found = choose(Ballot("t", (standing(A, ruled=1), newer), (ruled(A),)), parse("size"))
    assert found.winner is not None
    assert found.winner.id == A


def test_equal_results_come_next_and_what_came_later_before_what_was_ruled_out() -> None:
    other = "dd" * 32
    standings = (
        standing(A, ruled=-1, passed=9),
        standing(B, ruled=1, result="ab" * 16),
        standing(C, ruled=0),
        standing(other, ruled=1, result="ab" * 16, passed=1),
    )
    assert order("checks", *standings, rulings=(ruled(B),)) == [B, other, C, A]


def test_none_so_far_rules_out_what_was_there_and_not_what_comes() -> None:
    old = standing(A, ruled=-1, passed=9)
    found = choose(Ballot("t", (old,), (ruled(None),)), parse("checks"))
    assert (found.status, found.winner) == ("decided", None)
    assert found.places[0].by == RULED_OUT
    fresh = standing(B)
    found = choose(Ballot("t", (old, fresh), (ruled(None),)), parse("checks"))
    assert found.status == "leading"
    assert found.winner is fresh
    assert "ruling" in found.places[0].by


def test_a_ruling_for_what_is_not_here_lets_nothing_else_win() -> None:
    found = choose(Ballot("t", (standing(A, ruled=-1),), (ruled(B),)), parse("checks"))
    assert (found.status, found.winner) == ("decided", None)
    assert "not here" in found.places[0].why


def test_operators_who_disagree_contest_and_the_latest_leads() -> None:
    both = (standing(A, ruled=-1), standing(B, ruled=1))
    rulings = (ruled(B, "op2", 9), ruled(A, "op1", 5))
    found = choose(Ballot("t", both, rulings), parse("size"))
    assert found.status == "contested"
    assert found.winner is both[1]
    agreed = (ruled(B, "op2", 9), ruled(B, "op1", 5))
    assert choose(Ballot("t", both, agreed), parse("size")).status == "decided"
