"""The outcome: rules composed, a status, and an explanation for every place.

Statuses (DESIGN: what is irrevocable acts on `final` only, which the strong ledger will give):

    open       no candidate
    leading    the best by what is here; may change with what arrives
    decided    a monotone condition holds for the electorate that the task names, each voter's
               first vote counting, or an operator ruled; more entries do not undo it
    contested  decided, and a rival is decided too, or operators disagree, or a log was forked

Only monotone conditions can be decided without coordination (Hellerstein and Alvaro, "Keeping
CALM", CACM 2020): reaching a threshold of first approvals is one; being ahead, being the heaviest
or the first in time is not, so those rules lead and never decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.choice.ballot import Ballot, Standing
from waggle.choice.rules import DEFAULT, RULES, Rule, Scores

Status = Literal["open", "leading", "decided", "contested"]
RULED_OUT = "ruled out"
_STAGE = re.compile(r"([a-z_]+)(?:\(([0-9]{1,6})\))?")


class Stage(Struct, frozen=True):
    """A rule with its number: one stage of a composition."""

    rule: Rule
    number: int

    def __str__(self) -> str:
        return f"{self.rule.name}({self.number})" if self.rule.takes else self.rule.name


class Place(Struct, frozen=True, kw_only=True):
    """A candidate's place, and what puts it before the next one."""

    rank: int
    candidate: Standing
    by: str
    """The stage that separates it from the next place, or `ruling`, `ruled out`, `only`, `last`,
    `id` (equal in everything)."""
    why: str


class Outcome(Struct, frozen=True, kw_only=True):
    """The order of a task's candidates by a rule, with its status and its reasons."""

    task: str
    rule: str
    status: Status
    places: tuple[Place, ...]
    superseded: tuple[Standing, ...] = ()

    @property
    def winner(self) -> Standing | None:
        """The first place; None while there is no candidate, or the operator ruled it out."""
        if not self.places or self.places[0].by == RULED_OUT:
            return None
        return self.places[0].candidate


@lru_cache(maxsize=256)
def parse(expression: str) -> tuple[Stage, ...]:
    """Read a composition such as `checks > threshold(2) > size`; raise `invalid`."""
    stages = []
    for part in expression.split(">"):
        match = _STAGE.fullmatch(part.strip())
        rule = RULES.get(match[1]) if match else None
        if match is None or rule is None or bool(rule.takes) != bool(match[2]):
            known = ", ".join(f"{r.name}({r.takes})" if r.takes else r.name for r in RULES.values())
            raise WaggleError(
                "invalid",
                f"{part.strip()!r} is no rule",
                f"Compose rules with '>': {known}; the default is '{DEFAULT}'.",
            )
        stages.append(Stage(rule, int(match[2] or 0)))
    return tuple(stages)


def choose(
    ballot: Ballot,
    stages: Sequence[Stage],
    *,
    first_approvals: Mapping[str, int] | None = None,
    forked: bool = False,
) -> Outcome:
    """Order a ballot. `first_approvals` counts the electorate's first votes where one is named.

    `forked` tells that the log of an author or voter of this task has two histories.
    """
    named = ballot.rulings[0].candidate if ballot.rulings else None
    decided = _decided(ballot, stages, first_approvals or {})
    # Whoever supersedes what was decided does not undo the decision.
    kept = {standing.id for standing in ballot.current} | decided
    running = [standing for standing in ballot.standings if standing.id in kept]
    scores = [stage.rule.score(running, stage.number) for stage in stages]

    def key(one: Standing) -> tuple[object, ...]:
        # The ruled one itself, then equal results, then what came after the ruling, then the rest.
        settled = (one.id == named, one.ruled, one.id in decided)
        return (*settled, *[score.keys[one.id] for score in scores])

    ordered = sorted(running, key=attrgetter("id"))
    ordered.sort(key=key, reverse=True)
    pairs = [ordered[rank : rank + 2] for rank in range(len(ordered))]
    places = [_place(stages, scores, decided, rank, pair) for rank, pair in enumerate(pairs, 1)]
    if places and (first := _ruled(ballot, ordered[0])):
        places[0] = first
    return Outcome(
        task=ballot.task,
        rule=" > ".join(map(str, stages)),
        status=_status(ballot, running, decided, forked=forked),
        places=tuple(places),
        superseded=tuple(one for one in ballot.standings if one.id not in kept),
    )


def _decided(
    ballot: Ballot, stages: Sequence[Stage], first_approvals: Mapping[str, int]
) -> frozenset[str]:
    """Give the candidates for which the rule's monotone condition holds, whatever comes later."""
    if not stages[0].rule.monotone:
        return frozenset()
    needed = max(stages[0].number, 1)
    return frozenset(one.id for one in ballot.standings if first_approvals.get(one.id, 0) >= needed)


def _ruled(ballot: Ballot, one: Standing) -> Place | None:
    """Give the first place as the latest ruling has it; None where it leaves that to the rules."""
    if not ballot.rulings:
        return None
    ruling = ballot.rulings[0]
    reason = ruling.reason or "no reason given"
    if ruling.candidate == one.id:
        return Place(rank=1, candidate=one, by="ruling", why=f"the operator ruled: {reason}")
    if ruling.candidate is not None:
        why = f"the operator ruled for {ruling.candidate[:12]}, which is not here: {reason}"
        return Place(rank=1, candidate=one, by=RULED_OUT, why=why)
    if one.ruled == -1:
        why = f"the operator ruled that none is good enough: {reason}"
        return Place(rank=1, candidate=one, by=RULED_OUT, why=why)
    return None


def _place(
    stages: Sequence[Stage],
    scores: Sequence[Scores],
    decided: frozenset[str],
    rank: int,
    pair: Sequence[Standing],
) -> Place:
    one = pair[0]
    if len(pair) == 1:
        return Place(rank=rank, candidate=one, by="only" if rank == 1 else "last", why="")
    other = pair[1]
    if one.ruled != other.ruled:
        why = "an operator's ruling speaks against the next one, or for this very result"
        return Place(rank=rank, candidate=one, by="ruling", why=why)
    if one.id in decided and other.id not in decided:
        why = "the electorate's first votes decided for it"
        return Place(rank=rank, candidate=one, by=str(stages[0]), why=why)
    for stage, score in zip(stages, scores, strict=True):
        if score.keys[one.id] != score.keys[other.id]:
            why = f"{score.words(one)}, against {score.words(other)}"
            return Place(rank=rank, candidate=one, by=str(stage), why=why)
    return Place(rank=rank, candidate=one, by="id", why="equal in everything; the smaller id")


def _status(
    ballot: Ballot, running: Sequence[Standing], decided: frozenset[str], *, forked: bool
) -> Status:
    if not running:
        return "open"
    # "None so far" decides nothing about what was published after it.
    fresh = any(one.ruled >= 0 for one in running)
    ruled = {one.candidate for one in ballot.rulings if one.candidate is not None or not fresh}
    settled = ruled | decided
    if not settled:
        return "leading"
    return "contested" if len(settled) > 1 or forked else "decided"
