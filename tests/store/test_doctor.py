"""The doctor: every disease has a name, a severity and a next step that destroys nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.checkup import machine
from waggle.store.checkup.doctor import examine
from waggle.store.checkup.machine import DISK_BYTES_FULL, DISK_BYTES_LOW, room
from waggle.store.checkup.patient import Diagnosis, span
from waggle.store.frames.sealing import ref_name
from waggle.store.repo.locate import Repository
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")
CODES = {
    "git", "ssh-keygen", "medium", "disk", "store", "format", "config", "journal", "key", "clock",
    "unsealed", "ref", "objects", "lock", "temporary", "held", "view", "worktree",
}  # fmt: skip
HOUR_MS = 3_600_000


def look(world: World, where: Space | Repository, path: str | None = None) -> list[Diagnosis]:
    """Examine a store, with the clocks of files and of the world in step."""
    repository = where.repository if isinstance(where, Space) else where
    environ = dict(os.environ) if path is None else {**os.environ, "PATH": path}
    return examine(repository, environ, world.outside)


def one(found: list[Diagnosis], code: str) -> Diagnosis:
    items = [item for item in found if item.code == code]
    assert len(items) == 1, found
    return items[0]


def old(world: World, path: str | Path, age_ms: int = HOUR_MS) -> None:
    """Make a file that was left behind so long ago."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    when = (world.clock.now - age_ms) / 1000
    os.utime(path, (when, when))


def healthy(world: World) -> Space:
    space = world.space()
    world.task(space)
    space.seal()
    space.digest()
    return space


def test_all_is_well_and_says_so(world: World) -> None:
    found = look(world, healthy(world))
    if shutil.which("ssh-keygen") is None:
        found = [item for item in found if item.code != "ssh-keygen"]
    assert {item.severity for item in found} == {"ok"}, found
    assert {item.code for item in found} <= CODES
    assert len(found) >= len(CODES) - 1
    assert all(item.next_step == "" for item in found)


def test_no_store(world: World) -> None:
    repository = world.repository()
    found = one(look(world, repository), "store")
    assert found.severity == "warning"
    assert "waggle init" in found.next_step
    assert not os.path.exists(repository.store_dir)


def script(world: World, name: str, text: str) -> str:
    """Put a program first on a PATH that has nothing else; give the PATH."""
    folder = world.folder / f"bin-{len(os.listdir(world.folder))}"
    folder.mkdir()
    if text:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o700)
    return str(folder)


@pytest.mark.parametrize(
    ("version", "severity", "says"),
    [("2.33.9", "error", "SSH signatures"), ("2.35.0", "warning", "sync"), ("2.36.0", "ok", "")],
)
def test_the_age_of_git(world: World, version: str, severity: str, says: str) -> None:
    path = script(world, "git", f"echo git version {version}")
    found = one(look(world, world.repository(), path), "git")
    assert found.severity == severity
    assert says in found.what


def test_no_git_and_no_ssh_keygen(world: World) -> None:
    found = look(world, healthy(world), script(world, "git", ""))
    assert one(found, "git").severity == "error"
    assert one(found, "ssh-keygen").severity == "note"
    assert one(found, "journal").severity == "ok"


def test_a_file_system_that_is_unsafe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    space = healthy(world)
    monkeypatch.setattr(machine, "medium", lambda _path: "nfs4")
    found = one(look(world, space), "medium")
    assert (found.severity, "nfs4" in found.what) == ("error", True)


def test_sha256_objects(world: World) -> None:
    space = healthy(world)
    world.close()
    other = world.repository("sha256", "--object-format=sha256")
    shutil.copytree(space.store_dir, other.store_dir)
    found = look(world, other)
    assert one(found, "format").severity == "error"
    assert "sha256" in one(found, "format").what


@pytest.mark.parametrize(
    ("free", "severities"),
    [(DISK_BYTES_LOW, []), (DISK_BYTES_LOW - 1, ["warning"]), (DISK_BYTES_FULL - 1, ["error"])],
)
def test_a_full_disk(free: int, severities: list[str]) -> None:
    assert [item.severity for item in room(free)] == severities


