"""Admission: which prefix of a log counts here. Pure: a function of what is known and decreed.

A log counts up to the first entry that is forked, distrusted or from the future. The operator's
decrees (decrees.py) move these bounds: `distrust` sets a last seq and `trust` lifts it; `admit`
names an entry whose chain counts, which settles a fork and lifts "from the future" up to there.
Equal entries, operators and settings give equal answers, in whatever order everything came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from waggle.log import chain
from waggle.log.chain import Link
from waggle.store.views.decrees import EVERYTHING, Decrees


class Policy(Struct, frozen=True, kw_only=True):
    """Whose logs count before anything is decreed; from a store's settings."""

    listed: bool = False
    """Whether only trusted logs count; otherwise every log does that verifies."""
    trusted: frozenset[str] = frozenset()
    """Replicas that are trusted without a decree."""

    @property
    def version(self) -> list[str] | None:
        """What a view depends on."""
        return sorted(self.trusted) if self.listed else None


FIRST_USE = Policy()
"""Every log counts that verifies."""


class Bounds(Struct, frozen=True):
    """How far a log may count at most."""

    limit: int
    """The last seq that is trusted."""
    admits: tuple[str, ...]
    """Entries whose chains count, those decreed last first."""


def bounds(policy: Policy, decrees: Decrees, replica: str, own: str) -> Bounds:
    """Give the bounds of a log; `own` is the replica that writes here, whose log is listed."""
    standing = decrees.standings.get(replica)
    if standing is not None:
        limit = standing.limit
    elif policy.listed and replica != own and replica not in policy.trusted:
        limit = 0
    else:
        limit = EVERYTHING
    return Bounds(limit, decrees.admitted.get(replica, ()))


def settle_fork(chains: Sequence[Sequence[Link]], admits: Sequence[str]) -> tuple[list[Link], bool]:
    """Give what counts of the chains of one log, and whether they still are at odds.

    An admitted entry rules out the chains that lack it, as long as one is left; what the rest
    shares counts.
    """
    for entry in admits:
        holding = [one for one in chains if any(link.id == entry for link in one)]
        chains = holding or chains
    end = chain.fork([[link.id for link in one] for one in chains])
    longest = max(chains, key=len)
    return list(longest[:end]), end < len(longest)


def count(links: Sequence[Link], bounds: Bounds, wall_ms: int) -> int:
    """Count the leading links that count: trusted, and ripe or lifted by an admitted entry.

    Where entries are admitted, `links` must reach to the end of the log.
    """
    found = chain.ripe(links, wall_ms)
    if found < len(links) and bounds.admits:
        found = max(found, _through(links, bounds.admits))
    return min(found, max(0, bounds.limit + 1 - links[0].seq)) if links else 0


def _through(links: Sequence[Link], entries: Collection[str]) -> int:
    """Count the links up to the last one of some entries."""
    return max((n for n, link in enumerate(links, 1) if link.id in entries), default=0)
