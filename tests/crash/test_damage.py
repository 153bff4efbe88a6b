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
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.repo import leftovers
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


@pytest.mark.parametrize(
    "garbage", [b"no database\n" * 1000, b"SQLite format 3\0" + b"\xa5" * 9000]
)
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


def test_a_lock_is_respected_as_long_as_git_runs_here(
    folder: str, acked: dict[str, str], tally: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "LOCK_STALE_S", -1)  # every lock is old enough
    with subprocess.Popen(
        ["git", "-C", folder, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"HEAD^{tree}\n")
        holder.stdin.flush()
        assert b" tree " in holder.stdout.readline()
        overwrite_new(f"{ref_file(folder)}.lock")
        with open_space(folder) as space, pytest.raises(WaggleError) as refused:
            space.seal()
        assert refused.value.code == "busy"
    with open_space(folder) as space:
        assert len(space.seal()) == 1
    examine(folder, [acked], tally)


# --- objects ------------------------------------------------------------------------------------


def loose(folder: str, oid: str) -> str:
    return os.path.join(folder, ".git", "objects", oid[:2], oid[2:])


@pytest.mark.parametrize("what", ["", "^{tree}", ":entries.jsonl", ":content/3/a.txt"])
@pytest.mark.parametrize("torn", [False, True], ids=["gone", "torn"])
@pytest.mark.parametrize("new", [False, True], ids=["nothing new", "something new"])
def test_a_lost_object_of_the_newest_frame_is_mended(
    what: str,
    torn: bool,  # noqa: FBT001 - a parameter
    new: bool,  # noqa: FBT001 - a parameter
    folder: str,
    tally: Counter[str],
) -> None:
    acked = {}
    with open_space(folder) as space:
        for title in ("a", "b"):
            acked[title] = add(space, title)
            space.seal()
        body = Candidate(task=acked["a"], files=("a.txt",), result="00" * 16)
        draft = Draft(body=body, content={"a.txt": b"the answer"})
        acked["c"] = space.append(draft, ANN).id
        (frame,) = space.seal()
        path = loose(folder, git(folder, "rev-parse", frame.oid + what))
        if torn:
            overwrite(path, b"")
        else:
            os.remove(path)
        if new:
            acked["d"] = add(space, "d")
        space.seal()
        assert git(folder, "cat-file", "-p", f"{frame.oid}:content/3/a.txt") == "the answer"
    examine(folder, [acked], tally)


def test_leftover_temporary_objects_are_no_hindrance(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    heap = os.path.join(folder, ".git", "objects")
    places = [heap, *(os.path.join(heap, f"{number:02x}") for number in range(256))]
    for place in places:
        os.makedirs(place, exist_ok=True)
        for name in ("tmp_obj_aBcDeF", "tmp_object_git2_aBcDeF"):
            overwrite_new(os.path.join(place, name))
    with open_space(folder) as space:
        assert len(space.seal()) == 1
    examine(folder, [acked], tally)


def test_a_lost_carried_commit_is_left_out_and_told(
    folder: str, acked: dict[str, str], tally: Counter[str]
) -> None:
    commit = git(folder, "commit-tree", "HEAD^{tree}", "-m", "a result that gc takes")
    with open_space(folder) as space:
        body = Candidate(task=acked["a"], commit=commit, result="00" * 16)
        acked["e"] = space.append(Draft(body=body, commits=(commit,)), ANN).id
        for path in Path(folder, ".git", "objects", "pack").glob("*"):
            path.unlink()
        os.remove(loose(folder, commit))
        (frame,) = space.seal()
    assert frame.missing == (commit,)
    examine(folder, [acked], tally)


def overwrite_new(path: str) -> None:
    with open(path, "xb"):
        pass


def age(path: str, seconds: float = 3600) -> None:
    """Make a file that old."""
    then = os.stat(path).st_mtime - seconds
    os.utime(path, (then, then))
