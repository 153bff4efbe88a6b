"""Git objects and refs, synced before anyone is told that they are there.

Objects go through libgit2 (in process, with fsync); refs go through `git update-ref`, because
libgit2's creation of a ref is not atomic. git's own default syncs neither, so both are asked for,
and the folders that name new files are synced too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pygit2
from pygit2.enums import ObjectType

from waggle.base.errors import WaggleError
from waggle.store.git import ZERO, Git
from waggle.store.identity import sync_folder

_BLOB, _TREE, _LINK = 0o100644, 0o040000, 0o160000


class MissingObjectError(Exception):
    """An object that a frame needs is not in the repository."""


class Objects:
    """The object database and the refs of one repository."""

    def __init__(self, common_dir: str) -> None:
        self.common_dir = common_dir
        self.git = Git(common_dir)
        pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003 - pygit2's own signature
        try:
            self.repository = pygit2.Repository(common_dir)
        except pygit2.GitError as error:
            raise WaggleError(
                "environment",
                f"libgit2 cannot open {common_dir}: {error}",
                "waggle needs a repository with SHA-1 objects that belongs to this user.",
            ) from error

    def _write(self, kind: ObjectType, data: bytes) -> str:
        try:
            return str(self.repository.write(kind, data))
        except (pygit2.GitError, OSError) as error:
            raise WaggleError(
                "environment",
                f"git objects cannot be written: {error}",
                "Free disk space or make .git/objects writable; the journal keeps every entry.",
            ) from error

    def blob(self, data: bytes) -> str:
        """Write a blob and give its id."""
        return self._write(ObjectType.BLOB, data)

    def commit(self, data: bytes) -> str:
        """Write the bytes of a commit object and give its id."""
        return self._write(ObjectType.COMMIT, data)

    def tree(self, files: Mapping[str, bytes]) -> str:
        """Write the tree of a set of files (slash-separated paths) and give its id."""
        here: list[tuple[str, str, int]] = []
        below: dict[str, dict[str, bytes]] = {}
        for path, data in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = data
            else:
                here.append((name, self.blob(data), _BLOB))
        here += [(name, self.tree(inner), _TREE) for name, inner in below.items()]
        builder = self.repository.TreeBuilder()
        for name, oid, mode in here:
            builder.insert(name, pygit2.Oid(hex=oid), mode)
        return str(builder.write())

    def sync(self) -> None:
        """Make the fan-out folders' names durable; libgit2 has synced what lies in them."""
        sync_folder(os.path.join(self.common_dir, "objects"))

    def raw(self, oid: str) -> bytes:
        """Give an object's bytes; raise MissingObjectError."""
        try:
            return self.repository.odb.read(pygit2.Oid(hex=oid))[1]
        except (KeyError, pygit2.GitError, ValueError) as error:
            raise MissingObjectError(oid) from error

    def has(self, oid: str) -> bool:
        """Tell whether the object is there, looking at the disk again if need be."""
        return bool(self.repository.odb.exists(pygit2.Oid(hex=oid)))

    def file(self, commit: str, path: str) -> bytes:
        """Give a file of a commit's tree; raise MissingObjectError."""
        try:
            tree = self.repository[pygit2.Oid(hex=commit)].peel(pygit2.Tree)
            return tree[path].peel(pygit2.Blob).data
        except (KeyError, pygit2.GitError, ValueError) as error:
            raise MissingObjectError(f"{commit}:{path}") from error

    def refs(self, prefix: str) -> dict[str, str]:
        """Give the refs under a prefix, name to object id."""
        out = self.git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (row.split(" ", 1) for row in out.splitlines())
        return {name: oid for oid, name in pairs}

    def ref(self, name: str) -> str | None:
        """Give what a ref points at, or None."""
        status, out = self.git.call("rev-parse", "--verify", "--quiet", name, ok=(0, 1, 128))
        return None if status else out.decode().strip()

    def move_ref(self, name: str, new: str, old: str | None) -> None:
        """Compare and swap a ref, durably; `old` None means that it must not exist."""
        self.git.run("update-ref", "--no-deref", name, new, old or ZERO)
        self._sync_ref(name)

    def set_ref(self, name: str, new: str) -> None:
        """Point a replaceable local ref at `new`, durably."""
        self.git.run("update-ref", "--no-deref", name, new)
        self._sync_ref(name)

    def drop_refs(self, names: Sequence[str]) -> None:
        """Delete local refs of waggle's own."""
        script = "".join(f"delete {name}\n" for name in names)
        self.git.run("update-ref", "--no-deref", "--stdin", data=script.encode())

    def _sync_ref(self, name: str) -> None:
        # A ref is a loose file here, or stands in a table that git synced itself.
        path = os.path.join(self.common_dir, *name.split("/"))
        try:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        except FileNotFoundError:
            return
        while (path := os.path.dirname(path)) != self.common_dir:
            sync_folder(path)
