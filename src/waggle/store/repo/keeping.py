"""Holding commits that are named in the journal, until a frame in git carries them.

They go into a pack of their own with a `.keep` file, which no `git gc` touches: a ref would come
too late for one that is running.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from waggle.base.errors import WaggleError
from waggle.store.disk import sync_folder
from waggle.store.repo import leftovers
from waggle.store.repo.git import GitFailedError

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects

_TRIES = 5
_NOTE = "waggle-carries"
"""Starts the `.keep` file of a pack that is ours; the commits that it is kept for follow."""


def keep(objects: Objects, commits: Sequence[str]) -> None:
    """Hold commits, and make all that is new in them durable, until a frame carries them.

    Raises `not_found` where git does not have the whole of a commit.
    """
    tips = objects.git.text(
        "for-each-ref", "--format=%(objectname)", "refs/remotes", "refs/tags", "refs/waggle/"
    ).split()
    # A ref whose frame git lost excludes nothing; the next sealing mends it.
    known = [f"^{oid}" for oid in dict.fromkeys(tips) if objects.readable(oid)]
    wanted = "\n".join((*commits, *known)).encode()
    listing = ("rev-list", "--objects", "--no-object-names", "--unpacked", "--stdin")
    try:
        listed = objects.git.run(*listing, data=wanted)
        pack = objects.git.run("pack-objects", "--quiet", "--stdout", data=listed)
    except GitFailedError as error:
        raise WaggleError(
            "not_found",
            f"git does not have the whole of {', '.join(commits)}: {error.message}",
            "Make the commit again, then publish it; nothing was appended.",
        ) from error
    if listed:
        _keep_pack(objects, pack, " ".join((_NOTE, *commits)))


def _keep_pack(objects: Objects, pack: bytes, note: str) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            objects.git.run("index-pack", "--stdin", f"--keep={note}", data=pack)
        except GitFailedError:
            # `git gc --prune=now` takes the temporary files of others away, too.
            if not tries_left:
                raise
        else:
            break
    sync_folder(os.path.join(objects.common_dir, "objects", "pack"))


def let_go(objects: Objects, commits: Sequence[str]) -> None:
    """Leave to git what `keep` holds of these commits: frames carry them now."""
    folder = os.path.join(objects.common_dir, "objects", "pack")
    if not commits or not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        if not name.endswith(".keep"):
            continue
        path = os.path.join(folder, name)
        mark, *held = leftovers.head(path).decode(errors="replace").split() or [""]
        if mark == _NOTE and set(held) <= set(commits):
            os.remove(path)
