"""The open tasks as the rows of QUEUE.md, each with what an edit of it will have seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from waggle.eventual import task_claims, task_ready, task_registers, tasks
from waggle.eventual.task_kinds import PRIORITY
from waggle.eventual.tasks import Task
from waggle.faces.files.line import Line
from waggle.faces.files.queue import EDITABLE, Row
from waggle.faces.ops.context import Context
from waggle.faces.ops.shapes import short

ROWS_MAX = 2000
"""Lines of a page; the most urgent tasks."""
REPLICA_CHARS = 6
Sections = Sequence[tuple[str, Sequence[Row]]]


def gather(ctx: Context) -> tuple[Sections, dict[str, str]]:
    """Give the rows of each section, and the task of each number that stands in them."""
    db, now_ms = ctx.space.db, ctx.outside.now_ms()
    found = task_ready.listed(db, ROWS_MAX, state="open")
    labels = _labels(ctx, found)
    holders = task_claims.holders(db, now_ms)
    own = ctx.space.replica
    sections: dict[str, list[Row]] = {"Ready": [], "Taken": [], "Waiting": []}
    for task in found:
        claim = holders.get(task.id)
        section = "Taken" if claim else "Waiting" if task.blockers else "Ready"
        holder = _agent(claim.by, own) if claim else ""
        sections[section].append(_row(ctx, task, labels, holder))
    return list(sections.items()), {label: task for task, label in labels.items()}


def _labels(ctx: Context, found: Sequence[Task]) -> dict[str, str]:
    """Give the number of each task that stands on the page: the seq of its entry in its log.

    Where two logs have a task of one seq, the replica stands with it.
    """
    db, here = ctx.space.db, {task.id: task for task in found}
    others = {one for task in found for one in task.body.depends} - here.keys()
    here |= {task.id: task for task in tasks.some(db, others)}
    counts = Counter(task.seq for task in here.values())
    labels = {
        task.id: str(task.seq) if counts[task.seq] == 1 else f"{task.seq}@{_replica(task)}"
        for task in here.values()
    }
    return labels | {one: short(one) for one in others if one not in here}


def _replica(task: Task) -> str:
    return task.by[:REPLICA_CHARS]


def _agent(who: str, own: str) -> str:
    replica, _, name = who.partition("/")
    return name if replica == own else f"{name}@{replica[:REPLICA_CHARS]}"


def _row(ctx: Context, task: Task, labels: dict[str, str], agent: str) -> Row:
    db, body = ctx.space.db, task.body
    fields = tasks.registers(db, task.id)
    notes = [f"conflict:{name}" for name, register in fields.items() if register.conflict]
    notes += ["cycle"] if task.blockers and task_ready.cycle_through(db, task.id) else []
    line = Line(
        seq=labels[task.id],
        title=body.title,
        depends=tuple(sorted(labels[one] for one in body.depends)),
        agent=agent,
        priority=None if body.priority == PRIORITY else body.priority,
        labels=tuple(sorted(body.labels)),
        notes=tuple(notes),
    )
    seen = {name: _ids(fields[name].heads) for name in EDITABLE}
    standing = task_claims.standing(db, task.id)
    edits = tuple(one for one in _ids(task_registers.edits(fields)) if one != task.id)
    return Row(
        task=task.id,
        line=line,
        seen=seen,
        edits=edits,
        claims={claim.id: claim.by for claim in standing},
    )


def _ids(heads: Iterable[task_registers.Write]) -> tuple[str, ...]:
    return tuple(head.id for head in heads)
