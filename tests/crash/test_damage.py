"""What crashes, copies and other programs leave in a store, and what is done about it."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.disks import need
from tests.crash.harness import examine, git, new_store, open_space, own_ref
from waggle.base.errors import WaggleError
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.objects import REF_LOCK_STALE_S
from waggle.store.space import Draft, Space

ANN = Agent(name="ann")


def add(space: Space, title: str) -> str:
    return space.append(Draft(body=TaskAdd(title=title)), ANN).id


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return new_store(str(tmp_path / "repository"))


@pytest.fixture
def acked(folder: str) -> dict[str, str]:
    """Two frames and an entry in none."""
    entries = {}
    with open_space(folder) as space:
        for title in ("a", "b", "c"):
            entries[title] = add(space, title)
            if title != "c":
                space.seal()
    return entries


def store(folder: str, name: str) -> str:
    return os.path.join(folder, ".git", "waggle", name)


def ref_file(folder: str) -> str:
    return os.path.join(folder, ".git", *own_ref(folder).split("/"))


def overwrite(path: str, data: bytes) -> None:
    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(data)


# --- folders that cannot be written -------------------------------------------------------------


@contextmanager
def read_only(folder: str) -> Iterator[None]:
    """Make a folder read-only even for root: a bind mount of itself."""
    need()
    bind = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
    if bind.returncode:
        pytest.skip(f"cannot bind-mount here: {bind.stderr.decode().strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_read_only_store_refuses_an_append(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    with (
        read_only(store(folder, "")),
        pytest.raises(WaggleError) as refused,
        open_space(folder) as space,
    ):
        add(space, "never")
    assert refused.value.code == "environment"
    assert "nothing was appended" in refused.value.message
    examine(folder, [acked], tally)


def test_read_only_objects_refuse_a_sealing_and_keep_the_journal(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    with open_space(folder) as space:
        with read_only(os.path.join(folder, ".git", "objects")):
            with pytest.raises(WaggleError) as refused:
                space.seal()
            acked["d"] = add(space, "d")
        assert refused.value.code == "environment"
    examine(folder, [acked], tally)


def test_read_only_refs_refuse_a_sealing_and_keep_the_journal(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    with open_space(folder) as space:
        with (
            read_only(os.path.join(folder, ".git", "refs", "waggle")),
            pytest.raises(WaggleError) as refused,
        ):
            space.seal()
        assert refused.value.code == "environment"
    examine(folder, [acked], tally)


# --- files of the store that are garbage --------------------------------------------------------


@pytest.mark.parametrize("garbage", [b"no database\n" * 1000, b"SQLite format 3\0" + b"\xa5" * 9000])
def test_a_garbage_journal_is_refused_and_left_alone(
    garbage: bytes, folder: str, acked: dict[str, str]
) -> None:
    assert acked
    path = store(folder, "journal.db")
    overwrite(path, garbage)
    with pytest.raises(WaggleError) as refused, open_space(folder) as space:
        add(space, "never")
    assert refused.value.code == "damaged"
    with open(path, "rb") as file:
        assert file.read() == garbage


@pytest.mark.parametrize("garbage", [b"", b"no database\n" * 1000])
def test_a_garbage_view_is_made_anew(
    garbage: bytes, folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    with open_space(folder) as space:
        before = space.digest()
    overwrite(store(folder, "view/main.db"), garbage)
    with open_space(folder) as space:
        assert space.digest() == before
    examine(folder, [acked], tally)


def test_a_garbage_key_is_refused(folder: str, acked: dict[str, str], tally: Counter[str]) -> None:
    with open(store(folder, "key"), "rb") as file:
        key = file.read()
    overwrite(store(folder, "key"), key[:40])
    with open_space(folder) as space, pytest.raises(WaggleError) as refused:
        add(space, "never")
    assert refused.value.code == "damaged"
    overwrite(store(folder, "key"), key)
    examine(folder, [acked], tally)


# --- refs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [b"", b"\0" * 41, b"1234"], ids=["empty", "zeros", "torn"])
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed before"])
@pytest.mark.parametrize("new", [False, True], ids=["nothing new", "something new"])
def test_a_broken_ref_is_mended_by_the_next_sealing(
    left: bytes,
    packed: bool,  # noqa: FBT001 - a parameter
    new: bool,  # noqa: FBT001 - a parameter
    folder: str,
    acked: dict[str, str],
    tally: Counter[str],
) -> None:
    with open_space(folder) as space:
        if packed:
            git(folder, "pack-refs", "--all")
        space.seal()
        if new:
            acked["d"] = add(space, "d")
        path = ref_file(folder)
        tip = git(folder, "rev-parse", own_ref(folder))
        overwrite(path, left)
        space.seal()
    with open(path, encoding="ascii") as file:
        found = file.read().strip()
    git(folder, "merge-base", "--is-ancestor", tip, found)
    assert (found == tip) is not new
    examine(folder, [acked], tally)


def test_a_deleted_ref_is_mended(folder: str, acked: dict[str, str], tally: Counter[str]) -> None:
    with open_space(folder) as space:
        space.seal()
        ref = own_ref(folder)
        tip = git(folder, "rev-parse", ref)
        git(folder, "update-ref", "-d", ref)
        assert space.seal() == []
        assert git(folder, "rev-parse", ref) == tip
    examine(folder, [acked], tally)


def test_a_young_lock_is_respected(folder: str, acked: dict[str, str], tally: Counter[str]) -> None:
    lock = f"{ref_file(folder)}.lock"
    overwrite_new(lock)
    with open_space(folder) as space:
        with pytest.raises(WaggleError) as refused:
            space.seal()
        assert refused.value.code == "busy"
        assert os.path.exists(lock)
        os.remove(lock)
    examine(folder, [acked], tally)


def test_an_old_lock_is_cleared(folder: str, acked: dict[str, str], tally: Counter[str]) -> None:
    lock = f"{ref_file(folder)}.lock"
    overwrite_new(lock)
    age(lock)
    with open_space(folder) as space:
        assert len(space.seal()) == 1
    assert not os.path.exists(lock)
    examine(folder, [acked], tally)


def test_an_old_lock_is_respected_while_git_runs_here(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    lock = f"{ref_file(folder)}.lock"
    overwrite_new(lock)
    age(lock, REF_LOCK_STALE_S + 1)
    holder = subprocess.Popen(
        ["git", "-C", folder, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    started = os.stat(f"/proc/{holder.pid}").st_mtime if os.path.isdir("/proc") else 0
    assert started >= 0
    os.utime(lock)
    os.utime(lock, (os.stat(lock).st_mtime - REF_LOCK_STALE_S - 1,) * 2)
    holder.communicate()
    with open_space(folder) as space:
        assert len(space.seal()) == 1
    examine(folder, [acked], tally)


def overwrite_new(path: str) -> None:
    with open(path, "xb"):
        pass


def age(path: str, seconds: float = 3600) -> None:
    """Make a file that old."""
    then = os.stat(path).st_mtime - seconds
    os.utime(path, (then, then))
