"""A new replica for an old store: when it is a copy, or when its clock ran ahead.

Two writers of one log would equivocate, so a copy never writes under the key it was copied with.
What only the copy had - entries in no frame yet - is appended again under the new replica with
`was: <old id>`; references follow `was` (see space.py).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from waggle.base.clock import from_the_future
from waggle.log.line import body
from waggle.store.disk import sync_folder
from waggle.store.own import identity
from waggle.store.own.identity import Identity
from waggle.store.own.journal import Journal, Pending, write

NEXT_KEY = "key.next"


def current(store_dir: str, journal: Journal) -> Identity | None:
    """Give the identity that may write to this journal; None where a new one has to be minted."""
    _finish(store_dir, journal)
    owner = identity.load(store_dir)
    if owner is None or owner.replica != journal.replica or not owner.fits(journal.path):
        return None
    return None if overtaken(journal) else owner


def overtaken(journal: Journal) -> bool:
    """Tell whether a frame of ours holds entries that this journal never held.

    Then the store went back (a restored disk, a cloned machine) and git brought what its other
    self wrote since. Invariant: the last entry of our newest frame stays in the journal.
    """
    row = journal.db.execute(
        "SELECT 1 FROM tip WHERE replica=? AND NOT EXISTS (SELECT 1 FROM entry"
        " WHERE entry.space=tip.space AND entry.seq=tip.seq AND entry.id=tip.id)",
        (journal.replica,),
    ).fetchone()
    return row is not None


def _finish(store_dir: str, journal: Journal) -> None:
    """Complete a minting that a crash cut off after the journal had taken the new replica."""
    waiting = os.path.join(store_dir, NEXT_KEY)
    try:
        with open(waiting, encoding="utf-8") as file:
            replica = json.load(file)["replica"]
        if replica == journal.replica:
            os.replace(waiting, os.path.join(store_dir, identity.KEY_FILE))
            sync_folder(store_dir)
    except FileNotFoundError:
        # Nothing waits; or another process, which holds the lock that readers of the key do not
        # take, has completed it just now.
        return


def mint(
    store_dir: str,
    journal: Journal,
    entropy: Callable[[int], bytes],
    wall_ms: int,
    reclaimed: Mapping[str, Sequence[Pending]] | None = None,
) -> Identity:
    """Make a new replica and let it write here; the caller holds the sealing lock.

    `reclaimed`, by space, is what only frames of this store hold (reclaim.py).
    Crash-safe: the new key waits under another name until the journal has taken the replica.
    """
    fresh = identity.make(entropy(32), journal.path)
    identity.save(store_dir, fresh, NEXT_KEY)
    with journal.transaction() as db:
        logs = db.execute("SELECT DISTINCT space FROM entry").fetchall()
        sealed = reclaimed or {}
        left = {space: [*sealed.get(space, ()), *_unsealed(journal, space)] for (space,) in logs}
        latest = db.execute("SELECT max(at) FROM entry").fetchone()[0]
        for table in ("entry", "frame", "content", "carried"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
        db.execute("INSERT OR REPLACE INTO meta VALUES('replica', ?)", (fresh.replica,))
        _keep_clock(db, latest or 0, wall_ms)
        for space, pending in left.items():
            write(db, space, pending, wall_ms)
    journal.refresh()
    _finish(store_dir, journal)
    return fresh


def _keep_clock(db: sqlite3.Connection, latest: int, wall_ms: int) -> None:
    """Let the new log's clock start after the old one's, unless that ran ahead itself."""
    row = db.execute("SELECT value FROM meta WHERE name='clock'").fetchone()
    clock = max(latest, int(row[0]) if row else 0)
    if from_the_future(clock, wall_ms):
        db.execute("DELETE FROM meta WHERE name='clock'")
    else:
        db.execute("INSERT OR REPLACE INTO meta VALUES('clock', ?)", (str(clock),))


def _framed(journal: Journal, space: str) -> int:
    """Give the last seq of this journal that stands in a frame.

    It does by a plan that was carried out, or by a tip whose last entry is this journal's and not
    its other self's (see `overtaken`).
    """
    row = journal.db.execute(
        "SELECT max((SELECT coalesce(max(last), 0) FROM frame WHERE space=?1 AND oid IS NOT NULL),"
        " (SELECT coalesce(max(entry.seq), 0) FROM entry JOIN tip ON tip.space=entry.space"
        " AND tip.seq=entry.seq AND tip.id=entry.id WHERE tip.space=?1 AND tip.replica=?2))",
        (space, journal.replica),
    ).fetchone()
    return int(row[0])


def _unsealed(journal: Journal, space: str) -> list[Pending]:
    """Give what is in no frame yet, as lines that say what they were."""
    pending = []
    for seq, entry, line in journal.read(space, _framed(journal, space)):
        files = journal.db.execute(
            "SELECT path, data FROM content WHERE space=? AND seq=?", (space, seq)
        ).fetchall()
        commits = journal.db.execute(
            "SELECT oid FROM carried WHERE space=? AND seq=?", (space, seq)
        ).fetchall()
        carried = [oid for (oid,) in commits]
        pending.append(Pending(again(entry, line), content=dict(files), commits=carried))
    return pending


def again(entry: str, line: bytes) -> bytes:
    """Give an entry's line as it is appended once more: it says what it was."""
    fields = json.loads(line)
    was = fields.pop("was", entry)
    fields.pop("key", None)  # the key still names the first entry in `keyed`
    fields.pop("at")
    return body(fields.pop("kind"), fields.pop("by"), fields, was=was)
