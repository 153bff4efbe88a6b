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

from waggle.agents.worktree import LEAVINGS
from waggle.store.git import Git
from waggle.store.locate import Repository


class Snapshot(Struct, frozen=True, kw_only=True):
    """A repository as it stands: refs by name, HEAD, index, files by path, configuration, hooks."""

    refs: dict[str, str]
    head: str
    index: str
    tree: str
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


def _digest_of_file(path: str) -> str:
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return blake2b(file.read(), digest_size=16).hexdigest()


def _work_tree(repository: Repository) -> tuple[str, str]:
    """Give digests of the user's index and of all files that git does not ignore."""
    if repository.work_tree is None:
        return "", ""
    git = Git(repository.git_dir, repository.work_tree)
    staged = blake2b(git.run("ls-files", "--stage", "-z"), digest_size=16).hexdigest()
    with tempfile.TemporaryDirectory(prefix="waggle-") as folder:
        index = os.path.join(folder, "index")
        own = os.path.join(repository.git_dir, "index")
        if os.path.exists(own):
            shutil.copyfile(own, index)
        env = {"GIT_INDEX_FILE": index}
        git.call("add", "--all", "--ignore-errors", "--", ".", *LEAVINGS, env=env, ok=(0, 1))
        return staged, git.text("write-tree", env=env)


def look(repository: Repository) -> Snapshot:
    """Take a snapshot."""
    git = Git(repository.git_dir)
    rows = git.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    pairs = (row.split(" ", 1) for row in rows)
    refs = {name: oid for oid, name in pairs if not name.startswith("refs/waggle")}
    index, tree = _work_tree(repository)
    common = repository.common_dir
    with open(os.path.join(repository.git_dir, "HEAD"), "rb") as file:
        head = file.read().decode(errors="replace").strip()
    return Snapshot(
        refs=refs,
        head=head,
        index=index,
        tree=tree,
        config=_digest_of_file(os.path.join(common, "config")),
        hooks=_digest_of_files(os.path.join(common, "hooks")),
    )


def compare(repository: Repository, before: Snapshot, after: Snapshot) -> list[str]:
    """Say what differs between two snapshots, a sentence each."""
    said = []
    for name in sorted(before.refs.keys() | after.refs.keys()):
        old, new = before.refs.get(name), after.refs.get(name)
        if old != new:
            what = "appeared" if old is None else "is gone" if new is None else "moved"
            said.append(f"{name} {what} ({(old or new or '')[:12]} before, now {(new or '')[:12]})")
    if before.head != after.head:
        said.append(f"HEAD was {before.head}, is {after.head}")
    if before.index != after.index:
        said.append("the index (what is staged) changed")
    if before.tree != after.tree:
        rows = Git(repository.common_dir).text("diff", "--name-only", before.tree, after.tree)
        paths = rows.splitlines()
        said.append(f"{len(paths)} files of the work tree changed: {', '.join(paths[:5])}")
    if before.config != after.config:
        said.append("the repository's configuration changed")
    if before.hooks != after.hooks:
        said.append("the repository's hooks changed")
    return said
