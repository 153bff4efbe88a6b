"""What happens in a race, for whoever shows it."""

from __future__ import annotations

from msgspec import Struct

CHAIN_BYTES_MAX = 1024 * 1024
"""A candidate whose change is larger than this carries a red flag, unless a race says otherwise."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in a race, for whoever shows it."""

    event: str
    task: str
    slot: int | None = None
    agent: str | None = None
    candidate: str | None = None
    n: int | None = None
    size: int | None = None
    exit: int | None = None
    duration_ms: int | None = None
    status: str | None = None
    command: str | None = None
    message: str | None = None
