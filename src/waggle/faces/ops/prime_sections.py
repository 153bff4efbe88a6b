"""The sections of `prime`: a few lines of each thing that concerns an agent.

All words of others stand in quotes, on one line, cut: see budget.quoted.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from msgspec import Struct

from waggle.eventual import fact_reads, task_claims, task_ready, tasks
from waggle.eventual.task_claims import Claim
from waggle.eventual.tasks import Task
from waggle.faces.ops import overview
from waggle.faces.ops.budget import Section, quoted
from waggle.faces.ops.overview import Ballot
from waggle.faces.ops.present import AgentShape
from waggle.faces.ops.shapes import short
from waggle.faces.ops.task_shapes import agent, became, until

LINES_MAX = 8
"""How many lines of a section are shown, if they go into the budget."""
_TITLE, NAME, _TERM, _VALUE, _NOTE = 80, 24, 40, 60, 60
"""How many bytes of UTF-8 are shown: not characters, of which some cost a token a byte."""
_HEADS = 2
"""How many values of a fact in conflict."""


class Own(Struct, frozen=True):
    """An open task that the agent claimed, and what became of the claim."""

    task: Task
    became: Literal["held", "lost", "lapsed"]
    winner: Claim | None


def own_claims(db: sqlite3.Connection, me: str, now_ms: int) -> list[Own]:
    """Give the agent's own claims on open tasks: of several on one task the newest."""
    claims: dict[str, Claim] = {}
    for claim in task_claims.of_writer(db, me, now_ms):
        claims.setdefault(claim.task, claim)
    found = []
    for task in tasks.some(db, claims):
        if task.visible and task.state == "open":
            winner = task_claims.holder(db, task.id, now_ms)
            found.append(Own(task, became(claims[task.id], winner), winner))
    return found


def claimed(db: sqlite3.Connection, own: list[Own]) -> Section:
    """Give what became of the agent's claims, and where to go on from."""
    lines = []
    for one in own[:LINES_MAX]:
        fate = "lapsed: take it again"
        if one.winner is not None:
            holder = quoted(agent(one.winner.by), NAME)
            fate = f"lost to {holder}" if one.became == "lost" else "yours"
            fate = f"{fate} until {until(one.winner.ends_ms)}"
        title = quoted(one.task.body.title, _TITLE)
        lines.append(f"{short(one.task.id)} {title}: {fate}{_resume(db, one.task.id)}")
    return Section(
        name="your tasks", lines=tuple(lines), total=len(own), more="waggle task list --mine"
    )


def _resume(db: sqlite3.Connection, task: str) -> str:
    saved = overview.last_checkpoint(db, task)
    if saved is None:
        return ""
    note = f" {quoted(saved.note, _NOTE)}" if saved.note else ""
    who = quoted(agent(saved.writer), NAME)
    return f"; last checkpoint: commit {saved.commit[:12]} of {who}{note}"


def ready(db: sqlite3.Connection, found: list[Task], total: int) -> Section:
    """Give what can be taken, with what another may have left of it."""
    return Section(
        name="ready to take",
        lines=tuple(
            f"{short(one.id)} p{one.body.priority} {quoted(one.body.title, _TITLE)}"
            f"{_resume(db, one.id)}"
            for one in found
        ),
        total=total,
        more="waggle task ready",
    )


def to_vote(found: list[Ballot]) -> Section:
    """Give the candidates that the agent could vote on."""
    return Section(
        name="candidates without your vote",
        lines=tuple(
            f"{short(one.candidate)} for task {short(one.task)} {quoted(one.title, _TITLE)}"
            for one in found[:LINES_MAX]
        ),
        total=len(found),
        more="waggle tasks",
    )


def fact_conflicts(db: sqlite3.Connection) -> Section:
    """Give the attributes whose values are at odds."""
    lines = []
    for register in fact_reads.conflicts(db, LINES_MAX):
        values = " or ".join(_value(head.value) for head in register.heads[:_HEADS])
        if len(register.heads) > _HEADS:
            values += f" or {len(register.heads) - _HEADS} more"
        shown = register.shown
        lines.append(f"{quoted(shown.entity, _TERM)} {quoted(shown.attribute, _TERM)}: {values}")
    return Section(
        name="facts in conflict",
        lines=tuple(lines),
        total=fact_reads.count_conflicts(db),
        more="waggle fact conflicts",
    )


def _value(value: str | None) -> str:
    return "retracted" if value is None else quoted(value, _VALUE)


def task_conflicts(db: sqlite3.Connection) -> Section:
    """Give the tasks of which fields are at odds."""
    found = task_ready.listed(db, LINES_MAX, conflicts=True)
    return Section(
        name="tasks in conflict",
        lines=tuple(
            f"{short(one.id)} {quoted(one.body.title, _TITLE)}: {one.conflicts} fields"
            for one in found
        ),
        total=overview.count_conflicts(db),
        more="waggle task list --conflicts",
    )


def facts(db: sqlite3.Connection) -> Section:
    """Give what was said last, as far as it counts now."""
    return Section(
        name="latest facts",
        lines=tuple(
            f"{quoted(one.entity, _TERM)} {quoted(one.attribute, _TERM)}: {_value(one.value)}"
            for one in overview.latest_facts(db, LINES_MAX)
        ),
        total=overview.count_facts(db),
        more="waggle fact search WORDS",
    )


def others(agents: list[AgentShape]) -> Section:
    """Give the agents that may be at work now; those that left or lapsed are only counted."""
    here = [one for one in agents if one.state in {"alive", "suspect"}]
    lines = []
    for one in here[:LINES_MAX]:
        doing = f", on task {short(one.doing)}" if one.doing else ""
        note = f": {quoted(one.note, _NOTE)}" if one.note else ""
        lines.append(f"{quoted(agent(f'{one.replica}/{one.name}'), NAME)} {one.state}{doing}{note}")
    return Section(
        name="other agents", lines=tuple(lines), total=len(agents), more="waggle members"
    )
