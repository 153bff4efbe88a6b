"""Frames on the live path, verbatim: whoever takes one has what git would have brought.

A frame is taken only whole: with its tree, and with every commit that it goes on from or carries
already here. Otherwise its ref could not be pushed, and git would call the repository broken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Literal

from waggle.base.errors import WaggleError
from waggle.log.frame import identity
from waggle.store.frames.discovery import advance, tips_of
from waggle.store.frames.logs import Logs, parents_of, signed_statement
from waggle.store.frames.sealing import ref_name
from waggle.store.own.lock import locked
from waggle.store.repo.git import FOLDER_BYTES_MAX, MissingObjectError
from waggle.store.repo.trees import tree_entries
from waggle.sync.live import wire
from waggle.sync.live.wire import Frame

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects
    from waggle.store.space import Space

Taken = Literal["new", "old", "gap", "partial", "refused"]
Kind = Literal["tree", "blob"]
_HEAD = re.compile(
    rb"tree [0-9a-f]{40}(?:\nparent [0-9a-f]{40})*"
    rb"\nauthor (.+> (0|[1-9][0-9]{0,11}) \+0000)\ncommitter (.+)"
    rb"\ngpgsig -----BEGIN SSH SIGNATURE-----(?:\n [!-~][ -~]*)+"
)
"""The header of a frame's commit, as git's fsck wants it (fsck.c, fsck_commit)."""


def read_frames(space: Space, replica: str, oids: Sequence[str]) -> list[bytes]:
    """Give frames of a log as messages; ends before one that does not fit into a message."""
    messages: list[bytes] = []
    for oid in oids:
        try:
            commit = space.objects.raw(oid, FOLDER_BYTES_MAX)
            trees, blobs = _below(space.objects, commit[5:45].decode())
            frame = Frame(
                space=space.name, replica=replica, commit=commit, trees=trees, blobs=blobs
            )
            messages.append(wire.encode(frame))
        except (MissingObjectError, WaggleError, ValueError):
            # Git carries it, and what comes after it. Its writer may have made a frame that is
            # right in its entries and too large, or no plain tree, in what lies beside them.
            break
    return messages


def _below(objects: Objects, tree: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Give the bytes of a tree, and of all trees and blobs below it."""
    trees, blobs, waiting = [], [], [tree]
    while waiting:
        data = objects.raw(waiting.pop(), FOLDER_BYTES_MAX)
        trees.append(data)
        for is_tree, oid in tree_entries(data):
            if is_tree:
                waiting.append(oid)
            else:
                blobs.append(objects.raw(oid, wire.MESSAGE_BYTES_MAX))
    return tuple(trees), tuple(blobs)


def take_frame(space: Space, frame: Frame) -> Taken:
    """Write a frame that came by the live path, verify it as any other, and adopt it.

    `partial`: it carries commits that only git brings; `gap`: a frame before it is missing.
    """
    if frame.replica == space.journal.replica:
        return "old"
    try:
        statement = signed_statement(frame.commit, space.name, frame.replica)
        _check_form(frame)
        objects = _complete(frame)
    except ValueError:
        return "refused"  # counted by who called; whoever sent it may be anybody
    with locked(space.store_dir, "seal"):
        tips = tips_of(space.journal, (space.name, frame.replica))
        oid, seq = (tips[0][0], tips[0][1]) if tips else (None, 0)
        if statement.last <= seq:
            return "old"
        parents = parents_of(frame.commit)
        if statement.first != seq + 1 or (oid is not None and parents[:1] != [oid]):
            return "gap"
        try:
            fits = all(map(space.objects.is_commit, parents))
        except MissingObjectError:
            return "partial"
        return _adopt(space, frame, objects, oid) if fits else "refused"


def _adopt(
    space: Space, frame: Frame, below: Sequence[tuple[Kind, bytes]], before: str | None
) -> Taken:
    """Write a frame's objects, and move the tip and the ref of its log from `before` to it."""
    for kind, data in below:
        (space.objects.whole_tree if kind == "tree" else space.objects.blob)(data)
    oid = space.objects.commit(frame.commit)
    space.objects.sync()
    step = advance(space.journal, Logs(space.objects), (space.name, frame.replica), oid)
    if step.how != "moved":
        return "refused"
    name = ref_name(space.name, frame.replica)
    space.objects.refs.move_all([(name, oid, before)])
    return "new"


def _check_form(frame: Frame) -> None:
    """Raise ValueError unless git's fsck passes a frame's commit: as `commit_bytes` makes them.

    A host that checks what it is sent would refuse the whole push that carries it.
    """
    head, _, text = frame.commit.partition(b"\n\n")
    found = _HEAD.fullmatch(head)
    neutral = found and identity(frame.replica, int(found[2])) == found[1] == found[3]
    if not neutral or b"\0" in text:
        raise ValueError("the commit is not written as waggle writes it")


def _complete(frame: Frame) -> list[tuple[Kind, bytes]]:
    """Give the objects below a frame's commit, blobs first; raise ValueError where one lacks.

    What the message holds besides is left out: nothing is written that nothing refers to.
    """
    trees = {_id(b"tree", data): data for data in frame.trees}
    blobs = {_id(b"blob", data): data for data in frame.blobs}
    found: list[tuple[Kind, bytes]] = []
    taken: set[str] = set()
    waiting = [frame.commit[5:45].decode()]
    while waiting:
        tree = trees.pop(waiting.pop(), None)
        if tree is None or len(tree) > FOLDER_BYTES_MAX:
            raise ValueError("a tree is missing, stands twice, or is too large")
        found.append(("tree", tree))
        for is_tree, oid in tree_entries(tree):
            if is_tree:
                waiting.append(oid)
            elif oid in blobs:
                found.append(("blob", blobs.pop(oid)))
                taken.add(oid)
            elif oid not in taken:
                raise ValueError("a file is missing")
    return found[::-1]


def _id(kind: bytes, data: bytes) -> str:
    return sha1(b"%b %d\0%b" % (kind, len(data), data), usedforsecurity=False).hexdigest()
