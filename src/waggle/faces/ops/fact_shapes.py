"""Facts as results carry them, as people read them, and the command that settles a conflict."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from waggle.base.clock import MILLIS_MAX, stamp
from waggle.base.errors import WaggleError
from waggle.eventual.fact_reads import Fact, Register
from waggle.eventual.facts import SUPERSEDES_MAX
from waggle.faces.ops.shapes import printable, short, when

SEEN_CHARS = 12
"""How much of each head's id a `seen` holds."""
VALUE_CHARS_SHOWN = 400
"""How much of a value people are shown on one line; `--json` gives all of it."""
QUOTED_CHARS_MAX = 200
"""Longer values stand for themselves in no suggested command."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?)?Z?")


class FactShape(Struct, frozen=True, kw_only=True):
    """One fact; its value is null where it retracts what was known."""

    id: str
    entity: str
    attribute: str
    value: str | None
    source: str | None
    by: str
    """`replica/agent`."""
    at: str
    stamp: str
    """The same time exactly, as `--as-of` takes it; a text, since it takes 63 bits."""
    supersedes: list[str]


class RegisterShape(Struct, frozen=True, kw_only=True):
    """What is known of one attribute: the value that is shown, and all heads, the latest first."""

    entity: str
    attribute: str
    value: str | None
    conflict: bool
    heads: list[FactShape]
    """At most as many as one write can supersede."""
    seen: str
    """What `--supersedes` takes to replace exactly these heads."""


def fact_shape(fact: Fact) -> FactShape:
    """Give a fact's shape."""
    return FactShape(
        id=fact.id,
        entity=fact.entity,
        attribute=fact.attribute,
        value=fact.value,
        source=fact.source,
        by=fact.writer,
        at=when(fact.at),
        stamp=str(fact.at),
        supersedes=list(fact.supersedes),
    )


def register_shape(register: Register) -> RegisterShape:
    """Give a register's shape."""
    heads, shown = register.heads[:SUPERSEDES_MAX], register.shown
    return RegisterShape(
        entity=shown.entity,
        attribute=shown.attribute,
        value=shown.value,
        conflict=register.conflict,
        heads=[fact_shape(head) for head in heads],
        seen=",".join(head.id[:SEEN_CHARS] for head in heads),
    )


def settling(register: RegisterShape) -> Iterator[str]:
    """Give what to tell of a register whose heads differ, with the command that settles it."""
    yield f"conflict: {len(register.heads)} facts stand side by side; the latest is shown"
    words = [register.entity, register.attribute]
    words += [] if register.value is None else [register.value]
    verb = "retract" if register.value is None else "add"
    dashes = "-- " if any(word.startswith("-") for word in words) else ""
    if all(map(_quotable, words)):
        quoted = " ".join(map(shlex.quote, words))
        yield "once you know that the value shown is right (give another if it is not), settle it:"
        yield f"  waggle fact {verb} --supersedes {register.seen} {dashes}{quoted}"
    else:
        yield f"settle it by `waggle fact {verb}` with --supersedes {register.seen}"


def _quotable(text: str) -> bool:
    """Tell whether a text can stand in single quotes in any shell, and is short."""
    return text.isprintable() and "'" not in text and len(text) <= QUOTED_CHARS_MAX


def show_register(register: RegisterShape) -> Iterator[str]:
    """Give what is known of an attribute as people read it."""
    shown, *others = register.heads
    yield f"{printable(register.attribute)}: {said(shown)}"
    for head in others:
        word = "the same" if head.value == shown.value else "but"
        yield f"  {word}: {said(head)}"
    if register.conflict:
        yield from (f"  {row}" for row in settling(register))


def said(fact: FactShape) -> str:
    """Give a value with who said it, when, and from what."""
    value = "(retracted)" if fact.value is None else printable(fact.value, VALUE_CHARS_SHOWN)
    who = printable(fact.by.partition("/")[2])
    source = f", from {printable(fact.source)}" if fact.source else ""
    return f"{value}  [{short(fact.id)} {who} {fact.at}{source}]"


def stamp_of(text: str) -> int:
    """Give the last stamp of a time: a stamp as results carry it, or UTC in ISO 8601.

    A time means all of what it names: a day, a minute, a second, a millisecond. So the time that is
    shown of a fact takes in that fact. Raises `invalid`.
    """
    if text.isascii() and text.isdecimal() and len(text) > len("20260101"):
        return min(int(text), stamp(MILLIS_MAX, 0xFFFF))
    found = _TIME.fullmatch(text)
    try:
        if found is None or (found[4] and not found[3]):
            raise ValueError(text)
        day, minute, second, part = found.groups()
        begin = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}")
    except ValueError as error:
        raise WaggleError(
            "invalid",
            f"{text!r} is no time",
            "Give it in UTC, e.g. 2026-01-31, '2026-01-31 12:00:05Z', or a fact's `stamp`.",
        ) from error
    length = timedelta(seconds=1) if second else timedelta(minutes=1)
    if not minute:
        length = timedelta(days=1)
    elapsed = begin.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    ms = elapsed // timedelta(milliseconds=1)
    last = (
        ms + int(part[1:4].ljust(3, "0"))
        if part
        else (elapsed + length) // timedelta(milliseconds=1) - 1
    )
    return stamp(max(0, last), 0xFFFF)
