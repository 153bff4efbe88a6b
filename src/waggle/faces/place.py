"""Which repository a command acts on: the one it stands in, or the one a race names."""

from __future__ import annotations

from waggle.store.repo.locate import Repository, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "WAGGLE_REPOSITORY"
"""Set for agents that work in clones: the git folder whose store they write to."""


def place(cwd: str, environ: Mapping[str, str]) -> Repository:
    """Give the repository with the store to use, and the work tree that the caller stands in.

    Raises `no_repository`.
    """
    here = find(cwd, environ)
    home = environ.get(HOME)
    return Repository(home, here.work_tree) if home else here
