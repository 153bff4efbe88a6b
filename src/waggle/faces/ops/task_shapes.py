"""Shapes of tasks as lists and edits show them, with what an agent needs for its next write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_prefix
from waggle.eventual import task_claims, task_ready, task_registers, tasks
from waggle.eventual.task_claims import Claim
from waggle.eventual.task_kinds import OVER_MAX, Field, State
from waggle.eventual.task_registers import Register, Registers
from waggle.eventual.task_similar import Similar
from waggle.eventual.tasks import Task
from waggle.faces.ops.context import Context
from waggle.faces.ops.shapes import TaskShape, printable, short, task_shape, when
from waggle.store.own.journal import Written

SEEN_CHARS = 12
"""How much of an id stands in a token of what was seen."""
NOT_EXCLUSIVE = "claimed, not exclusive: another agent may claim it too before they see each other"


class TaskRow(TaskShape, frozen=True, kw_only=True):
    """A task with how it stands."""

    state: State
    removed: bool
    priority: int
    labels: tuple[str, ...]
    depends: tuple[str, ...]
    blockers: int
    """How many tasks it waits for."""
    holder: str | None
    """Whose claim holds, as `replica/agent`."""
    until: str | None
    mine: Literal["held", "lost", "lapsed"] | None
    """What became of the caller's own claim, where there is one."""
    conflicts: tuple[str, ...]
    """Fields with several values at odds."""
    seen: str
    """What `--supersedes` takes to write over exactly what this shows."""
    notes: tuple[str, ...]


class WriteShape(Struct, frozen=True, kw_only=True):
    """One of several values of a field."""

    id: str
    by: str
    at: str
    value: str


class ConflictShape(Struct, frozen=True, kw_only=True):
    """A field with several values; the first one is shown until an edit supersedes them."""

    field: str
    values: list[WriteShape]


class Lost(Struct, frozen=True, kw_only=True):
    """A claim of the caller's that lost."""

    task: str
    title: str
    to: str | None


def writer(ctx: Context) -> str:
    """Give who acts, as `replica/agent`."""
    return f"{ctx.space.replica}/{ctx.by.name}"


def first_write(ctx: Context) -> Written | None:
    """Give what this call's key wrote before; None where the key is new, or there is none.

    Only for operations that look before they write: the journal itself sees to all others.
    """
    if ctx.key is None:
        return None
    found = ctx.space.journal.db.execute(
        "SELECT seq, id, at FROM keyed WHERE space=? AND key=?", (ctx.space.name, ctx.key)
    ).fetchone()
    return Written(*found, fresh=False) if found else None


def agent(who: str) -> str:
    """Give the name of an agent as people see it: `name@replica`, abbreviated."""
    replica, _, name = who.partition("/")
    return f"{name}@{replica[:6]}"


def until(ends_ms: int) -> str:
    """Give the end of a lease as UTC text."""
    return when(ends_ms << 16)


def became(claim: Claim, winner: Claim | None) -> Literal["held", "lost", "lapsed"]:
    """Tell what became of a claim, given the one that holds now."""
    if winner is not None:
        return "held" if winner.by == claim.by else "lost"
    return "lost" if claim.taken_over else "lapsed"


def row(ctx: Context, task: Task) -> TaskRow:
    """Give a task as lists show it; costs a few look-ups."""
    db, now_ms, me = ctx.space.db, ctx.outside.now_ms(), writer(ctx)
    fields = tasks.registers(db, task.id)
    winner = task_claims.holder(db, task.id, now_ms)
    own = task_claims.of_writer(db, me, now_ms, task.id)
    base = task_shape(task, candidates(db, task.id))
    return TaskRow(
        **{name: getattr(base, name) for name in TaskShape.__struct_fields__},
        state=task.state,
        removed=not task.visible,
        priority=task.body.priority,
        labels=task.body.labels,
        depends=task.body.depends,
        blockers=task.blockers,
        holder=winner.by if winner else None,
        until=until(winner.ends_ms) if winner else None,
        mine=became(own[0], winner) if own else None,
        conflicts=tuple(name for name, register in fields.items() if register.conflict),
        seen=token(fields),
        notes=tuple(_notes(db, task, fields)),
    )


def candidates(db: sqlite3.Connection, task: str) -> int:
    """Count a task's candidates."""
    (count,) = db.execute("SELECT count(*) FROM candidate WHERE task=?", (task,)).fetchone()
    return int(count)


def _notes(db: sqlite3.Connection, task: Task, fields: Registers) -> Iterator[str]:
    kept = task_registers.unseen(db, task.id, fields)
    if kept:
        who = ", ".join(sorted({agent(head.by) for head in kept}))
        yield f"removed, and kept: the removal did not see the edit of {who}"
    if task.gone:
        for one in task_ready.needed(db, task.id):
            if one.state in {"dropped", "removed"}:
                yield f"it depends on {short(one.id)}, which was {one.state}"


