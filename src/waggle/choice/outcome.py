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
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.choice.ballot import Ballot, Standing
from waggle.choice.rules import DEFAULT, RULES, Rule, Scores

Status = Literal["open", "leading", "decided", "contested"]
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
    """The stage that separates it from the next place; `ruling`, `only` or `id` where none did."""
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
        """The first place; None while there is no candidate, or the operator ruled for none."""
        if not self.places or self.places[0].by == "ruled out":
            return None
        return self.places[0].candidate


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
    scores = [stage.rule.score(ballot, stage.number) for stage in stages]
    ruling = ballot.rulings[0] if ballot.rulings else None

    def key(standing: Standing) -> tuple[object, ...]:
        # Within equal results the ruled one itself comes first.
        named = ruling is not None and standing.id == ruling.candidate
        return (standing.ruled == 1 and named, *(score.keys[standing.id] for score in scores))

    ordered = sorted(ballot.current, key=lambda standing: standing.id)
    ordered.sort(key=key, reverse=True)
    places = tuple(
        _place(ballot, stages, scores, rank, ordered[rank - 1 : rank + 1])
        for rank in range(1, len(ordered) + 1)
    )
    kept = {standing.id for standing in ordered}
    return Outcome(
        task=ballot.task,
        rule=" > ".join(map(str, stages)),
        status=_status(ballot, stages, first_approvals, forked=forked),
        places=places,
        superseded=tuple(one for one in ballot.standings if one.id not in kept),
    )


def _place(
    ballot: Ballot,
    stages: Sequence[Stage],
    scores: Sequence[Scores],
    rank: int,
    pair: Sequence[Standing],
) -> Place:
    one = pair[0]
    ruling = ballot.rulings[0] if ballot.rulings else None
    if rank == 1 and ruling is not None:
        if ruling.candidate == one.id:
            why = f"the operator ruled: {ruling.reason or 'no reason given'}"
            return Place(rank=rank, candidate=one, by="ruling", why=why)
        if ruling.candidate is None and one.ruled == -1:
            why = f"the operator ruled that none is good enough: {ruling.reason}"
            return Place(rank=rank, candidate=one, by="ruled out", why=why)
    if len(pair) == 1:
        return Place(rank=rank, candidate=one, by="only" if rank == 1 else "last", why="")
    other = pair[1]
    for stage, score in zip(stages, scores, strict=True):
        if score.keys[one.id] != score.keys[other.id]:
            why = f"{score.words[one.id]}, against {score.words[other.id]}"
            return Place(rank=rank, candidate=one, by=str(stage), why=why)
    return Place(rank=rank, candidate=one, by="id", why="equal in everything; the smaller id")


def _status(
    ballot: Ballot,
    stages: Sequence[Stage],
    first_approvals: Mapping[str, int] | None,
    *,
    forked: bool,
) -> Status:
    if not ballot.current:
        return "open"
    decided: set[str | None] = set()
    if first_approvals is not None and stages[0].rule.monotone:
        needed = stages[0].number
        decided = {one.id for one in ballot.current if first_approvals.get(one.id, 0) >= needed}
    decided |= {ruling.candidate for ruling in ballot.rulings}
    if not decided:
        return "leading"
    return "contested" if len(decided) > 1 or forked else "decided"
