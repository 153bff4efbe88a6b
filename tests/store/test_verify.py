"""Verification of whole logs: every kind of damage is found, named and survived."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import pytest

from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.log.line import body
from waggle.store.checkup import report as module
from waggle.store.checkup.report import Report
from waggle.store.checkup.verify import verify
from waggle.store.frames.sealing import ref_name
from waggle.store.own.journal import Pending
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")


def reasons(report: Report, harm: str = "error") -> list[str]:
    return [item.reason for item in report.problems if item.harm == harm]


def candidate(space: Space, world: World, **fields: object) -> None:
    task = world.task(space)
    values = {"task": task.id, "result": "ab" * 16, **fields}
    value = msgspec.convert(values, Candidate)
    space.append(Draft(body=value, content=dict.fromkeys(value.files, b"data")), ANN)


def lose(space: Space, oid: str) -> None:
    os.remove(f"{space.repository.common_dir}/objects/{oid[:2]}/{oid[2:]}")


def test_a_whole_space_is_sound_and_counted(world: World, space: Space) -> None:
    candidate(space, world, files=("a/b",))
    space.seal()
    world.task(space)
    other = world.space("other")
    world.task(other)
    other.seal()
    world.exchange(space, other)
    report = verify(space)
    assert report.sound
    assert report.problems == ()
    assert (report.logs, report.frames, report.entries, report.unsealed) == (2, 2, 4, 1)
    lines = [link.line for log in (space, other) for link in log.counted.every(log.replica)]
    assert report.bytes == sum(map(len, lines))


def test_an_empty_space_is_sound(space: Space) -> None:
    assert verify(space).sound
    assert verify(space).logs == 0


def test_verification_changes_nothing(world: World, space: Space) -> None:
    candidate(space, world, files=("a",))
    space.seal()
    world.task(space)
    before = (space.digest(), space.objects.refs.under("refs/"), space.journal.read("main", 0))
    verify(space)
    assert (
        space.digest(),
        space.objects.refs.under("refs/"),
        space.journal.read("main", 0),
    ) == before


def test_a_missing_file_of_a_candidate(world: World, space: Space) -> None:
    candidate(space, world, files=("a/b",))
    (frame,) = space.seal()
    lose(space, world.git(space.repository, "rev-parse", f"{frame.oid}:content/2/a/b"))
    report = verify(space)
    assert not report.sound
    assert reasons(report) == ["its file 'a/b' is missing"]
    assert [item.seq for item in report.problems] == [2]


def test_a_commit_that_is_named_but_not_carried(world: World, space: Space) -> None:
    work = space.repository.work_tree or ""
    world.git(work, "commit", "-q", "--allow-empty", "-m", "x")
    commit = world.git(work, "rev-parse", "HEAD")
    candidate(space, world, commit=commit)
    candidate(space, world, commit="de" * 20)
    space.seal()
    found = reasons(verify(space))
    assert [reason.split(":")[0] for reason in found] == [
        f"its commit {commit[:12]} is no parent of its frame",
        f"its commit {'de' * 6} is no parent of its frame",
        f"its commit {'de' * 6} is missing",
    ]


@pytest.mark.parametrize("what", ["", "^{tree}", ":entries.jsonl"])
def test_a_missing_object_of_a_frame(world: World, space: Space, what: str) -> None:
    for title in ("first", "second"):
        world.task(space, title)
        space.seal()
    tip = space.objects.refs.get(ref_name("main", space.replica))
    lose(space, world.git(space.repository, "rev-parse", f"{tip}^{what}"))
    report = verify(space)
    assert not report.sound
    assert "missing" in reasons(report)[0]


def test_a_torn_object(world: World, space: Space) -> None:
    world.task(space)
    (frame,) = space.seal()
    blob = world.git(space.repository, "rev-parse", f"{frame.oid}:entries.jsonl")
    path = f"{space.repository.common_dir}/objects/{blob[:2]}/{blob[2:]}"
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.truncate(20)
    assert not verify(space).sound


def test_a_journal_that_disagrees_with_its_frame(world: World, space: Space) -> None:
    world.task(space)
    space.seal()
    world.task(space)
    space.journal.db.execute("UPDATE entry SET line = line || ' ' WHERE seq = 1")
    report = verify(space)
    assert reasons(report) == ["the journal holds another entry here than the frame"]
    space.journal.db.execute("UPDATE entry SET id = ? WHERE seq = 2", ("ab" * 32,))
    assert "the journal's id is not its running hash" in reasons(verify(space))


def test_a_journal_with_a_gap(world: World, space: Space) -> None:
    for _ in range(3):
        world.task(space)
    space.journal.db.execute("DELETE FROM entry WHERE seq = 2")
    assert reasons(verify(space)) == ["the journal goes on at 3, but the frames end at 1"]


def test_a_ref_that_is_gone_or_ahead(world: World, space: Space) -> None:
    other = world.space("other")
    world.task(other)
    (first,) = other.seal()
    world.exchange(space, other)
    name = ref_name("main", other.replica)
    space.objects.refs.drop([name])
    assert "ref is gone" in reasons(verify(space))[0]
    world.task(other)
    (second,) = other.seal()
    world.exchange_objects(space, other)
    space.objects.refs.point(name, second.oid)
    report = verify(space)
    assert report.sound
    assert reasons(report, "note") == ["its ref is not at the tip that was verified"]
    assert report.entries == 1
    assert first.oid != second.oid


def test_a_log_that_was_never_looked_at(world: World, space: Space) -> None:
    forger = world.forger(space)
    forger.point(forger.frame(forger.lines(3)))
    report = verify(space)
    assert report.sound
    assert report.entries == 3
    assert "not looked at yet" in reasons(report, "note")[0]


def test_refs_that_cannot_be_listed_are_a_finding(world: World, space: Space) -> None:
    world.task(space)
    with open(f"{space.repository.common_dir}/packed-refs", "w", encoding="utf-8") as file:
        file.write("complete nonsense\n")
    report = verify(space)
    assert not report.sound
    assert "packed-refs" in reasons(report)[0]


def test_a_flood_of_problems_is_cut_and_counted_and_hides_no_harm(
    world: World, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBLEMS_MAX", 5)
    for _ in range(20):
        space.write([Pending(body("task.add", {"name": "ann"}, {"title": 7}))])
    space.seal()
    world.task(space)
    space.journal.db.execute("UPDATE entry SET id = ? WHERE seq = 21", ("ab" * 32,))
    report = verify(space)
    assert not report.sound
    assert len(report.problems) == 5
    assert report.more == 16


def test_memory_does_not_grow_with_the_entries(space: Space) -> None:
    def peak(entries: int) -> int:
        drafts = [Draft(body=TaskAdd(title="x" * 100))] * 500
        for _ in range(entries // 500):
            space.append_all(drafts, ANN)
            space.seal()
        tracemalloc.start()
        try:
            assert verify(space).sound
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(1000)
    assert peak(4000) < small + 300_000


def test_a_store_copied_while_it_was_whole_is_whole(world: World, space: Space) -> None:
    candidate(space, world, files=("a",))
    space.seal()
    world.close()
    target = world.folder / "elsewhere"
    shutil.copytree(space.repository.work_tree or "", target)
    from waggle.store.repo.locate import find

    assert verify(world.space(find(str(target), {}))).sound
