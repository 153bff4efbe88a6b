"""The kinds of entry that make the task set, and what of a task can be edited.

A task is an element of an OR-Set, named by the id of its `task.add` (Shapiro, Preguica, Baquero,
Zawirski, "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011,
section 3.3.5). Its fields are registers that keep every write which no other write supersedes
(section 3.2.2, the MV-Register): causality is what entries name in `over`, never their stamps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from waggle.log.entry import Body, Count, Id, Oid

TITLE_CHARS_MAX = 1024
TEXT_CHARS_MAX = 32 * 1024
LABEL_CHARS_MAX = 64
LABELS_MAX = 32
DEPENDS_MAX = 64
OVER_MAX = 256
"""How many writes one entry can supersede; a second entry supersedes the rest."""
PRIORITY = 5
"""The priority of a task that states none: 0 is the most urgent, 9 the least."""
LEASE_S_MAX = 30 * 24 * 3600

Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
Line = Annotated[str, Meta(min_length=1, max_length=TITLE_CHARS_MAX)]
Label = Annotated[str, Meta(min_length=1, max_length=LABEL_CHARS_MAX)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=LABELS_MAX)]
Depends = Annotated[tuple[Id, ...], Meta(max_length=DEPENDS_MAX)]
Over = Annotated[tuple[Id, ...], Meta(max_length=OVER_MAX)]
Priority = Annotated[int, Meta(ge=0, le=9)]
Lease = Annotated[int, Meta(ge=1, le=LEASE_S_MAX)]
"""How long a claim holds, in seconds from its entry's stamp."""
State = Literal["open", "done", "dropped"]
"""Dropped: it will not be done, and that is worth knowing. What was a mistake is removed."""
Field = Literal["title", "prompt", "note", "priority", "labels", "depends", "state"]
FIELDS: tuple[Field, ...] = (
    "title", "prompt", "note", "priority", "labels", "depends", "state",
)  # fmt: skip


class TaskAdd(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of work, with how its candidates are to be tested and chosen.

    What decides about candidates (base, rule, electorate, tests, protect) is fixed for good; the
    rest is edited by `task.edit`.
    """

    KIND: ClassVar[str] = "task.add"
    TEXTS: ClassVar[tuple[str, ...]] = ("title", "prompt", "tests", "setup", "labels")
    REFS: ClassVar[tuple[str, ...]] = ("depends",)
    title: Line
    prompt: Text = ""
    """The whole text that agents are given; empty where the title says it all."""
    base: Oid | None = None
    """The commit that work starts from."""
    rule: Line | None = None
    """How to choose; None is the default rule."""
    electorate: tuple[Line, ...] = ()
    """Whose votes can decide, as `replica/agent`; empty is everyone, and then nothing decides."""
    tests: tuple[Line, ...] = ()
    """Commands that check a candidate: each is evidence of its own kind."""
    setup: Line | None = None
    """A command that prepares a worktree."""
    protect: tuple[Line, ...] = ()
    """Globs of paths that come from the base before a check runs."""
    timeout_s: Count | None = None
    priority: Priority = PRIORITY
    labels: Labels = ()
    depends: Depends = ()
    """Tasks that must not be open any more before this one is ready."""


class TaskEdit(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A write to some fields of a task, over the writes that its author saw."""

    KIND: ClassVar[str] = "task.edit"
    TEXTS: ClassVar[tuple[str, ...]] = ("title", "prompt", "note", "labels")
    REFS: ClassVar[tuple[str, ...]] = ("task", "over", "depends", "result")
    task: Id
    over: Over = ()
    """Edits, or the task itself, whose values for the same fields this one supersedes."""
    title: Line | UnsetType = UNSET
    prompt: Text | UnsetType = UNSET
    note: Text | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    depends: Depends | UnsetType = UNSET
    state: State | UnsetType = UNSET
    result: Id | None = None
    """With `state`: the candidate that came out of the work."""


class TaskRemove(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Take a task out of the set, as far as its author saw it: the add, and these edits."""

    KIND: ClassVar[str] = "task.remove"
    REFS: ClassVar[tuple[str, ...]] = ("task", "over")
    task: Id
    over: Over = ()
    """The edits that the author saw; one that is not among them keeps the task in the set."""


class TaskClaim(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An agent says that it works on a task, and until when unless it says so again."""

    KIND: ClassVar[str] = "task.claim"
    REFS: ClassVar[tuple[str, ...]] = ("task", "over")
    task: Id
    lease_s: Lease
    over: Over = ()
    """Claims on the task that this one knowingly takes over from: lapsed ones, as a rule."""


class TaskRenew(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The writer of a claim prolongs it."""

    KIND: ClassVar[str] = "task.renew"
    REFS: ClassVar[tuple[str, ...]] = ("claim",)
    claim: Id
    lease_s: Lease


class TaskRelease(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The writer of some claims gives them up."""

    KIND: ClassVar[str] = "task.release"
    REFS: ClassVar[tuple[str, ...]] = ("claims",)
    claims: Over


KINDS: tuple[type[Body], ...] = (TaskAdd, TaskEdit, TaskRemove, TaskClaim, TaskRenew, TaskRelease)


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def value(body: TaskAdd | TaskEdit, field: Field) -> str | None:
    """Give what an entry writes to a field, as canonical JSON; None where it writes nothing.

    Equal values have equal texts: labels and dependencies are sets, and a state goes with its
    result.
    """
    if field == "state":
        state = "open" if isinstance(body, TaskAdd) else body.state
        written: object = UNSET
        if state is not UNSET:
            written = [state, None if isinstance(body, TaskAdd) else body.result]
    elif field == "note":
        written = "" if isinstance(body, TaskAdd) else body.note
    else:
        written = getattr(body, field)
        if isinstance(written, tuple):
            written = _sorted(written)
    return None if written is UNSET else msgspec.json.encode(written).decode()
