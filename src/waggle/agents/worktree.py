"""Worktrees for agents: made outside the user's repository, read without disturbing anyone.

What an agent did is captured through an index of our own, so neither the agent's index nor the
user's is touched, and objects land in the user's repository whatever the agent's folder is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from waggle.agents.protect import Change
from waggle.base.errors import WaggleError
from waggle.store.own.lock import locked
from waggle.store.repo.git import EMPTY_TREE, Git, GitFailedError
from waggle.store.repo.locate import Repository, find

LEAVINGS = (":(exclude,glob)**/.aider*",)
"""Files of agents' own that are no part of their results."""
PLAIN = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv")
"""A difference of commits as it is: plumbing, so the user's settings of `git diff` have no say."""
DIFF = (*PLAIN, "-p", "-M", "--text", "--unified=0")
"""A diff that nothing in the candidate (attributes, drivers) can hide content from."""
AUTHOR = {
    "GIT_AUTHOR_NAME": "candidate",
    "GIT_AUTHOR_EMAIL": "candidate@waggle.invalid",
    "GIT_COMMITTER_NAME": "candidate",
    "GIT_COMMITTER_EMAIL": "candidate@waggle.invalid",
}
"""Candidate commits carry a neutral author, for blind voting."""


class Worktree(Struct, frozen=True, kw_only=True):
    """A folder that holds a checkout of `base`; `index` is ours, beside the folder."""

    path: str
    base: str
    index: str


_registering = threading.Lock()


@contextlib.contextmanager
def _registry(repository: Repository) -> Iterator[None]:
    """Hold git's list of worktrees: git fails now and then when two are made at once."""
    with _registering, locked(repository.store_dir, "worktrees"):
        yield


def main_git(repository: Repository) -> Git:
    """Give git at the repository itself, for objects and refs."""
    return Git(repository.common_dir)


def head_commit(repository: Repository) -> str:
    """Give the commit the user stands on; raise `not_found` where there is none yet."""
    status, out = Git(repository.git_dir).call(
        "rev-parse", "--verify", "--quiet", "HEAD^{commit}", ok=(0, 1, 128)
    )
    if status:
        raise WaggleError(
            "not_found",
            "this repository has no commit yet, so there is nothing for agents to start from",
            "Make a first commit (it may be empty: git commit --allow-empty), then repeat.",
        )
    return out.decode().strip()


def add(repository: Repository, path: str, base: str, *, clone: bool = False) -> Worktree:
    """Make a worktree of `base` at `path`, or a clone of its own; hooks do not run."""
    git = main_git(repository)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if clone:
        git.run("clone", "--quiet", "--no-checkout", "--", repository.common_dir, path)
        own = find(path, {})
        Git(own.git_dir, path).run("checkout", "--quiet", "--detach", base)
    else:
        with _registry(repository):
            git.run("worktree", "add", "--quiet", "--detach", "--", path, base)
        own = find(path, {})
    tree = Worktree(path=path, base=base, index=f"{path}.index")
    # A copy of the fresh index spares the first capture from reading every file again.
    own_index = os.path.join(own.git_dir, "index")
    if os.path.exists(own_index):
        shutil.copyfile(own_index, tree.index)
    return tree


def mark_ready(tree: Worktree) -> None:
    """Note that a worktree is whole and set up: only such a one is taken over after a crash."""
    with open(f"{tree.path}.ready", "wb"):
        return


def existing(path: str, base: str) -> Worktree | None:
    """Give a worktree that is still there, whole, from before a crash."""
    if not (os.path.exists(f"{path}.ready") and os.path.exists(os.path.join(path, ".git"))):
        return None
    tree = Worktree(path=path, base=base, index=f"{path}.index")
    look_afresh(tree)
    return tree


