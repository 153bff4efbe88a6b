"""What happened to the user's repository while agents worked in their own folders.

waggle itself never touches the user's work tree, index, branches, stash, configuration or hooks.
An agent can, so everything is looked at before and after, and differences are reported. The user
may have worked too; the report says what changed, not who did it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from hashlib import blake2b

from msgspec import Struct

from waggle.agents.worktree import LEAVINGS, readable
from waggle.store.repo.git import Git
from waggle.store.repo.locate import Repository


class Snapshot(Struct, frozen=True, kw_only=True):
    """A repository as it stands: refs by name, HEAD, index, files by path, settings, hooks."""

    refs: dict[str, str]
    head: str
    index: str
    files: dict[str, str]
    """Mode and digest of every file that git does not ignore."""
    config: str
    hooks: str


def _digest_of_files(folder: str) -> str:
    hasher = blake2b(digest_size=16)
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(root, name)
            hasher.update(path.encode(errors="surrogateescape"))
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    hasher.update(file.read())
    return hasher.hexdigest()


def _digest_of_settings(repository: Repository) -> str:
    """Give a digest of what tells git how to behave in this repository."""
    hasher = blake2b(digest_size=16)
    for path in (
        os.path.join(repository.common_dir, "config"),
        os.path.join(repository.git_dir, "config.worktree"),
        os.path.join(repository.common_dir, "info", "exclude"),
        os.path.join(repository.common_dir, "info", "attributes"),
    ):
        hasher.update(path.encode(errors="surrogateescape"))
        if os.path.isfile(path):
            with open(path, "rb") as file:
                hasher.update(file.read())
    return hasher.hexdigest()


def _work_tree(repository: Repository) -> tuple[str, dict[str, str]]:
    """Give a digest of the user's index, and all files that git does not ignore.

    Through an index and an object store of our own, so nothing is left in the user's.
    """
    if repository.work_tree is None:
        return "", {}
    git = Git(repository.git_dir, repository.work_tree)
    staged = blake2b(git.run("ls-files", "--stage", "-z"), digest_size=16).hexdigest()
    with tempfile.TemporaryDirectory(prefix="waggle-") as folder:
        index = os.path.join(folder, "index")
        own = os.path.join(repository.git_dir, "index")
        if os.path.exists(own):
            shutil.copyfile(own, index)
        env = {
            "GIT_INDEX_FILE": index,
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(repository.common_dir, "objects"),
        }
        git.call("add", "--all", "--ignore-errors", "--", ".", *LEAVINGS, env=env, ok=(0, 1))
        rows = git.text("ls-files", "--stage", "-z", env=env).split("\0")
        pairs = (row.partition("\t") for row in rows if row)
        return staged, {path: meta for meta, _, path in pairs}


def look(repository: Repository) -> Snapshot:
    """Take a snapshot."""
    git = Git(repository.git_dir)
    rows = git.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    pairs = (row.split(" ", 1) for row in rows)
    refs = {name: oid for oid, name in pairs if not name.startswith("refs/waggle")}
    index, files = _work_tree(repository)
    common = repository.common_dir
    with open(os.path.join(repository.git_dir, "HEAD"), "rb") as file:
        head = file.read().decode(errors="replace").strip()
    return Snapshot(
        refs=refs,
        head=head,
        index=index,
        files=files,
        config=_digest_of_settings(repository),
        hooks=_digest_of_files(os.path.join(common, "hooks")),
    )


def compare(before: Snapshot, after: Snapshot) -> list[str]:
    """Say what differs between two snapshots, a sentence each."""
    said = []
    for name in sorted(before.refs.keys() | after.refs.keys()):
        old, new = before.refs.get(name), after.refs.get(name)
        if old is None and new is not None:
            said.append(f"{name} appeared, at {new[:12]}")
        elif old is not None and new is None:
            said.append(f"{name} is gone, it was at {old[:12]}")
        elif old is not None and new is not None and old != new:
            said.append(f"{name} moved from {old[:12]} to {new[:12]}")
    if before.head != after.head:
        said.append(f"HEAD was {before.head}, is {after.head}")
    if before.index != after.index:
        said.append("the index (what is staged) changed")
    paths = sorted(dict(before.files.items() ^ after.files.items()))
    if paths:
        shown = ", ".join(readable(path) for path in paths[:5])
        said.append(f"{len(paths)} files of the work tree changed: {shown}")
    if before.config != after.config:
        said.append("the repository's configuration changed")
    if before.hooks != after.hooks:
        said.append("the repository's hooks changed")
    return said
