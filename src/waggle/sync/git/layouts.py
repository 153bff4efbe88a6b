"""Which refs a host takes: found out by pushing an empty commit there and deleting it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from waggle.log.frame import commit_bytes
from waggle.store.config import PREFIX
from waggle.store.repo.git import EMPTY_TREE
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport
from waggle.sync.git.trouble import Trouble

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects

PREFIXES = (PREFIX, "refs/heads/waggle")
"""Where logs may lie, the better one first: branches show up in every list of branches."""
_WHO = b"waggle <probe@waggle.invalid> 0 +0000"


class Layout(Struct, frozen=True, kw_only=True):
    """Whether a remote takes refs under a prefix."""

    prefix: str
    trouble: Trouble | None
    """Why not; None where it does."""
    left: str | None
    """The probe's ref, where the host would not delete it again."""


def find_layouts(
    transport: Transport, objects: Objects, remote: Remote, entropy: Callable[[int], bytes]
) -> list[Layout]:
    """Try every layout at a remote; leaves nothing there, unless the host lets nobody delete."""
    tree = objects.tree({})
    assert tree == EMPTY_TREE  # noqa: S101 - git's own number for it
    commit = objects.commit(commit_bytes(tree=tree, parents=(), who=_WHO, text="probe\n"))
    name = f"probe-{entropy(8).hex()}"
    return [
        _try(transport, msgspec.structs.replace(remote, prefix=prefix), name, commit)
        for prefix in PREFIXES
    ]


def _try(transport: Transport, remote: Remote, name: str, commit: str) -> Layout:
    ref = f"{remote.prefix}/{name}"
    pushed = transport.push(remote, {ref: commit})
    outcome = pushed.refs.get(ref)
    trouble = pushed.trouble or (outcome.trouble if outcome else None)
    if trouble is not None:
        return Layout(prefix=remote.prefix, trouble=trouble, left=None)
    left = ref if transport.drop(remote, ref) is not None else None
    return Layout(prefix=remote.prefix, trouble=None, left=left)
