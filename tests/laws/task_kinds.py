"""Random entries of the task set's kinds, for a world of few tasks on which all of them meet."""

from __future__ import annotations

from random import Random
from typing import Protocol

from msgspec import UNSET

from waggle.eventual.task_kinds import (
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)

NOWHERE = "ef" * 32
TITLES = ("make the parser accept comments", "the parser accepts no comments", "ship it")
LABELS = ("ui", "db", "slow")


class Telling(Protocol):
    """What a generator needs to know of a world."""

    random: Random
    tasks: list[str]
    edits: list[str]
    claims: list[str]


def some(world: Telling, ids: list[str], most: int = 3) -> tuple[str, ...]:
    """Give a few ids, now and then with one of nothing."""
    known = [*ids[-6:], NOWHERE]
    return tuple(world.random.sample(known, world.random.randrange(min(most, len(known)) + 1)))


def task(world: Telling) -> str:
    """Give a task's id, now and then of one that is not here."""
    return world.random.choice([*world.tasks[-4:], *world.tasks, NOWHERE])


def add(world: Telling) -> TaskAdd:
    """Give a task, now and then like another, with labels and dependencies in no order."""
    draw = world.random
    return TaskAdd(
        title=draw.choice((*TITLES, f"task {draw.randrange(3)}")),
        priority=draw.choice((5, 5, 0, 9)),
        labels=tuple(draw.choices(LABELS, k=draw.randrange(3))),
        depends=some(world, world.tasks, 2),
    )


def edit(world: Telling) -> TaskEdit:
    """Give an edit of one field or several, over some of what was written before."""
    draw = world.random
    target = task(world)
    fields = draw.sample(("title", "priority", "labels", "depends", "state", "note"), k=2)
    return TaskEdit(
        task=target,
        over=(*some(world, world.edits), *((target,) if draw.random() < 0.6 else ())),
        title=draw.choice(TITLES) if "title" in fields else UNSET,
        priority=draw.randrange(3) if "priority" in fields else UNSET,
        labels=tuple(draw.choices(LABELS, k=2)) if "labels" in fields else UNSET,
        depends=some(world, world.tasks) if "depends" in fields else UNSET,
        state=draw.choice(("open", "done", "done", "dropped")) if "state" in fields else UNSET,
        note=draw.choice(("", "half of it")) if "note" in fields else UNSET,
        result=draw.choice((None, None, NOWHERE)),
    )


def remove(world: Telling) -> TaskRemove:
    """Give a removal that saw some of the edits."""
    return TaskRemove(task=task(world), over=some(world, world.edits, 6))


def claim(world: Telling) -> TaskClaim:
    """Give a claim, now and then one that takes over from others."""
    over = some(world, world.claims) if world.random.random() < 0.4 else ()
    return TaskClaim(task=task(world), lease_s=world.random.choice((1, 60)), over=over)


def renew(world: Telling) -> TaskRenew:
    """Give a renewal of a claim, of another's too."""
    return TaskRenew(claim=world.random.choice([*world.claims, NOWHERE]), lease_s=120)


def release(world: Telling) -> TaskRelease:
    """Give a release of some claims, of others' too."""
    return TaskRelease(claims=some(world, world.claims))
