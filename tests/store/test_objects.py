"""Objects as libgit2 and git give them: of every type, packed, loose or torn, within limits."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from waggle.store.repo.git import FOLDER_BYTES_MAX, MissingObjectError, TooLargeError

if TYPE_CHECKING:
    from tests.conftest import World

    from waggle.store.space import Space


@pytest.fixture
def made(world: World, space: Space) -> dict[str, str]:
    """One object of each type git has, by the name of the type."""
    here = space.repository.work_tree or ""

    def git(*words: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ("git", *words), cwd=here, input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    world.git(here, "commit", "-q", "--allow-empty", "-m", "base")
    world.git(here, "tag", "-a", "-m", "the first", "v1")
    return {
        "commit": git("rev-parse", "HEAD"),
        "tag": git("rev-parse", "v1"),
        "tree": git("rev-parse", "HEAD^{tree}"),
        "blob": git("hash-object", "-w", "--stdin", data=b"content"),
        "large": git("hash-object", "-w", "--stdin", data=b"x" * (FOLDER_BYTES_MAX + 1)),
    }


@pytest.mark.parametrize("packed", [False, True])
def test_only_a_commit_is_one(space: Space, made: dict[str, str], *, packed: bool) -> None:
    if packed:
        space.objects.git.run("pack-objects", "-q", f"{space.repository.common_dir}/objects/pack/p",
                              data="\n".join(made.values()).encode())  # fmt: skip
        space.objects.git.run("prune-packed", "-q")
    assert [name for name, oid in made.items() if space.objects.is_commit(oid)] == ["commit"]
    assert all(space.objects.readable(oid) for oid in made.values()), "tags, too"
    with pytest.raises(MissingObjectError):
        space.objects.is_commit("0" * 40)


def test_a_torn_object_is_read_from_its_pack_within_the_limits(
    space: Space, made: dict[str, str]
) -> None:
    objects = space.objects
    folder = f"{space.repository.common_dir}/objects"
    asked = "\n".join(made.values()).encode()
    objects.git.run("pack-objects", "-q", f"{folder}/pack/p", data=asked)
    for oid in made.values():
        path = f"{folder}/{oid[:2]}/{oid[2:]}"
        os.chmod(path, 0o600)
        with open(path, "wb") as file:
            file.write(b"torn")
    assert objects.raw(made["blob"], 100) == b"content"
    assert objects.is_commit(made["commit"])
    assert not objects.is_commit(made["large"])
    with pytest.raises(TooLargeError):
        objects.raw(made["large"], FOLDER_BYTES_MAX)
    assert len(objects.raw(made["large"])) == FOLDER_BYTES_MAX + 1


def test_a_torn_object_in_no_pack_is_missing(space: Space, made: dict[str, str]) -> None:
    oid = made["blob"]
    path = f"{space.repository.common_dir}/objects/{oid[:2]}/{oid[2:]}"
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.truncate(8)
    for limit in (None, 100):
        with pytest.raises(MissingObjectError):
            space.objects.raw(oid, limit)