def look_afresh(tree: Worktree) -> None:
    """Let the next capture compare with the base: what came of the last one is not known.

    Its index may be ahead of the last checkpoint, or locked: it was cut off in between.
    """
    for stale in (tree.index, f"{tree.index}.lock"):
        with contextlib.suppress(FileNotFoundError):  # it was cut off elsewhere
            os.remove(stale)


def remove(repository: Repository, path: str) -> None:
    """Take a worktree of ours away; what was in it has been captured."""
    if os.path.lexists(path):
        # Forced twice: a worktree whose making was killed is still locked by git itself.
        git = main_git(repository)
        with _registry(repository):
            git.call("worktree", "remove", "--force", "--force", "--", path, ok=(0, 128))
        shutil.rmtree(path, ignore_errors=True)
    for beside in (f"{path}.ready", f"{path}.index", f"{path}.index.lock"):
        with contextlib.suppress(FileNotFoundError):  # it was never made
            os.remove(beside)


def forget_removed(repository: Repository) -> None:
    """Let git drop its notes of worktrees whose folders are gone."""
    main_git(repository).run("worktree", "prune")


def capture(repository: Repository, tree: Worktree) -> str | None:
    """Give the tree id of everything in the folder that git does not ignore, untracked too.

    None where nothing has changed since the last capture, or since the base before the first.
    """
    git = Git(repository.common_dir, tree.path)
    env = {"GIT_INDEX_FILE": tree.index}
    if not os.path.exists(tree.index):
        git.run("read-tree", tree.base, env=env)
    asked = ("ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard")
    changed = git.run(*asked, env=env).split(b"\0")[:-1]
    if not changed:
        return None
    _adopt_nested(git, tree.path, [path for path in changed if path.endswith(b"/")], env)
    git.call("add", "--all", "--ignore-errors", "--", ".", *LEAVINGS, env=env, ok=(0, 1))
    return git.text("write-tree", env=env)


def _adopt_nested(git: Git, path: str, folders: Sequence[bytes], env: Mapping[str, str]) -> None:
    """Put the files of repositories that an agent made within its worktree into the index.

    Git would take such a repository for a submodule and keep nothing but its commit's id; once a
    file of it is in the index, git treats it as an ordinary folder.
    """
    for folder in folders:
        name = os.fsdecode(folder)
        inside = Git(os.path.join(path, name, ".git"), os.path.join(path, name))
        asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        _, listed = inside.call(*asked, ok=(0, 128))  # 128: no repository after all
        files = [folder + file for file in listed.split(b"\0") if file and not file.endswith(b"/")]
        top = os.fsencode(path)
        there = [file for file in files if os.path.lexists(os.path.join(top, file))]
        data = b"".join(file + b"\0" for file in there)
        git.run("update-index", "--add", "-z", "--stdin", data=data, env=env)


def bring(repository: Repository, here: Repository, revision: str) -> str:
    """Give the commit that a revision names where the caller stands, brought over from a clone."""
    commit = Git(here.git_dir).commit_id(revision)
    if os.path.realpath(here.common_dir) != os.path.realpath(repository.common_dir):
        git = main_git(repository)
        git.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", here.git_dir, commit)
    return commit


def readable(path: str) -> str:
    """Give a path as valid text: bytes that are no UTF-8 are replaced."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def tree_of(repository: Repository, commit: str) -> str:
    """Give the tree of a commit."""
    return main_git(repository).text("rev-parse", f"{commit}^{{tree}}")


def commit_tree(repository: Repository, tree: str, base: str | None, text: str) -> str:
    """Write a commit of `tree` on `base` with the neutral author; give its id."""
    parents = ("-p", base) if base else ()
    return main_git(repository).text("commit-tree", tree, *parents, "-m", text, env=AUTHOR)


def restore(tree: Worktree, commit: str) -> None:
    """Bring a fresh worktree to a checkpoint's content, leaving HEAD at the base."""
    own = find(tree.path, {})
    Git(own.git_dir, tree.path).run("read-tree", "--reset", "-u", commit)


