"""Finding the repository that a path belongs to, without starting git: a vote is one process.

Follows gitrepository-layout(5): a `.git` folder, a `.git` file that names one (worktrees,
submodules), a bare repository, `commondir` for linked worktrees, and GIT_DIR where it is set.
"""

from __future__ import annotations

import os

from waggle.base.errors import WaggleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STORE_DIR = "waggle"


class Repository:
    """Where a repository keeps things: all absolute paths; `work_tree` is None in a bare one."""

    __slots__ = ("common_dir", "git_dir", "work_tree")

    def __init__(self, git_dir: str, work_tree: str | None) -> None:
        self.git_dir = os.path.abspath(git_dir)
        self.common_dir = _common(self.git_dir)
        self.work_tree = work_tree

    @property
    def store_dir(self) -> str:
        """The folder of waggle's own files, shared by all worktrees."""
        return os.path.join(self.common_dir, STORE_DIR)


def _first_line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _common(git_dir: str) -> str:
    line = _first_line(os.path.join(git_dir, "commondir"))
    return git_dir if line is None else os.path.normpath(os.path.join(git_dir, line))


def _is_git_dir(path: str) -> bool:
    common = _common(path)
    return os.path.exists(os.path.join(path, "HEAD")) and os.path.isdir(
        os.path.join(common, "objects")
    )


def _is_bare(git_dir: str) -> bool:
    """Tell whether the repository's own settings say that it has no work tree."""
    try:
        with open(os.path.join(_common(git_dir), "config"), encoding="utf-8") as file:
            rows = [row.replace(" ", "").strip().lower() for row in file]
    except (OSError, UnicodeDecodeError):
        # Without settings that can be read, git itself goes by the folder's name.
        return os.path.basename(git_dir) != ".git"
    return "bare=true" in rows


def _named(here: str, named: str, tree: str | None) -> Repository:
    """Give the repository that GIT_DIR names; like git, never another one in its place."""
    git_dir = os.path.join(here, named)
    if not _is_git_dir(git_dir):
        raise WaggleError(
            "no_repository",
            f"GIT_DIR is {named!r}, which is no git repository",
            "Set GIT_DIR to a repository, or unset it.",
        )
    if tree:
        return Repository(git_dir, os.path.normpath(os.path.join(here, tree)))
    linked = _common(os.path.abspath(git_dir)) != os.path.abspath(git_dir)
    return Repository(git_dir, here if linked or not _is_bare(git_dir) else None)


def find(start: str, environ: Mapping[str, str]) -> Repository:
    """Give the repository that the folder `start` lies in; raise `no_repository`."""
    here = os.path.abspath(start)
    if named := environ.get("GIT_DIR"):
        return _named(here, named, environ.get("GIT_WORK_TREE"))
    while True:
        dot = os.path.join(here, ".git")
        if _is_git_dir(dot):
            return Repository(dot, here)
        line = _first_line(dot)
        if line is not None and line.startswith("gitdir: "):
            git_dir = os.path.join(here, line.removeprefix("gitdir: "))
            if _is_git_dir(git_dir):
                return Repository(git_dir, here)
        if _is_git_dir(here):
            return Repository(here, None)
        parent = os.path.dirname(here)
        if parent == here:
            raise WaggleError(
                "no_repository",
                f"{start} is in no git repository",
                "Go into a repository, or make one here with `git init`.",
            )
        here = parent
