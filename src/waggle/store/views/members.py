"""Members: the replicas that are known in a space, and how far the log of each counts, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from waggle.log.chain import Head
from waggle.store.hearing import proofs
from waggle.store.views import decrees, scanning
from waggle.store.views.admission import Bounds
from waggle.store.views.decrees import Standing
from waggle.store.views.scanning import Scan

if TYPE_CHECKING:
    from waggle.store.space import Space

Limit = Literal["unlisted", "distrusted", "future", "forked"]
"""What keeps entries back: nobody trusts the log, or the operator distrusts it (from there on), or
the next entry is from the future, or there are two next entries."""

_NONE = Scan(head=Head(0, "", 0), ends="", bounds=Bounds(0, ()), wakes=0, forked=False)
"""Of a replica that is known by name only."""


class Member(Struct, frozen=True, kw_only=True):
    """One replica and its log, as known here."""

    replica: str
    own: bool
    entries: int
    """Verified here; of a forked log, those of its longest history."""
    admitted: int
    """How many of them count."""
    last: str
    """The id of the last one, empty where there is none."""
    at: int
    """The stamp of the last one, 0 where there is none."""
    held_back: Limit | None
    """Why not all count; None where they do."""
    standing: Standing | None
    """The decree in force, where there is one."""
    forked: Literal["no", "open", "settled", "heard"]
    """`heard`: two histories are proved, one of which was heard live; what git brought counts."""
    future: int
    """The stamp of the first entry that is from the future, 0 where none is."""
    agents: tuple[str, ...]
    """Names in the log, sorted; those of entries that do not count, too."""


def members(space: Space) -> list[Member]:
    """Give the replicas that have a log here, or that a decree or a setting names, by id."""
    db = space.db
    known = decrees.load(db)
    scans = scanning.load(db)
    agents: dict[str, list[str]] = {}
    for replica, name in db.execute("SELECT replica, name FROM agent ORDER BY replica, name"):
        agents.setdefault(replica, []).append(name)
    admitted = space.view.admitted()
    own = space.journal.replica
    proved = proofs.proved(space.journal, space.name)
    found = []
    named = {*known.standings, *known.admitted, *space.view.policy.trusted}
    for replica in sorted({own, *scans, *named}):
        scan = scans.get(replica, _NONE)
        counted = admitted[replica].seq if replica in admitted else 0
        standing = known.standings.get(replica)
        reason: Limit | None = None
        if counted < scan.head.seq:
            limit = scan.bounds.limit
            distrust: Limit = "distrusted" if standing else "unlisted"
            reason = distrust if counted == limit else "future" if scan.wakes else "forked"
        found.append(
            Member(
                replica=replica,
                own=replica == own,
                entries=scan.head.seq,
                admitted=counted,
                last=scan.head.id,
                at=scan.head.at,
                held_back=reason,
                standing=standing,
                forked=_forked(scan, heard=replica in proved),
                future=scan.wakes,
                agents=tuple(agents.get(replica, ())),
            )
        )
    return found


def _forked(scan: Scan, *, heard: bool) -> Literal["no", "open", "settled", "heard"]:
    if scan.forked:
        return "open"
    if scan.several:
        return "settled"
    return "heard" if heard else "no"
