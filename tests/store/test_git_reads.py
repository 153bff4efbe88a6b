"""What stock git makes of our frames: it verifies, checks and prints them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.checkup.verify import verify
from waggle.store.frames.logs import Logs
from waggle.store.frames.sealing import Sealer
from waggle.store.frames.signers import SIGNERS_FILE
from waggle.store.repo.git import MissingObjectError
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")
needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None,
    reason="NOT TESTED: without ssh-keygen nobody else checks our signatures",
)


def two_frames(world: World, space: Space) -> str:
    """Seal a task, then a candidate with a file and a commit; give that commit."""
    task = world.task(space, "Find a nest site")
    space.seal()
    world.clock.pass_ms(60_000)
    git = world.git
    work = space.repository.work_tree or ""
    git(work, "commit", "-q", "--allow-empty", "-m", "base")
    git(work, "checkout", "-q", "-b", "candidate")
    with open(os.path.join(work, "code.py"), "w", encoding="utf-8") as file:
        file.write("print('nest')\n")
    git(work, "add", "code.py")
    git(work, "commit", "-q", "-m", "the candidate")
    commit = git(work, "rev-parse", "HEAD")
    git(work, "checkout", "-q", "-")
    git(work, "branch", "-q", "-D", "candidate")
    body = Candidate(task=task.id, commit=commit, result="ab" * 16, files=("notes/a b.md",))
    space.append(Draft(body=body, content={"notes/a b.md": b"# Notes\n"}, commits=[commit]), ANN)
    space.seal()
    return commit


def frames(space: Space) -> list[str]:
    tip = space.objects.refs.get(f"refs/waggle/main/{space.replica}")
    assert tip is not None
    return [oid for oid, _ in Logs(space.objects).back(tip)]


def verify_commit(space: Space, oid: str) -> subprocess.CompletedProcess[str]:
    signers = f"{space.store_dir}/{SIGNERS_FILE}"
    return subprocess.run(
        ["git", "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", "-v", oid],
        cwd=space.repository.work_tree, capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_ssh_keygen
def test_git_verify_commit_accepts_every_frame(world: World, space: Space) -> None:
    two_frames(world, space)
    for oid in frames(space):
        done = verify_commit(space, oid)
        assert done.returncode == 0, done.stderr
        assert f'Good "git" signature for {space.replica}@waggle.invalid' in done.stderr


@needs_ssh_keygen
def test_git_verify_commit_refuses_what_was_edited(world: World, space: Space) -> None:
    two_frames(world, space)
    raw = space.objects.raw(frames(space)[0])
    forged = space.objects.commit(raw.replace(b"candidate.publish", b"candidate.improve"))
    assert verify_commit(space, forged).returncode != 0


@needs_ssh_keygen
def test_the_signers_file_knows_every_log_that_was_verified(world: World, space: Space) -> None:
    other = world.space("other")
    world.task(other)
    world.task(space)
    for each in (other, space):
        each.seal()
    world.exchange(space, other)
    tip = other.objects.refs.get(f"refs/waggle/main/{other.replica}") or ""
    assert verify_commit(space, tip).returncode == 0
    assert verify_commit(space, frames(space)[0]).returncode == 0


def test_git_fsck_finds_nothing_to_say(world: World, space: Space) -> None:
    two_frames(world, space)
    done = subprocess.run(
        ["git", "fsck", "--strict", "--full", "--no-dangling"],
        cwd=space.repository.work_tree, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "error" not in done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_git_log_reads_like_a_diary(world: World, space: Space) -> None:
    two_frames(world, space)
    name = f"refs/waggle/main/{space.replica}"
    text = world.git(space.repository, "log", "--first-parent", "-p", "--date=iso-strict", name)
    assert text.count("\ncommit ") + text.startswith("commit ") == 2
    newest, _, oldest = text.partition("\ncommit ")
    assert "waggle 2-2: 1 candidate.publish" in newest
    assert "waggle 1-1: 1 task.add" in oldest
    assert "Date:   2026-01-01T00:01:00+00:00" in newest
    assert f"Author: waggle {space.replica[:12]} <{space.replica}@waggle.invalid>" in oldest
    assert '+{"at":115816896921600000,"by":{"name":"ann"},"kind":"task.add"' in oldest
    assert '"title":"Find a nest site"}' in oldest
    assert "+# Notes" in newest
    assert "nest')" not in newest, "the candidate's code is another history"


def test_a_candidates_commit_is_kept_by_its_frame(world: World, space: Space) -> None:
    commit = two_frames(world, space)
    newest, first = frames(space)
    assert world.git(space.repository, "log", "-1", "--format=%P", newest).split() == [
        first,
        commit,
    ]
    world.git(space.repository, "reflog", "expire", "--expire=now", "--all")
    world.git(space.repository, "gc", "-q", "--prune=now")
    assert space.objects.has(commit)
    assert verify(space).sound


def test_frames_travel_by_stock_git_and_verify_elsewhere(world: World, space: Space) -> None:
    commit = two_frames(world, space)
    bare = world.repository("hub", "--bare")
    world.git(space.repository, "push", "-q", bare.git_dir, "refs/waggle/*:refs/waggle/*")
    other = world.space("clone")
    world.git(other.repository, "fetch", "-q", bare.git_dir, "refs/waggle/*:refs/waggle/*")
    assert other.find_logs() == []
    assert other.digest() == space.digest()
    assert other.objects.has(commit)
    report = verify(other)
    assert report.sound
    assert (report.logs, report.frames, report.entries) == (1, 2, 2)


def test_nothing_of_the_users_is_touched(world: World, space: Space) -> None:
    two_frames(world, space)
    status = world.git(space.repository, "status", "--porcelain", "--ignored")
    assert status == ""
    branches = world.git(space.repository, "branch", "--list")
    assert len(branches.splitlines()) == 1
    assert world.git(space.repository, "stash", "list") == ""


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../../../../../../etc/passwd", "aa/../../../../config", "", "\0" * 40]
)
def test_what_a_strangers_bytes_call_an_object_names_no_path(
    world: World, space: Space, text: str
) -> None:
    del world
    for oid in (text, text.ljust(40, "/")):
        with pytest.raises(MissingObjectError):
            space.objects.raw(oid)
        commit = space.objects.blob(f"tree {oid}\n".encode())
        with pytest.raises(MissingObjectError):
            space.objects.file(commit, "entries.jsonl")


def test_entries_that_come_while_it_seals_wait_for_the_next_time(world: World) -> None:
    space = world.space("busy")
    world.task(space, "first")
    other = world.space(space.repository)

    def write(phase: str) -> None:
        if phase == "sealed":
            world.task(other, "meanwhile")

    sealer = Sealer(space.journal, space.objects, space.owner, write)
    assert [(one.first, one.last) for one in sealer.seal(space.name)] == [(1, 1)]
    assert [(one.first, one.last) for one in sealer.seal(space.name)] == [(2, 2)]


def test_hooks_of_the_user_never_run(world: World) -> None:
    repository = world.store()
    hook = os.path.join(repository.git_dir, "hooks", "reference-transaction")
    os.makedirs(os.path.dirname(hook), exist_ok=True)
    with open(hook, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(hook, 0o700)
    space = world.space(repository)
    space.append(Draft(body=TaskAdd(title="x")), ANN)
    assert len(space.seal()) == 1


SEALED = "a979230609af44ee6d262597a30c40ac5b28db50"


def test_a_frame_of_this_store_is_the_same_for_ever(world: World, space: Space) -> None:
    """One fixed key, one fixed time: one commit id, on every machine and in every version."""
    world.task(space, "Find a nest site", key="k")
    assert space.seal()[0].oid == SEALED
