"""Git objects, synced before anyone is told that they are there.

They go through libgit2, in process and with fsync; git's own default syncs none. The folders that
name new files are synced, too.

An object that is there already may be torn (a power cut) or not durable yet (git wrote it, or we
did and were killed), so it is read and compared before it counts, and synced with the rest.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from hashlib import sha1

import pygit2
from pygit2.enums import ObjectType

from waggle.base.errors import WaggleError
from waggle.base.ids import is_hex
from waggle.base.limits import CONTENT_BYTES_HARD_MAX
from waggle.store.disk import sync_folder
from waggle.store.repo.git import (
    FOLDER_BYTES_MAX,
    Git,
    MissingObjectError,
    TooLargeError,
)
from waggle.store.repo.refs import Refs
from waggle.store.repo.trees import BLOB, TREE, entries

OID_CHARS = 40
_WRITE_TRIES = 5
_NAMES = {
    ObjectType.BLOB: b"blob",
    ObjectType.TREE: b"tree",
    ObjectType.COMMIT: b"commit",
    ObjectType.TAG: b"tag",
}
_HEADER_BYTES = 64
"""git's header of a loose object (`blob 123` and a NUL) is shorter."""


class Objects:
    """The object database of one repository, and beside it its refs."""

    def __init__(self, common_dir: str) -> None:
        self.common_dir = common_dir
        self.git = Git(common_dir)
        self.refs = Refs(common_dir, self.git)
        self._reused: list[str] = []
        self._wrote = False
        pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003 - pygit2's own signature
        # What was read back must have come from the disk, not from this process's memory.
        pygit2.settings.enable_caching(False)  # noqa: FBT003 - pygit2's own signature
        # A partial clone lacks old blobs of the user's; our own objects are all there.
        pygit2.settings.set_extensions(["partialclone"])
        try:
            self.repository = pygit2.Repository(common_dir)
        except pygit2.GitError as error:
            raise WaggleError(
                "environment",
                f"libgit2 cannot open {common_dir}: {error}",
                "waggle needs a repository with SHA-1 objects that belongs to this user.",
            ) from error

    def _write(self, kind: ObjectType, data: bytes) -> str:
        oid = sha1(
            b"%b %d\0%b" % (_NAMES[kind], len(data), data), usedforsecurity=False
        ).hexdigest()
        for tries_left in reversed(range(_WRITE_TRIES)):
            try:
                if self._holds(oid, data):
                    self._reused.append(oid)
                    return oid
                self._remove_torn(oid)
                self._wrote = True
                return str(self.repository.write(kind, data))
            except (pygit2.GitError, OSError) as error:
                # `git gc` takes empty folders away, also the one that is being written to.
                if not tries_left:
                    raise WaggleError(
                        "environment",
                        f"git objects cannot be written: {error}",
                        "Free disk space or make .git/objects writable; the journal keeps all.",
                    ) from error
        raise AssertionError("the last try has returned or raised")

    def _remove_torn(self, oid: str) -> None:
        """Remove a file that cannot be read: libgit2 would take it for the object."""
        path = self._loose(oid)
        if os.path.exists(path):
            os.chmod(path, 0o600)
            os.remove(path)

    def _holds(self, oid: str, data: bytes) -> bool:
        try:
            return self.raw(oid) == data
        except MissingObjectError:
            return False

    def _loose(self, oid: str) -> str:
        return os.path.join(self.common_dir, "objects", oid[:2], oid[2:])

    def blob(self, data: bytes) -> str:
        """Write a blob and give its id."""
        return self._write(ObjectType.BLOB, data)

    def commit(self, data: bytes) -> str:
        """Write the bytes of a commit object and give its id."""
        return self._write(ObjectType.COMMIT, data)

    def whole_tree(self, data: bytes) -> str:
        """Write the bytes of a tree object and give its id."""
        return self._write(ObjectType.TREE, data)

    def tree(self, files: Mapping[str, bytes]) -> str:
        """Write the tree of a set of files (slash-separated paths) and give its id."""
        here: list[tuple[bytes, bytes, str]] = []
        below: dict[str, dict[str, bytes]] = {}
        for path, data in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = data
            else:
                here.append((os.fsencode(name), BLOB, self.blob(data)))
        here += [(os.fsencode(name), TREE, self.tree(inner)) for name, inner in below.items()]
        # git sorts a folder as if its name ended in a slash.
        here.sort(key=lambda item: item[0] + b"/" * (item[1] == TREE))
        rows = [b"%b %b\0%b" % (mode, name, bytes.fromhex(oid)) for name, mode, oid in here]
        return self._write(ObjectType.TREE, b"".join(rows))

    def sync(self, *, reused: bool = True) -> None:
        """Make durable what was written; libgit2 has synced all but the names of new folders.

        `reused`: also what was there before; needless where it is known to have been synced once.
        """
        known, self._reused = self._reused if reused else [], []
        for oid in dict.fromkeys(known):
            self._sync_loose(oid)
        if known or self._wrote:
            sync_folder(os.path.join(self.common_dir, "objects"))
        self._wrote = False

    def _sync_loose(self, oid: str) -> None:
        path = self._loose(oid)
        try:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            sync_folder(os.path.dirname(path))
        except FileNotFoundError:
            return  # it lies in a pack, which git has synced

    def raw(self, oid: str, bytes_max: int | None = None) -> bytes:
        """Give an object's bytes; raise MissingObjectError.

        With `bytes_max`, raise TooLargeError where its header states more: a few KiB of deflated
        zeros are 100 MB, and whoever pushes to a remote of ours may send them.
        """
        return self._read(oid, bytes_max)[1]

    def is_commit(self, oid: str) -> bool:
        """Tell whether an object is a commit of at most FOLDER_BYTES_MAX, or raise as `raw`."""
        try:
            return self._read(oid, FOLDER_BYTES_MAX)[0] == _NAMES[ObjectType.COMMIT]
        except TooLargeError:
            return False  # a person's commit has a message of some lines; git carries the others

    def _read(self, oid: str, bytes_max: int | None) -> tuple[bytes, bytes]:
        """Give the name of an object's type, and its bytes."""
        if not is_hex(oid, OID_CHARS):
            raise MissingObjectError(oid)  # it came out of a stranger's bytes, and names a path
        loose = self._read_loose(oid, bytes_max)
        if loose is not None:
            return loose
        try:
            odb, name = self.repository.odb, pygit2.Oid(hex=oid)
            if bytes_max is not None:
                _check_size(oid, odb.read_header(name)[1], bytes_max)
            kind, data = odb.read(name)
            return _NAMES[ObjectType(kind)], data
        except TooLargeError:
            raise
        except (KeyError, pygit2.GitError, ValueError) as error:
            raise MissingObjectError(oid) from error

    def _read_loose(self, oid: str, bytes_max: int | None) -> tuple[bytes, bytes] | None:
        """Give a loose object's type and bytes, None where there is no such file.

        Not through libgit2, which reads a torn one for ever (mended by its pull request 7346).
        """
        try:
            with open(self._loose(oid), "rb") as file:
                if bytes_max is not None:
                    _check_size(oid, _stated_size(file.read(_HEADER_BYTES)), bytes_max)
                    file.seek(0)
                packed = file.read()
        except FileNotFoundError:
            return None
        try:
            whole = zlib.decompress(packed)
        except zlib.error:
            return self._read_torn(oid, bytes_max)
        if sha1(whole, usedforsecurity=False).hexdigest() != oid:
            return self._read_torn(oid, bytes_max)
        head, _, data = whole.partition(b"\0")
        return head.partition(b" ")[0], data

    def _read_torn(self, oid: str, bytes_max: int | None) -> tuple[bytes, bytes]:
        """Give an object whose loose file is torn: perhaps it lies in a pack too."""
        kind, size, _ = self._cat(oid, "--batch-check")
        if bytes_max is not None:
            _check_size(oid, size, bytes_max)
        return kind, self._cat(oid, "--batch")[2][:-1]

    def _cat(self, oid: str, how: str) -> tuple[bytes, int, bytes]:
        """Ask git for an object: its type, its size, and what follows on that."""
        status, out = self.git.call("cat-file", how, data=f"{oid}\n".encode(), ok=(0, 128))
        head, _, data = out.partition(b"\n")
        words = head.split()
        if status or len(words) != 3:
            raise MissingObjectError(oid)
        return words[1], int(words[2]), data

    def readable(self, oid: str) -> bool:
        """Tell whether the object can be read, which a torn one cannot."""
        try:
            self.raw(oid)
        except MissingObjectError:
            return False
        return True

    def has(self, oid: str) -> bool:
        """Tell whether the object is there, looking at the disk again if need be."""
        return bool(self.repository.odb.exists(pygit2.Oid(hex=oid)))

    def file(self, commit: str, path: str, bytes_max: int = CONTENT_BYTES_HARD_MAX) -> bytes:
        """Give a file of a commit's tree; raise MissingObjectError, or TooLargeError.

        The latter, too, where the commit or a folder on the way has over FOLDER_BYTES_MAX.
        """
        try:
            here, mode = self.raw(commit, FOLDER_BYTES_MAX)[5:45].decode(), TREE
            for name in path.split("/"):
                mode, here = entries(self.raw(here, FOLDER_BYTES_MAX))[os.fsencode(name)]
            if mode == TREE:
                raise KeyError(path)
            return self.raw(here, bytes_max)
        except TooLargeError:
            raise
        except (KeyError, ValueError, MissingObjectError) as error:
            raise MissingObjectError(f"{commit}:{path}") from error


def _stated_size(deflated: bytes) -> int:
    """Give the size that the start of a loose object states, 0 where it states none: it is torn."""
    try:
        head = zlib.decompressobj().decompress(deflated, _HEADER_BYTES)
    except zlib.error:
        return 0  # whoever reads the whole finds it torn, too
    size = head.partition(b"\0")[0].partition(b" ")[2]
    return int(size) if size.isdigit() else 0


def _check_size(oid: str, size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise TooLargeError(oid, size, bytes_max)
