"""What a node is to do, and what it tells of."""

from __future__ import annotations

from msgspec import Struct

from waggle.sync.git.exchange import Report
from waggle.sync.git.remotes import Remote
from waggle.sync.live.settings import Settings


class Happened(Struct, frozen=True, kw_only=True):
    """Something that a person may want to see of a node."""

    what: str
    """`open`, `here`, `gone`, `heard`, `synced`, `trouble` or `closed`."""
    text: str
    space: str = ""
    """Where it happened; empty for what concerns all spaces."""
    report: Report | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What a node is to do."""

    project: str
    """What all clones of one project share: 16 to 64 hex digits."""
    live: Settings
    spaces: tuple[str, ...]
    """The spaces that it serves, at least one. The first is the one that it speaks of."""
    remotes: tuple[Remote, ...] = ()
    addresses: tuple[str, ...] = ()
    """The remotes' addresses, which tell how often they may be asked."""
    timeout_s: float = 120.0
