"""view = fold(version, admitted), however it was come by; and the file can go at any time."""

from __future__ import annotations

import multiprocessing
import os
import random
from typing import TYPE_CHECKING

import pytest

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate, Check, Vote
from waggle.eventual.tasks import TASK_FOLD, TaskAdd, TaskFold, tasks
from waggle.log.entry import Agent, Body
from waggle.store import config
from waggle.store.outside import Outside
from waggle.store.repo.locate import find
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World


def work(space: Space, rng: random.Random, count: int) -> None:
    """Append entries that refer to one another, by several agents, sealing now and then."""
    made: list[str] = []
    candidates: list[str] = []
    for n in range(count):
        value: Body
        choice = rng.random()
        if choice < 0.2 or not made:
            value = TaskAdd(title=f"task {n}")
        elif choice < 0.5 or not candidates:
            value = Candidate(task=rng.choice(made), result=f"{n:032x}", size=rng.randrange(99))
        elif choice < 0.8:
            value = Vote(candidate=rng.choice(candidates), score=rng.randrange(101))
        else:
            value = Check(
                candidate=rng.choice(candidates), command="t", environment="e",
                exit=rng.randrange(2),
            )  # fmt: skip
        by = Agent(name=rng.choice("abc"), model=rng.choice(["m", "n", None]))
        written = space.append(Draft(body=value), by)
        if isinstance(value, TaskAdd):
            made.append(written.id)
        if isinstance(value, Candidate):
            candidates.append(written.id)
        if rng.random() < 0.05:
            space.seal()
        if rng.random() < 0.2:
            space.digest()


@pytest.mark.parametrize("seed", range(3))
def test_folding_bit_by_bit_is_folding_all_at_once(world: World, seed: int) -> None:
    spaces = [world.space(name) for name in ("one", "two")]
    for n, space in enumerate(spaces):
        work(space, random.Random(seed * 10 + n), 80)
        space.seal()
    one, two = spaces
    for into, source in ((one, two), (two, one)):
        world.exchange(into, source)
    digest = one.digest()
    assert two.digest() == digest, f"seed {seed}"
    assert one.rebuild() == 160
    assert one.digest() == digest, f"seed {seed}"


def test_a_view_that_is_gone_is_made_again(world: World, space: Space) -> None:
    work(space, random.Random(1), 40)
    digest = space.digest()
    world.close()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(space.view.path + suffix):
            os.remove(space.view.path + suffix)
    assert world.space(space.repository).digest() == digest


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "another database"])
def test_a_view_that_is_broken_is_made_again(world: World, space: Space, damage: str) -> None:
    work(space, random.Random(1), 40)
    digest = space.digest()
    world.close()
    path = space.view.path
    with open(path, "r+b") as file:
        if damage == "garbage":
            file.write(b"not a database at all" * 100)
        elif damage == "empty":
            file.truncate(0)
        elif damage == "cut":
            file.truncate(2000)
    if damage == "another database":
        os.remove(path)
        import sqlite3

        db = sqlite3.connect(path)
        db.executescript("CREATE TABLE meta(name, value); CREATE VIEW v AS SELECT 1;")
        db.close()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)
    again = world.space(space.repository)
    assert again.digest() == digest
    assert again.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class NewerTaskFold(TaskFold):
    version = TASK_FOLD.version + 1
    schema = TASK_FOLD.schema.replace("body TEXT NOT NULL", "body TEXT NOT NULL, more TEXT")

    def apply(self, tables, entries) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
        tables.db.executemany(
            "INSERT OR IGNORE INTO task(id, by, at, body, more) VALUES(?,?,?,?,'new')",
            [(e.id, e.writer, e.at, e.body.title) for e in entries],
        )


def test_another_version_of_a_fold_folds_anew(world: World, space: Space) -> None:
    world.task(space, "x")
    old = space.digest()
    world.close()
    folds = tuple(NewerTaskFold() if fold is TASK_FOLD else fold for fold in FOLDS)
    with Space(space.repository, "main", folds, world.outside) as newer:
        assert newer.db.execute("SELECT more FROM task").fetchall() == [("new",)]
        assert newer.digest()[0] != old[0]
    assert world.space(space.repository).digest() == old


def test_other_operators_are_another_view(world: World, space: Space) -> None:
    world.task(space)
    version = space.digest()[0]
    key = "ssh-ed25519 " + "A" * 68
    config.save(space.store_dir, config.Config(operators=(key,)))
    assert world.space(space.repository).digest()[0] != version


