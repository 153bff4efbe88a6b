"""What only this store's history of its log holds, where another self went on with the same log.

A store that went back (a restored disk, a cloned machine) can have sealed frames before it meets
what its other self wrote since. The log goes on with one history or the other; what stands in this
one's frames only is read back, so that it can be appended again under the new replica.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from waggle.log.chain import Head, Link, Refusal, start
from waggle.log.frame import CONTENT_DIR
from waggle.store.frames.logs import Logs
from waggle.store.own.journal import Journal, Pending
from waggle.store.own.minting import again
from waggle.store.repo.objects import Objects


class _Carries(Struct):
    """The fields of a line that name what its frame carries."""

    files: tuple[str, ...] = ()


_carries = msgspec.json.Decoder(_Carries)


def reclaim(objects: Objects, journal: Journal, space: str) -> list[Pending]:
    """Give the entries of this journal's own frames that no other history of the log holds.

    Oldest first; nothing where there is one history. Frames are verified as anybody's are.
    """
    logs = Logs(objects)
    ours, theirs = _tips(journal, space)
    if ours is None or not theirs:
        return []
    shared = {oid: stated for tip in theirs for oid, stated in logs.back(tip)}
    after = start(space, journal.replica)
    for oid, stated in logs.back(ours):
        if oid in shared:
            after = Head(stated.last, stated.hash, logs.clock(oid))
            break
    known = {
        link.id
        for tip in theirs
        for _, links in _frames(logs, tip, space, journal.replica, after)
        for link in links
    }
    return [
        _pending(objects, logs, oid, link)
        for oid, links in _frames(logs, ours, space, journal.replica, after)
        for link in links
        if link.id not in known
    ]


def _tips(journal: Journal, space: str) -> tuple[str | None, list[str]]:
    """Give the newest frame that this journal sealed, and those of other histories of its log."""
    rows = journal.db.execute(
        "SELECT tip.oid, EXISTS(SELECT 1 FROM entry WHERE entry.space=tip.space"
        " AND entry.seq=tip.seq AND entry.id=tip.id) FROM tip WHERE space=? AND replica=?"
        " ORDER BY tip.seq DESC, tip.oid",
        (space, journal.replica),
    ).fetchall()
    return next((oid for oid, own in rows if own), None), [oid for oid, own in rows if not own]


def _frames(
    logs: Logs, oid: str, space: str, replica: str, after: Head
) -> list[tuple[str, list[Link]]]:
    """Give the frames of a chain after a head, up to the first that does not verify."""
    found = []
    for part in logs.walk(oid, space, replica, after):
        if isinstance(part, Refusal):
            break
        found.append(part)
    return found


def _pending(objects: Objects, logs: Logs, oid: str, link: Link) -> Pending:
    try:
        paths = _carries.decode(link.line).files
    except msgspec.DecodeError:
        paths = ()  # a kind of a later version, whose `files` are something else
    content = {path: objects.file(oid, f"{CONTENT_DIR}/{link.seq}/{path}") for path in paths}
    # A commit that the frame carries for this entry is named in it.
    commits = [parent for parent in logs.parents(oid) if parent.encode() in link.line]
    return Pending(again(link.id, link.line), content=content, commits=commits)