def test_a_copy(world: World) -> None:
    found = look(world, world.copy(healthy(world), "copy"))
    assert one(found, "copied").severity == "note"
    assert "new replica" in one(found, "copied").next_step


def test_a_key_that_is_gone_open_or_garbled(world: World) -> None:
    space = healthy(world)
    key = Path(space.store_dir) / "key"
    key.chmod(0o644)
    found = one(look(world, space), "key")
    assert (found.severity, "644" in found.what) == ("warning", True)
    key.chmod(0o600)
    whole = key.read_text(encoding="utf-8")
    key.write_text("{}", encoding="utf-8")
    assert one(look(world, space), "key").severity == "error"
    key.unlink()
    assert "missing" in one(look(world, space), "key").what
    key.write_text(whole, encoding="utf-8")
    key.chmod(0o600)
    assert one(look(world, space), "key").severity == "ok"


def test_settings_that_cannot_be_read(world: World) -> None:
    space = healthy(world)
    (Path(space.store_dir) / "config.toml").write_bytes(b"operators = [")
    assert one(look(world, space), "config").severity == "error"


def test_a_journal_that_is_damaged(world: World) -> None:
    space = healthy(world)
    world.close()
    path = Path(space.journal.path)
    path.write_bytes(b"garbage" * 1000)
    found = one(look(world, space.repository), "journal")
    assert found.severity == "error"
    assert path.read_bytes() == b"garbage" * 1000


def test_entries_that_wait_for_a_frame(world: World) -> None:
    space = healthy(world)
    world.task(space)
    world.task(space)
    world.clock.pass_ms(3 * HOUR_MS)
    found = one(look(world, space), "unsealed")
    assert found.severity == "note"
    assert "2 entries" in found.what
    assert "3 hours" in found.what


def test_a_frame_that_was_not_finished(world: World) -> None:
    space = healthy(world)
    world.task(space)

    class Killed(Exception):  # noqa: N818
        pass

    def strike(phase: str) -> None:
        if phase == "planned":
            raise Killed

    world.outside.reached = strike
    with pytest.raises(Killed):
        space.seal()
    world.outside.reached = lambda _phase: None
    assert "frame 2-2" in one(look(world, space), "planned").what
    space.seal()
    assert one(look(world, space), "unsealed").severity == "ok"


def test_refs_that_are_gone_garbled_behind_ahead_or_elsewhere(world: World) -> None:
    space = healthy(world)
    name = ref_name("main", space.replica)
    path = Path(space.repository.common_dir) / name
    first = path.read_text(encoding="utf-8").strip()
    world.task(space)
    (second,) = space.seal()
    unrelated = world.git(space.repository, "commit-tree", f"{first}^{{tree}}", "-m", "x")
    cases = {
        first: ("warning", "went back"),
        "garbage": ("error", "no object id"),
        unrelated: ("error", "does not follow"),
    }
    for content, (severity, says) in cases.items():
        path.write_text(f"{content}\n", encoding="utf-8")
        found = one(look(world, space), "ref")
        assert (found.severity, says in found.what) == (severity, True), found
    path.unlink()
    found = one(look(world, space), "ref")
    assert (found.severity, "is gone" in found.what) == ("error", True), found
    path.write_text(f"{second.oid}\n", encoding="utf-8")
    assert one(look(world, space), "ref").severity == "ok"


def test_a_ref_ahead_and_a_fork(world: World) -> None:
    space = healthy(world)
    forger = world.forger(space)
    lines = forger.lines(2)
    first = forger.frame(lines[:1])
    forger.point(first)
    space.find_logs()
    forger.point(forger.frame(lines[1:], first=2, before=forger.ids(lines)[0], parents=(first,)))
    assert one(look(world, space), "ref").severity == "note"
    forger.point(forger.frame([forger.line(TaskAdd(title="other"))]))
    space.find_logs()
    assert "two histories" in one(look(world, space), "forked").what


def test_locks_that_were_left_behind(world: World) -> None:
    space = healthy(world)
    common = Path(space.repository.common_dir)
    left = [
        common / "index.lock",
        common / "packed-refs.lock",
        common / "refs/waggle/main/x.lock",
        common / "refs/heads/main.lock",
    ]
    for path in left:
        old(world, path)
    old(world, common / "refs/waggle/main/young.lock", 5000)
    found = [item for item in look(world, space) if item.code == "lock"]
    assert {item.what.split(" is ")[0] for item in found} == {str(path) for path in left}
    assert all("60 minutes" in item.what for item in found)
    assert all(path.exists() for path in left)