def token(fields: Registers) -> str:
    """Give a token of all writes that stand in some field."""
    return ",".join(head.id[:SEEN_CHARS] for head in task_registers.edits(fields))


def conflicts(fields: Registers) -> list[ConflictShape]:
    """Give the fields with several values."""
    return [
        ConflictShape(
            field=name,
            values=[
                WriteShape(id=head.id, by=head.by, at=when(head.at), value=text)
                for head, text in zip(register.heads, _texts(register), strict=True)
            ],
        )
        for name, register in fields.items()
        if register.conflict
    ]


def _texts(register: Register) -> Iterator[str]:
    """Give the values of a field as text, the shown one first."""
    for value in register.values:
        if register.field == "state" and isinstance(value, list):
            state, result = value
            yield f"{state} with {short(result)}" if result else str(state)
        elif isinstance(value, list):
            yield ", ".join(value)
        else:
            yield str(value)


def over(
    ctx: Context, task: str, names: Iterable[Field], supersedes: Iterable[str]
) -> tuple[str, ...]:
    """Give the writes that an edit of some fields supersedes.

    These are the task as it was added, what the same agent wrote, and what `supersedes` names:
    ids, abbreviated, with commas between them or not, or `all` that stands here. Another agent's
    write is superseded only by name: who did not see it has not judged it. Raises `not_found`
    where no write to this task has such an id, `ambiguous` where an id fits several.
    """
    fields, me = tasks.registers(ctx.space.db, task), writer(ctx)
    known = task_registers.written(ctx.space.db, task, fields)
    words = {word.strip() for part in supersedes for word in part.split(",")} - {""}
    everything = "all" in words
    named = {_named(word, known) for word in sorted(words - {"all"})}
    found = {
        head.id: None
        for name in names
        for head in fields[name].heads
        if everything or head.id == task or head.by == me or head.id in named
    }
    return tuple(found)[:OVER_MAX]


def _named(word: str, known: Iterable[str]) -> str:
    prefix = check_prefix(word)
    fitting = [one for one in known if one.startswith(prefix)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise WaggleError("ambiguous", f"{word} fits several writes", "Give more digits of the id.")
    raise WaggleError(
        "not_found",
        f"no write to this task has an id that starts with {word}",
        "Take `seen` from what `waggle task show TASK --json` gives.",
    )


def lost(ctx: Context) -> list[Lost]:
    """Give the caller's claims on open tasks that lost to another agent's."""
    db, now_ms = ctx.space.db, ctx.outside.now_ms()
    found: dict[str, Lost] = {}
    for claim in task_claims.of_writer(db, writer(ctx), now_ms):
        winner = task_claims.holder(db, claim.task, now_ms)
        if claim.task in found or became(claim, winner) != "lost":
            continue
        for task in tasks.some(db, [claim.task]):
            if task.visible and task.state == "open":
                to = winner.by if winner else None
                found[task.id] = Lost(task=task.id, title=task.body.title, to=to)
    return list(found.values())


def show_row(one: TaskRow) -> Iterator[str]:
    """Give a task in a list as people read it."""
    marks = [f"[{label}]" for label in one.labels]
    if one.blockers:
        marks.append(f"waits for {one.blockers}")
    if one.holder:
        marks.append(f"claimed by {agent(one.holder)} until {one.until}")
    if one.mine == "lost":
        marks.append("your claim lost")
    marks += [f"conflict in {name}" for name in one.conflicts]
    state = "removed" if one.removed else one.state
    title = printable(one.title, 70)
    yield f"{short(one.id)}  p{one.priority}  {state:<7}  {title}  {' '.join(marks)}".rstrip()
    for note in one.notes:
        yield f"          {note}"


def show_conflicts(found: Iterable[ConflictShape]) -> Iterator[str]:
    """Give the values that are at odds, the shown one first."""
    for conflict in found:
        yield f"conflict in {conflict.field}; the first is shown:"
        for one in conflict.values:
            yield f"  {short(one.id)}  {agent(one.by)}  {one.at}  {printable(one.value, 100)}"


def show_lost(found: Iterable[Lost]) -> Iterator[str]:
    """Tell an agent that it lost."""
    for one in found:
        to = f" to {agent(one.to)}" if one.to else ""
        yield f"your claim on {short(one.task)} lost{to}: {printable(one.title, 60)}"
        yield f"  give it up: waggle task release {short(one.task)}"


def show_similar(found: list[Similar]) -> Iterator[str]:
    """Point out open tasks with similar titles."""
    for one in found:
        yield f"similar ({one.percent} %): {short(one.id)}  {printable(one.title, 70)}"
