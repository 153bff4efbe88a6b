"""What was refused: kept for inspection, judged once, and told of at every sync.

A chain that does not verify stays on a remote for as long as the remote pleases. To walk it again
at every sync would let anybody who pushes one long bad log slow everybody down, so the judgement
is noted in the journal. It holds for the tips that it was made against; rows are disposable.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from waggle.store.frames.discovery import Finding, tips_of

if TYPE_CHECKING:
    from waggle.store.own.journal import Journal
    from waggle.store.repo.objects import Objects

REFUSED = "refs/waggle-refused"
REFUSED_MAX = 8
"""Tips of one log that are kept for inspection; more would let a hostile writer fill the disk."""
REFUSED_ALL_MAX = 1000
"""The same for all logs of a space together: whoever makes a key makes a log."""
ROWS_MAX = 20_000
"""Judgements that are kept, the latest: about 200 bytes each."""
_VERSION = 1
"""Raised whenever frames come to be judged in another way."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS refused(space TEXT, replica TEXT, oid TEXT, state TEXT NOT NULL,"
    " seq INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY(space, replica, oid))"
)


class Refusals:
    """What was refused of one space's logs. Use from the thread of the journal."""

    def __init__(self, journal: Journal, objects: Objects, space: str) -> None:
        self._journal = journal
        self._objects = objects
        self._space = space
        self._tips: dict[str, str] = {}
        """What is to be kept: replica to commit."""
        self._new: list[tuple[str, Finding]] = []
        self._rows = self._load()

    def _load(self) -> dict[tuple[str, str], tuple[str, int, str]]:
        db = self._journal.db
        table = "SELECT 1 FROM sqlite_master WHERE name='refused'"
        if db.execute(table).fetchone() is None:
            return {}
        query = "SELECT replica, oid, state, seq, reason FROM refused WHERE space=?"
        rows = db.execute(query, (self._space,))
        return {(replica, oid): (state, seq, reason) for replica, oid, state, seq, reason in rows}

    def find(self, replica: str, oid: str) -> Finding | None:
        """Give why a log's chain that ends in `oid` was refused, None where it is to be judged."""
        row = self._rows.get((replica, oid))
        if row is None or row[0] != self._state(replica):
            return None
        return Finding(replica=replica, seq=row[1], what=row[2], kind="refused")

    def note(self, oid: str, finding: Finding, *, final: bool) -> None:
        """Note a refused chain; `final` where no object that comes later can change that."""
        self._tips[finding.replica] = oid
        if final:
            self._new.append((oid, finding))

    def _state(self, replica: str) -> str:
        """Give what a judgement depends on besides the chain itself."""
        tips = tips_of(self._journal, (self._space, replica))
        return msgspec.json.encode([_VERSION, tips]).decode()

    def keep(self) -> None:
        """Keep what was noted, all at once; the judgements hold for the tips as they are now.

        Refused ends get refs, for when the remotes have lost them. Raises what
        `Journal.transaction` does.
        """
        if self._tips:
            self._objects.refs.point_all(self._refs())
        if not self._new:
            return
        rows = [
            (self._space, one.replica, oid, self._state(one.replica), one.seq, one.what)
            for oid, one in self._new
        ]
        with self._journal.transaction() as db:
            db.execute(_SCHEMA)
            db.executemany("INSERT OR REPLACE INTO refused VALUES(?,?,?,?,?,?)", rows)
            db.execute(
                "DELETE FROM refused WHERE rowid <= (SELECT max(rowid) FROM refused) - ?",
                (ROWS_MAX,),
            )

    def _refs(self) -> dict[str, str]:
        """Give the refs that are still to be made, as far as the limits let them."""
        prefix = f"{REFUSED}/{self._space}/"
        kept = self._objects.refs.under(prefix)
        many = Counter(name.removeprefix(prefix).partition("/")[0] for name in kept)
        new = [
            (f"{prefix}{replica}/{oid}", oid)
            for replica, oid in self._tips.items()
            if many[replica] < REFUSED_MAX and f"{prefix}{replica}/{oid}" not in kept
        ]
        return dict(new[: max(0, REFUSED_ALL_MAX - len(kept))])
