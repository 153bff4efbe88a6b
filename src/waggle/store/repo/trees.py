"""The bytes of git's tree objects, read without git: they may come from strangers."""

from __future__ import annotations

import re

BLOB, TREE = b"100644", b"40000"
"""Modes of what a tree of waggle's holds: plain files and folders."""
_UNSEEN = re.compile(rb"[^!-~]+")


def tree_entries(tree: bytes) -> list[tuple[bool, str]]:
    """Give (whether it is a tree, id) of what a tree of waggle's holds; raise ValueError.

    Nothing but folders and plain files with one name each, in git's order, is such a tree; and no
    name that git's fsck may refuse (fsck.c, fsck_tree), or a host would refuse our push.
    """
    found = entries(tree)
    names = [name + b"/" * (mode == TREE) for name, (mode, _) in found.items()]
    plain = all(mode in {TREE, BLOB} for mode, _ in found.values())
    plain = plain and all(map(_is_plain, found))
    rows = [b"%b %b\0%b" % (mode, name, bytes.fromhex(oid)) for name, (mode, oid) in found.items()]
    if not plain or names != sorted(names) or b"".join(rows) != tree:
        raise ValueError("a tree holds more than plain files and folders")
    return [(mode == TREE, oid) for mode, oid in found.values()]


def _is_plain(name: bytes) -> bool:
    """Tell whether no system takes a file's name for a path, for `.git`, or for a file of git's.

    HFS+ ignores some characters beyond ASCII and NTFS has short names, so this is more strict than
    git; what it leaves out comes by git.
    """
    seen = _UNSEEN.sub(b"", name).lower()
    steps = not name or name in {b".", b".."} or b"/" in name or b"\\" in name
    return not steps and len(name) <= 255 and not seen.startswith((b".git", b"git~"))


def entries(tree: bytes) -> dict[bytes, tuple[bytes, str]]:
    """Give a tree's entries, name to mode and object id; raise ValueError on other bytes."""
    found, at = {}, 0
    while at < len(tree):
        end = tree.find(b"\0", at)  # no slice of the rest: a large tree would take its square
        if end < 0 or len(tree) < end + 21:
            raise ValueError("not a tree")
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 21
        found[name] = (mode, tree[end + 1 : at].hex())
    return found