def read_and_write(path: str, name: str, start: int, answers: multiprocessing.Queue[str]) -> None:
    outside = Outside(now_ms=lambda: start, entropy=lambda n: b"\0" * n)
    with Space(find(path, {}), "main", FOLDS, outside) as space:
        for n in range(15):
            space.append(Draft(body=TaskAdd(title=f"{name} {n}")), Agent(name=name))
            seen = {task.body.title for task in tasks(space.db)}
            missing = {f"{name} {m}" for m in range(n + 1)} - seen
            if missing:
                answers.put(f"{name} does not see its own {missing}")
                return
            if n == 7 and name == "0":
                space.rebuild()
    answers.put("")


def test_processes_read_and_write_one_view_at_once(world: World, space: Space) -> None:
    path = space.repository.work_tree or ""
    assert space.replica
    world.close()
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[str] = context.Queue()
    workers = [
        context.Process(target=read_and_write, args=(path, str(n), world.START_MS, answers))
        for n in range(3)
    ]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=60) for _ in workers] == ["", "", ""]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    again = world.space(space.repository)
    digest = again.digest()
    assert len(tasks(again.db)) == 45
    again.rebuild()
    assert again.digest() == digest


def test_an_error_in_a_fold_leaves_the_view_as_it_was(world: World, space: Space) -> None:
    world.task(space, "first")
    digest = space.digest()

    class Broken(TaskFold):
        version = TASK_FOLD.version

        def apply(self, tables, entries) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
            super().apply(tables, entries)
            if any(entry.body.title == "second" for entry in entries):
                raise ZeroDivisionError

    folds = tuple(Broken() if fold is TASK_FOLD else fold for fold in FOLDS)
    with Space(space.repository, "main", folds, world.outside) as broken:
        assert broken.digest() == digest
        world.task(space, "second")
        with pytest.raises(ZeroDivisionError):
            broken.digest()
        assert broken.view.digest() == digest[2]
    assert len(tasks(space.db)) == 2


def test_a_damaged_journal_is_an_error_that_keeps_what_there_is(world: World, space: Space) -> None:
    world.task(space, "first")
    world.task(space, "second")
    space.journal.db.execute("UPDATE entry SET line = ? WHERE seq = 2", (b"{}",))
    with pytest.raises(WaggleError) as caught:
        space.digest()
    assert caught.value.code == "damaged"
    assert "seq 2" in caught.value.message


def test_entries_that_are_sealed_and_trimmed_while_they_are_read_are_not_missed(
    world: World, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waggle.store.views.reading.READ_ENTRIES", 4)
    for n in range(10):
        world.task(space, f"task {n}")
    other = world.space(space.repository)
    reading = space.counted.every(space.replica)
    seen = [next(reading).seq for _ in range(2)]
    for n in range(3):
        other.seal()
        world.task(other, f"more {n}")
    assert other.journal.read("main", 0)[0][0] > 10, "the journal was trimmed"
    seen += [link.seq for link in reading]
    assert seen == list(range(1, 14))


def titles(space: Space) -> set[str]:
    return {task.body.title for task in tasks(space.db)}


def test_a_reader_that_is_up_to_date_sees_what_others_do_next(world: World) -> None:
    space = world.space()
    other = world.space(space.repository)
    world.task(space, "mine")
    assert titles(space) == titles(other) == {"mine"}
    world.task(other, "another process's")
    assert titles(space) == {"mine", "another process's"}, "appended elsewhere, folded by nobody"
    world.task(other, "folded there")
    assert len(titles(other)) == len(titles(space)) == 3, "folded elsewhere"
    other.rebuild()
    assert len(titles(space)) == 3
    with other.view.transaction():
        other.view.clear()
    assert len(titles(space)) == 3, "the view was emptied elsewhere"


def test_a_reader_that_is_up_to_date_sees_a_log_that_is_found(world: World) -> None:
    space = world.space()
    world.task(space, "mine")
    assert titles(space) == {"mine"}
    forger = world.forger(space)
    forger.point(forger.frame(forger.lines(2)))
    assert titles(space) == {"mine"}
    space.find_logs()
    assert len(titles(space)) == 3


def test_a_reader_that_waits_for_the_future_sees_it_come_without_any_write(world: World) -> None:
    space = world.space()
    forger = world.forger(space)
    later = [forger.line(at=(world.clock.now + 3_600_000) << 16)]
    forger.point(forger.frame(later))
    space.find_logs()
    assert titles(space) == set()
    world.clock.pass_ms(3_600_000)
    assert titles(space) == {"forged"}