def difference(repository: Repository, base: str | None, commit: str) -> str:
    """Give what is new in `commit` against `base`, as a diff without context lines."""
    raw = main_git(repository).run(*DIFF, base or EMPTY_TREE, commit)
    return raw.decode(errors="replace")


def changes(repository: Repository, base: str, commit: str) -> list[Change]:
    """Give the paths that differ between two commits."""
    raw = main_git(repository).run(*PLAIN, "--name-status", "--no-renames", "-z", base, commit)
    fields = raw.decode(errors="surrogateescape").split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return [Change(path=path, status=status[0]) for status, path in pairs]  # type: ignore[arg-type]


def oversized(repository: Repository, base: str, commit: str, limit: int) -> list[str]:
    """Give the new files that are larger than `limit` bytes."""
    git = main_git(repository)
    raw = git.run(*PLAIN, "--raw", "--no-abbrev", "--no-renames", "-z", base, commit)
    fields = raw.decode(errors="surrogateescape").split("\0")
    blobs = {
        path: meta.split(" ")[3] for meta, path in zip(fields[::2], fields[1::2], strict=False)
    }
    asked = "".join(f"{oid}\n" for oid in blobs.values()).encode()
    sizes = git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", data=asked)
    found = []
    for path, row in zip(blobs, sizes.decode().splitlines(), strict=True):
        kind, _, size = row.partition(" ")
        if kind == "blob" and int(size) > limit:
            found.append(readable(path))
    return found


def put_back(tree: Worktree, base: str, restore_paths: Sequence[str], gone: Sequence[str]) -> None:
    """Bring protected paths to what the base has: the rest of the worktree stays."""
    own = find(tree.path, {})
    git = Git(own.git_dir, tree.path)
    if gone:
        _with_paths(git, gone, "rm", "--quiet", "--force", "--ignore-unmatch")
    if restore_paths:
        _with_paths(git, restore_paths, "checkout", "--quiet", base)


def _with_paths(git: Git, paths: Sequence[str], *args: str) -> None:
    data = "\0".join(paths).encode(errors="surrogateescape")
    # Literal: a path such as `tests/[a].py` is data, not a pattern.
    git.run(
        "--literal-pathspecs", *args, "--pathspec-from-file=-", "--pathspec-file-nul", data=data
    )


def tidy(tree: Worktree, base: str) -> None:
    """Undo what a test left behind, ignored files (installed dependencies) excepted."""
    own = find(tree.path, {})
    git = Git(own.git_dir, tree.path)
    git.run("reset", "--quiet", "--hard", base)
    git.run("clean", "--quiet", "-ffd")


def apply(repository: Repository, base: str, commit: str) -> list[str]:
    """Put the change from `base` to `commit` into the user's work tree; give the paths.

    Raises `would_lose`, and changes nothing, where the change does not fit what is there.
    """
    if repository.work_tree is None:
        raise WaggleError(
            "environment",
            "a bare repository has no work tree to apply to",
            "Run it in a clone or worktree, or merge the candidate's commit with git.",
        )
    main = main_git(repository)
    patch = main.run(*PLAIN, "-p", "--binary", "--full-index", "--no-renames", base, commit)
    paths = [readable(change.path) for change in changes(repository, base, commit)]
    if not patch:
        return []
    git = Git(repository.git_dir, repository.work_tree)
    try:
        git.run("apply", "--check", "--whitespace=nowarn", "-", data=patch)
    except GitFailedError as error:
        rows = [row.removeprefix("error: ") for row in error.stderr.splitlines()]
        raise WaggleError(
            "would_lose",
            f"the change does not fit your work tree: {'; '.join(rows[:4])}",
            f"Nothing was changed. Commit or stash your own changes, or merge {commit[:12]}.",
        ) from error
    git.run("apply", "--whitespace=nowarn", "-", data=patch)
    return paths
