"""A new replica for an old store: when it is a copy, or when its clock ran ahead.

Two writers of one log would equivocate, so a copy never writes under the key it was copied with.
What only the copy had - entries in no frame yet - is appended again under the new replica with
`was: <old id>`; references follow `was` (see space.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from waggle.base.clock import from_the_future
from waggle.log.line import body
from waggle.store import identity
from waggle.store.identity import Identity
from waggle.store.journal import Journal, Pending, write

NEXT_KEY = "key.next"


def current(store_dir: str, journal: Journal) -> Identity | None:
    """Give the identity that may write to this journal; None where a new one has to be minted."""
    _finish(store_dir, journal)
    owner = identity.load(store_dir)
    if owner is None or owner.replica != journal.replica or not owner.fits(journal.path):
        return None
    return owner


def _finish(store_dir: str, journal: Journal) -> None:
    """Complete a minting that a crash cut off after the journal had taken the new replica."""
    waiting = os.path.join(store_dir, NEXT_KEY)
    if not os.path.exists(waiting):
        return
    with open(waiting, encoding="utf-8") as file:
        replica = json.load(file)["replica"]
    if replica == journal.replica:
        os.replace(waiting, os.path.join(store_dir, identity.KEY_FILE))
        identity.sync_folder(store_dir)


def mint(
    store_dir: str, journal: Journal, entropy: Callable[[int], bytes], wall_ms: int
) -> Identity:
    """Make a new replica and let it write here; the caller holds the sealing lock.

    Crash-safe: the new key waits under another name until the journal has taken the replica.
    """
    fresh = identity.make(entropy(32), journal.path)
    identity.save(store_dir, fresh, NEXT_KEY)
    with journal.transaction() as db:
        logs = db.execute("SELECT DISTINCT space FROM entry").fetchall()
        left = {space: _unsealed(journal, space) for (space,) in logs}
        latest = db.execute("SELECT max(at) FROM entry").fetchone()[0]
        for table in ("entry", "frame", "content", "carried"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
        db.execute("INSERT OR REPLACE INTO meta VALUES('replica', ?)", (fresh.replica,))
        if latest is not None and not from_the_future(latest, wall_ms):
            db.execute("INSERT OR REPLACE INTO meta VALUES('clock', ?)", (str(latest),))
        for space, pending in left.items():
            write(db, space, pending, wall_ms)
    journal.refresh()
    _finish(store_dir, journal)
    return fresh


def _unsealed(journal: Journal, space: str) -> list[Pending]:
    """Give what is in no frame yet, as lines that say what they were."""
    pending = []
    for seq, entry, line in journal.read(space, journal.sealed(space)):
        fields = json.loads(line)
        was = fields.pop("was", entry)
        fields.pop("key", None)  # the key still names the first entry in `keyed`
        fields.pop("at")
        files = journal.db.execute(
            "SELECT path, data FROM content WHERE space=? AND seq=?", (space, seq)
        ).fetchall()
        commits = journal.db.execute(
            "SELECT oid FROM carried WHERE space=? AND seq=?", (space, seq)
        ).fetchall()
        encoded = body(fields.pop("kind"), fields.pop("by"), fields, was=was)
        pending.append(Pending(encoded, content=files, commits=[oid for (oid,) in commits]))
    return pending