def test_temporary_files_that_were_left_behind(world: World) -> None:
    space = healthy(world)
    objects = Path(space.repository.common_dir) / "objects"
    old(world, objects / "ab/tmp_obj_123456")
    old(world, objects / "pack/tmp_pack_123456")
    found = one(look(world, space), "temporary")
    assert (found.severity, "2 temporary files" in found.what) == ("note", True)


@pytest.mark.parametrize("what", ["", "^{tree}", ":entries.jsonl"])
def test_objects_of_frames_that_are_missing(world: World, what: str) -> None:
    space = healthy(world)
    tip = space.objects.refs.get(ref_name("main", space.replica))
    oid = world.git(space.repository, "rev-parse", f"{tip}{what}")
    os.remove(f"{space.repository.common_dir}/objects/{oid[:2]}/{oid[2:]}")
    found = one(look(world, space), "objects")
    assert (found.severity, "ours" in found.what) == ("error", True)


def test_clocks(world: World) -> None:
    space = healthy(world)
    world.clock.pass_ms(-60_000)
    assert one(look(world, space), "clock").severity == "note"
    world.clock.pass_ms(-DRIFT_MS_MAX)
    found = one(look(world, space), "clock")
    assert (found.severity, "ahead of this device" in found.what) == ("warning", True)
    world.clock.now = world.START_MS
    forger = world.forger(space)
    forger.point(forger.frame([forger.line(at=stamp(world.START_MS * 2))]))
    space.find_logs()
    found = one(look(world, space), "future")
    assert "everyone else" in found.next_step


def test_a_draft_that_is_held(world: World) -> None:
    space = healthy(world)
    secret = "ghp" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    with pytest.raises(WaggleError):
        space.append(Draft(body=TaskAdd(title="x", prompt=secret)), ANN)
    found = one(look(world, space), "held")
    assert (found.severity, "prompt:1" in found.what) == ("warning", True)
    assert secret not in repr(found)


def test_a_view_that_is_stale_or_broken_is_harmless(world: World) -> None:
    space = healthy(world)
    world.task(space)
    space.seal()
    found = one(look(world, space), "view")
    assert (found.severity, "1 of our 2" in found.what) == ("note", True)
    world.close()
    Path(space.view.path).write_bytes(b"garbage" * 1000)
    found = one(look(world, space), "view")
    assert (found.severity, "cannot be read" in found.what) == ("note", True)
    assert "Nothing needs to be done" in found.next_step


def test_a_worktree_whose_folder_is_gone(world: World) -> None:
    space = healthy(world)
    world.git(space.repository, "commit", "-q", "--allow-empty", "-m", "x")
    tree = world.folder / "race one"
    world.git(space.repository, "worktree", "add", "-q", "--detach", str(tree))
    assert one(look(world, space), "worktree").severity == "ok"
    shutil.rmtree(tree)
    found = one(look(world, space), "worktree")
    assert (found.severity, str(tree) in found.what) == ("note", True)


def test_a_store_in_a_bare_repository(world: World) -> None:
    from waggle.store.setup import initialise

    bare = world.repository("bare", "--bare")
    initialise(bare, world.outside)
    found = look(world, bare)
    assert {item.severity for item in found} <= {"ok", "note"}, found


def test_looking_changes_nothing(world: World) -> None:
    space = healthy(world)
    candidate = Candidate(task="ab" * 32, result="ab" * 16, text="x")
    space.append(Draft(body=candidate), ANN)
    before = (space.objects.refs.under("refs/"), space.journal.read("main", 0))
    look(world, space)
    assert (space.objects.refs.under("refs/"), space.journal.read("main", 0)) == before


def test_durations_are_said_as_people_say_them() -> None:
    said = [span(ms) for ms in (999, 119_000, 120_000, 7_200_000, 172_800_000)]
    assert said == ["0 seconds", "119 seconds", "2 minutes", "2 hours", "2 days"]
