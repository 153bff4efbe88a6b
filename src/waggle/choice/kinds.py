"""What is written: candidates, votes, checks, rulings."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from waggle.base.limits import TAIL_BYTES_MAX
from waggle.log.entry import Agent, Body, Count, Id, Oid, Percent

Text = Annotated[str, Meta(max_length=16 * 1024)]
Short = Annotated[str, Meta(max_length=1024)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{32,64}\\Z")]


class Candidate(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A result proposed for a task: a commit, files or a text, with what its author says of it."""

    KIND: ClassVar[str] = "candidate.publish"
    TEXTS: ClassVar[tuple[str, ...]] = ("text", "summary")
    REFS: ClassVar[tuple[str, ...]] = ("task", "supersedes")
    task: Id
    commit: Oid | None = None
    base: Oid | None = None
    files: tuple[Short, ...] = ()
    text: Text | None = None
    result: Digest
    """Equal results have equal digests: the tree of a commit, or a hash of files or text."""
    size: Count = 0
    """How much is new, in bytes: the change's added lines, the files, or the text."""
    tokens: Count | None = None
    confidence: Percent | None = None
    """The author's own, in per cent."""
    supersedes: Id | None = None
    """An earlier candidate of the same author."""
    flags: tuple[Short, ...] = ()
    """What a reader should beware of: a budget overrun, edits to protected paths."""
    summary: Short | None = None


class Vote(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An opinion: 100 approves, 0 rejects, 50 abstains. The last one of a voter counts."""

    KIND: ClassVar[str] = "vote.cast"
    TEXTS: ClassVar[tuple[str, ...]] = ("reason",)
    REFS: ClassVar[tuple[str, ...]] = ("candidate",)
    candidate: Id
    score: Percent
    reason: Text | None = None
    blind: bool = False
    """Whether the voter was not shown author, model and others' votes."""


class Check(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A vote that a command produced: exit status 0 passes."""

    KIND: ClassVar[str] = "check.record"
    TEXTS: ClassVar[tuple[str, ...]] = ("tail", "command")
    REFS: ClassVar[tuple[str, ...]] = ("candidate",)
    candidate: Id
    command: Short
    environment: Short
    exit: Annotated[int, Meta(ge=-1024, le=2**32)]
    duration_ms: Count = 0
    digest: Digest | None = None
    """Of the whole output."""
    tail: Annotated[str, Meta(max_length=TAIL_BYTES_MAX)] = ""


class Ruling(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The operator's decision, which beats every rule; signed by the operator's own key."""

    KIND: ClassVar[str] = "ruling.make"
    TEXTS: ClassVar[tuple[str, ...]] = ("reason",)
    REFS: ClassVar[tuple[str, ...]] = ("task", "candidate")
    task: Id
    candidate: Id | None = None
    """None rules that no candidate so far is good enough."""
    reason: Text = ""
    made: Count
    """When, in milliseconds since 1970; signed, so that an old ruling cannot be replayed as new."""
    operator: Short
    signature: Short


RULING_NAMESPACE = "waggle-ruling"


def ruling_statement(space: str, ruling: Ruling) -> bytes:
    """Give the bytes that an operator signs."""
    fields = (space, ruling.task, ruling.candidate or "none", str(ruling.made), ruling.reason)
    return "\n".join(("waggle ruling", *fields)).encode()


def family_of(by: Agent, writer: str) -> str:
    """Give the family whose errors an agent is likely to share: model, else vendor, else itself."""
    if by.model:
        return f"model:{by.model}"
    return f"vendor:{by.vendor}" if by.vendor else writer
