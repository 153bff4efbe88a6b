"""Shapes that results share, and the words that people get for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from waggle.base.clock import millis
from waggle.choice.ballot import Standing
from waggle.choice.outcome import Outcome
from waggle.choice.rules import approvals, effective_voters, in_units, rejections
from waggle.eventual.tasks import Task


def short(entry: str) -> str:
    """Give an id as people see it."""
    return entry[:8]


def when(at: int) -> str:
    """Give a stamp as UTC text."""
    moment = datetime.fromtimestamp(millis(at) / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def printable(text: str, limit: int = 200) -> str:
    """Give text from a log on one line, control characters made visible."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


class Durable(Struct, frozen=True, kw_only=True):
    """Where a write became durable."""

    journal: bool = True
    frame: bool = False


class CandidateShape(Struct, frozen=True, kw_only=True):
    """A candidate as results carry it."""

    id: str
    author: str | None
    commit: str | None
    size: int
    confidence: int | None
    checks: dict[str, int]
    votes: dict[str, int | str]
    flags: tuple[str, ...]
    summary: str | None
    at: str


class TaskShape(Struct, frozen=True, kw_only=True):
    """A task as results carry it."""

    id: str
    title: str
    by: str
    at: str
    base: str | None
    rule: str | None
    candidates: int


def author_name(standing: Standing) -> str:
    """Give an author's name without its replica."""
    return standing.author.partition("/")[2]


def candidate_shape(standing: Standing, *, blind: bool = False) -> CandidateShape:
    """Give a candidate's shape; a blind one shows neither author nor votes nor claims."""
    votes: dict[str, int | str] = {
        "up": approvals(standing),
        "down": rejections(standing),
        "voters": standing.n_votes,
        "effective": in_units(effective_voters(standing)),
    }
    return CandidateShape(
        id=standing.id,
        author=None if blind else author_name(standing),
        commit=standing.commit,
        size=standing.size,
        confidence=None if blind else standing.confidence,
        checks={
            "passed": standing.passed,
            "failed": standing.failed,
            "flaky": standing.flaky,
        },
        votes={} if blind else votes,
        flags=standing.flags,
        summary=None if blind else standing.summary,
        at=when(standing.at),
    )


def task_shape(task: Task, candidates: int) -> TaskShape:
    """Give a task's shape."""
    return TaskShape(
        id=task.id,
        title=task.body.title,
        by=task.by,
        at=when(task.at),
        base=task.body.base,
        rule=task.body.rule,
        candidates=candidates,
    )


class PlaceShape(Struct, frozen=True, kw_only=True):
    """A place in an order: which candidate, what put it before the next, and how."""

    rank: int
    candidate: CandidateShape
    by: str
    why: str


class Choice(Struct, frozen=True, kw_only=True):
    """The choice for a task."""

    task: str
    title: str
    status: str
    rule: str
    what_if: bool
    """Another rule than the task's was asked for."""
    winner: CandidateShape | None
    rivals: list[CandidateShape]
    places: list[PlaceShape]
    why: list[str]
    disagreed: list[str]
    notes: list[str] = msgspec.field(default_factory=list)


def choice_shape(
    task: Task, outcome: Outcome, *, what_if: bool, top: int | None, disagreed: list[str]
) -> Choice:
    """Give the shape of an outcome, cut to the first `top` places."""
    shown = outcome.places[:top] if top else outcome.places
    places = [
        PlaceShape(
            rank=place.rank,
            candidate=candidate_shape(place.candidate),
            by=place.by,
            why=place.why,
        )
        for place in shown
    ]
    winner = outcome.winner
    return Choice(
        task=task.id,
        title=task.body.title,
        status=outcome.status,
        rule=outcome.rule,
        what_if=what_if,
        winner=candidate_shape(winner) if winner else None,
        rivals=[place.candidate for place in places if winner and place.candidate.id != winner.id],
        places=places,
        why=[f"{place.by}: {place.why}" for place in places if place.why],
        disagreed=disagreed,
    )


def show_choice(choice: Choice) -> Iterator[str]:
    """Give the choice as people read it."""
    heading = f"task {short(choice.task)}  {printable(choice.title, 60)}  [{choice.status}]"
    yield heading
    yield f"rule {choice.rule}{'  (what if)' if choice.what_if else ''}"
    if not choice.places:
        yield "no candidate yet"
    for place in choice.places:
        one = place.candidate
        checks, votes = one.checks, one.votes
        facts = [f"checks {checks['passed']}/{checks['passed'] + checks['failed']}"]
        if votes.get("voters"):
            facts.append(f"votes +{votes['up']} -{votes['down']} (worth {votes['effective']})")
        if one.confidence is not None:
            facts.append(f"says {one.confidence} %")
        facts.append(f"{one.size} bytes")
        yield f"{place.rank:3}. {short(one.id)}  {one.author or '?':<20} {', '.join(facts)}"
        for flag in one.flags:
            yield f"       ! {printable(flag)}"
        if place.why:
            yield f"       {place.by}: {place.why}"
    for row in choice.disagreed:
        yield f"disagreed: {row}"
    yield from choice.notes
