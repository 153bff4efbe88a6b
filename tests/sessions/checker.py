"""A checker of session guarantees that sees only what clients recorded.

Terry et al. 1994, sections 2 and 3. A record says which session did what, in the order in which the
session did it: `wrote` one thing, or `read` a set of things. Nothing else is known: no clocks, no
replicas, no code of what is checked.

    read your writes   a read shows all that its own session wrote before it
    monotonic reads    a read shows all that an earlier read of its session showed
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Record:
    """One operation of one session."""

    session: str
    what: Literal["wrote", "read"]
    things: frozenset[str]


@dataclass
class _Session:
    wrote: set[str] = field(default_factory=set)
    saw: set[str] = field(default_factory=set)


def violations(history: Iterable[Record]) -> list[str]:
    """Give what a history breaks, in words; none where both guarantees hold."""
    sessions: dict[str, _Session] = {}
    found = []
    for number, record in enumerate(history):
        session = sessions.setdefault(record.session, _Session())
        if record.what == "wrote":
            session.wrote |= record.things
            continue
        for name, owed in (("read your writes", session.wrote), ("monotonic reads", session.saw)):
            if lost := owed - record.things:
                words = ", ".join(sorted(lost))
                found.append(f"{name}: operation {number} of {record.session} lacks {words}")
        session.saw |= record.things
    return found
