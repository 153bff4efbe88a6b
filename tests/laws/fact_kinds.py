"""Random facts, for a world of few entities and attributes on which all of them meet."""

from __future__ import annotations

from random import Random
from typing import Protocol

from waggle.eventual.facts import FactAssert, FactRetract

NOWHERE = "ef" * 32
ENTITIES = ("db", "web server")
ATTRIBUTES = ("host", "a port")
VALUES = ("", "one", "two", "a one and a two", "\u00fcn\u0130\0\n\U0001f41d")


class Telling(Protocol):
    """What a generator needs to know of a world."""

    random: Random
    facts: list[str]


def named(world: Telling) -> tuple[str, ...]:
    """Give a few facts, of any register, now and then one of nothing, or one twice."""
    known = [*world.facts[-8:], *world.facts[-3:], NOWHERE]
    return tuple(world.random.choices(known, k=world.random.choice((0, 1, 1, 2, 3))))


def asserted(world: Telling) -> FactAssert:
    """Give a value, over some of what was written before."""
    return FactAssert(
        entity=world.random.choice(ENTITIES),
        attribute=world.random.choice(ATTRIBUTES),
        value=world.random.choice(VALUES),
        source=world.random.choice((None, "README@1")),
        supersedes=named(world),
    )


def retracted(world: Telling) -> FactRetract:
    """Give a retraction, of some of what was written before."""
    return FactRetract(
        entity=world.random.choice(ENTITIES),
        attribute=world.random.choice(ATTRIBUTES),
        supersedes=named(world),
    )
