"""Refs, moved by `git update-ref` and synced before anyone is told that they are there.

Not by libgit2, whose creation of a ref is not atomic. git's own default syncs none, so that is
asked for, and the folders that name new files are synced, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from waggle.base.errors import WaggleError
from waggle.store.disk import sync_folder
from waggle.store.repo import leftovers
from waggle.store.repo.git import ZERO, Git, GitFailedError


class Refs:
    """The refs of one repository."""

    def __init__(self, common_dir: str, git: Git) -> None:
        self._common_dir = common_dir
        self._git = git

    def under(self, *prefixes: str) -> dict[str, str]:
        """Give the refs under any of these prefixes, name to object id, by one process.

        A name that is no UTF-8 is given with escapes (no ref has a backslash): strangers choose
        names, too, and they are shown.
        """
        out = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *prefixes)
        rows = out.decode(errors="backslashreplace").split("\n")  # the only break in no name
        pairs = (row.split(" ", 1) for row in rows if row)
        return {name: oid for oid, name in pairs}

    def get(self, name: str) -> str | None:
        """Give what a ref points at, or None; None too where its file is broken."""
        found = leftovers.REF.fullmatch(leftovers.head(self._path(name)))
        if found and found[1]:
            return found[1].decode()
        status, out = self._git.call("rev-parse", "--verify", "--quiet", name, ok=(0, 1, 128))
        return None if status else out.decode().strip()

    def move(self, name: str, new: str, old: str | None) -> None:
        """Compare and swap a ref, durably; `old` None means that it must not exist.

        Raises `busy` where another process holds the ref's lock, or died with it a moment ago.
        """
        try:
            self._git.run("update-ref", "--no-deref", name, new, old or ZERO)
        except GitFailedError as error:
            lock = self._path(name) + ".lock"
            if not os.path.exists(lock):
                raise
            raise WaggleError(
                "busy",
                f"{lock} is there: git is at work on this ref, or was killed while it was",
                "Nothing is lost; repeat in a while. Once it is older than "
                f"{leftovers.LOCK_STALE_S} s and no git runs in this repository, it is cleared.",
            ) from error
        self.sync(name)

    def mend(self, name: str) -> None:
        """Clear what a crash left of a ref of our own, where it is old enough (leftovers.py)."""
        leftovers.mend_ref_file(self._common_dir, self._path(name))

    def point(self, name: str, new: str) -> None:
        """Point a replaceable local ref at `new`, durably."""
        self._git.run("update-ref", "--no-deref", name, new)
        self.sync(name)

    def move_all(self, moves: Sequence[tuple[str, str, str | None]]) -> None:
        """Compare and swap many refs (name, new, old); raise as `move` does.

        All at once; one by one where a crash left a lock or a torn ref among them.
        """
        if not moves:
            return
        script = "".join(f"update {name} {new} {old or ZERO}\n" for name, new, old in moves)
        try:
            self._git.run("update-ref", "--no-deref", "--stdin", data=script.encode())
        except GitFailedError:
            for name, new, _ in moves:
                self.mend(name)
                if (now := self.get(name)) != new:
                    self.move(name, new, now)

    def point_all(self, refs: Mapping[str, str]) -> None:
        """Point replaceable local refs at commits; a crash may take this back."""
        if refs:
            script = "".join(f"update {name} {oid}\n" for name, oid in refs.items())
            self._git.run("update-ref", "--no-deref", "--stdin", data=script.encode())

    def drop(self, names: Sequence[str]) -> None:
        """Delete local refs of waggle's own."""
        script = "".join(f"delete {name}\n" for name in names)
        self._git.run("update-ref", "--no-deref", "--stdin", data=script.encode())

    def _path(self, name: str) -> str:
        return os.path.join(self._common_dir, *name.split("/"))

    def sync(self, name: str) -> None:
        """Make a ref durable; git has done so itself where it keeps refs in a table."""
        path = self._path(name)
        try:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            while (path := os.path.dirname(path)) != self._common_dir:
                sync_folder(path)
        except FileNotFoundError:
            return  # git keeps it elsewhere, or has moved it into packed-refs just now
