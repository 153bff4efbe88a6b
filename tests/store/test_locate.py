"""Every kind of place that git calls a repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waggle.base.errors import WaggleError
from waggle.store.repo.locate import Repository, find
from waggle.store.setup import initialise

if TYPE_CHECKING:
    from tests.conftest import World


def commit(world: World, where: Repository | Path) -> None:
    world.git(where, "commit", "-q", "--allow-empty", "-m", "one")


def works(world: World, repository: Repository) -> None:
    """Append, seal and read here."""
    initialise(repository, world.outside)
    space = world.space(repository)
    task = world.task(space)
    assert len(space.seal()) == 1
    assert space.rebuild() == 1
    assert space.view.admitted()[space.replica].id == task.id


def as_git_says(path: str | Path, environ: dict[str, str]) -> tuple[str, str]:
    """Ask git itself for the git folder and the common one."""
    done = subprocess.run(
        ["git", "rev-parse", "--absolute-git-dir", "--git-common-dir"],
        cwd=path, env={**os.environ, **environ}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    own, common = done.stdout.splitlines()
    return os.path.realpath(own), os.path.realpath(os.path.join(path, common))


def agrees(path: str | Path, environ: dict[str, str] | None = None) -> Repository:
    """Find, and check that git finds the same."""
    found = find(str(path), environ or {})
    told = as_git_says(path, environ or {})
    assert (os.path.realpath(found.git_dir), os.path.realpath(found.common_dir)) == told
    return found


def test_a_subfolder(world: World) -> None:
    repository = world.repository()
    below = Path(repository.work_tree or "") / "a" / "b"
    below.mkdir(parents=True)
    assert agrees(below).work_tree == repository.work_tree


def test_a_repository_without_commits_works(world: World) -> None:
    works(world, world.repository())


def test_a_linked_worktree_shares_the_store(world: World) -> None:
    repository = world.repository()
    commit(world, repository)
    tree = world.folder / "linked tree"
    world.git(repository, "worktree", "add", "-q", "-b", "linked", str(tree))
    found = agrees(tree)
    assert found.store_dir == repository.store_dir
    assert found.work_tree == str(tree)
    works(world, found)
    assert [s.replica for s in (world.space(found), world.space(repository))] == [
        world.space(repository).replica
    ] * 2


def test_a_bare_repository(world: World) -> None:
    found = agrees(world.repository("bare", "--bare").git_dir)
    assert found.work_tree is None
    works(world, found)


def test_a_submodule(world: World) -> None:
    inner, outer = world.repository("inner"), world.repository("outer")
    commit(world, inner)
    world.git(
        outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
        inner.work_tree or "", "sub",
    )  # fmt: skip
    found = agrees(Path(outer.work_tree or "") / "sub")
    assert found.common_dir == os.path.join(outer.git_dir, "modules", "sub")
    works(world, found)


@pytest.mark.parametrize("name", ["with space", "ünï-çødé 蜂", 'quo\'te "and" %41?x=#y', "-dash"])
def test_odd_names_of_folders(world: World, name: str) -> None:
    works(world, agrees(world.repository(name).work_tree or ""))


def test_git_dir_as_git_reads_it(world: World) -> None:
    repository, elsewhere = world.repository(), world.folder / "elsewhere"
    elsewhere.mkdir()
    found = agrees(elsewhere, {"GIT_DIR": "../one/.git"})
    assert found.work_tree == str(elsewhere)
    found = agrees(elsewhere, {"GIT_DIR": repository.git_dir, "GIT_WORK_TREE": "../one"})
    assert found.work_tree == repository.work_tree
    works(world, found)


def test_git_dir_of_a_bare_repository_has_no_work_tree(world: World) -> None:
    bare = world.repository("bare", "--bare")
    assert agrees(world.folder, {"GIT_DIR": bare.git_dir}).work_tree is None


def test_a_git_dir_that_is_none_is_an_error_and_not_another_repository(world: World) -> None:
    repository = world.repository()
    with pytest.raises(WaggleError) as caught:
        find(repository.work_tree or "", {"GIT_DIR": "nowhere"})
    assert caught.value.code == "no_repository"
    assert "nowhere" in caught.value.message


def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(WaggleError) as caught:
        find(str(tmp_path / "x"), {})
    assert caught.value.code == "no_repository"


def test_sha256_objects_are_refused_before_a_store_is_made(world: World) -> None:
    repository = world.repository("sha256", "--object-format=sha256")
    with pytest.raises(WaggleError) as caught:
        initialise(repository, world.outside)
    assert caught.value.code == "environment"
    assert "SHA-1" in caught.value.next_step
    assert not os.path.exists(repository.store_dir)


def test_a_folder_that_cannot_be_written_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waggle.store import setup

    monkeypatch.setattr(setup, "medium", lambda _path: "nfs4")
    with pytest.raises(WaggleError) as caught:
        initialise(world.repository(), world.outside)
    assert caught.value.code == "environment"
    assert "nfs4" in caught.value.message
