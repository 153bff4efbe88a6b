"""A view that is up to date is not looked at again, until anything at all has changed."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from waggle.agents.folds import FOLDS
from waggle.eventual.tasks import TASK_FOLD, TaskFold, tasks
from waggle.store import config
from waggle.store.space import Space

if TYPE_CHECKING:
    from tests.conftest import World

OPERATOR = "ssh-ed25519 " + "A" * 68


def titles(space: Space) -> set[str]:
    return {task.body.title for task in tasks(space.db)}


def asked(space: Space) -> list[str]:
    """Catch up; give what was asked of the journal and the view."""
    statements: list[str] = []
    for db in (space.journal.db, space.view.db):
        db.set_trace_callback(statements.append)
    space.folding.catch_up()
    for db in (space.journal.db, space.view.db):
        db.set_trace_callback(None)
    return statements


def test_a_reader_that_is_up_to_date_asks_two_numbers(world: World, space: Space) -> None:
    world.task(space)
    assert len(asked(space)) > 2, "the fold"
    assert asked(space) == ["PRAGMA data_version"] * 2, "after a fold that took everything"
    other = world.space(space.repository)
    assert len(asked(other)) > 2
    assert asked(other) == ["PRAGMA data_version"] * 2, "after a look that found nothing to fold"


def test_a_rebuild_leaves_nothing_to_fold(world: World, space: Space) -> None:
    world.task(space)
    assert space.rebuild() == 1
    asked(space)
    assert asked(space) == ["PRAGMA data_version"] * 2
    assert titles(space) == {"x"}


def test_a_fold_that_was_rolled_back_is_made_up_for(world: World, space: Space) -> None:
    class Failing(TaskFold):
        fails = False

        def apply(self, tables, entries) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
            super().apply(tables, entries)
            if self.fails:
                raise ZeroDivisionError

    failing = Failing()
    folds = tuple(failing if fold is TASK_FOLD else fold for fold in FOLDS)
    with Space(space.repository, "main", folds, world.outside) as reader:
        assert titles(reader) == set()
        world.task(reader)
        failing.fails = True
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                titles(reader)
        failing.fails = False
        assert titles(reader) == {"x"}


def lose_all(space: Space) -> None:
    with space.journal.transaction() as db:
        db.execute("DELETE FROM entry")
        raise ZeroDivisionError


def test_a_journal_that_was_rolled_back_changes_nothing(world: World, space: Space) -> None:
    world.task(space, "kept")
    assert titles(space) == {"kept"}
    with pytest.raises(ZeroDivisionError):
        lose_all(space)
    assert titles(space) == {"kept"}
    world.task(space, "next")
    assert titles(space) == {"kept", "next"}


def test_a_view_that_this_process_emptied_itself_is_folded_again(
    world: World, space: Space
) -> None:
    world.task(space)
    assert titles(space) == {"x"}
    with space.view.transaction():
        space.view.clear()
    assert titles(space) == {"x"}


def test_a_view_made_by_another_version_is_noticed(world: World, space: Space) -> None:
    class Newer(TaskFold):
        version = TASK_FOLD.version + 1

        def apply(self, tables, entries) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
            """Know nothing of tasks."""

    world.task(space)
    assert titles(space) == {"x"}
    folds = tuple(Newer() if fold is TASK_FOLD else fold for fold in FOLDS)
    with Space(space.repository, "main", folds, world.outside) as newer:
        for _ in range(2):
            assert titles(newer) == set()
            assert titles(space) == {"x"}


def test_a_view_made_for_other_operators_is_noticed(world: World, space: Space) -> None:
    world.task(space)
    version, _, digest = space.digest()
    config.save(space.store_dir, config.Config(operators=(OPERATOR,)))
    other = world.space(space.repository)
    for _ in range(2):
        assert other.digest()[0] != version
        assert other.view.current()
        assert space.digest()[::2] == (version, digest)
        assert space.view.current()


def test_an_entry_of_the_future_is_looked_at_each_time(world: World, space: Space) -> None:
    forger = world.forger(space)
    forger.point(forger.frame([forger.line(at=(world.clock.now + 3_600_000) << 16)]))
    space.find_logs()
    for _ in range(2):
        assert titles(space) == set()
        assert len(asked(space)) > 2
    world.clock.pass_ms(3_600_000)
    assert titles(space) == {"forged"}
    assert asked(space) == ["PRAGMA data_version"] * 2


def test_a_fork_is_noticed_and_told_at_every_read(world: World, space: Space) -> None:
    forger = world.forger(space)
    at = forger.at
    ones, forger.at = forger.lines(2), at
    others = [forger.line()]
    forger.point(forger.frame(ones))
    space.find_logs()
    assert len(titles(space)) == 2
    forger.point(forger.frame(others))
    space.find_logs()
    for _ in range(3):
        assert titles(space) == set(), "they differ from the first entry on"
        assert space.folding.forked


def test_an_append_between_the_look_and_the_fold_is_not_missed(world: World, space: Space) -> None:
    """Whatever another process does while this one folds is news at the next read at the latest."""
    other = world.space(space.repository)
    left = ["second", "third"]

    def append(statement: str) -> None:
        if left and statement.startswith(("BEGIN", "COMMIT")):
            world.task(other, left.pop(0))

    world.task(space, "first")
    space.view.db.set_trace_callback(append)
    titles(space)
    space.view.db.set_trace_callback(None)
    assert not left, "both were appended while the first was folded"
    assert titles(space) == {"first", "second", "third"}


def test_a_view_that_is_emptied_while_it_is_found_complete_is_noticed(
    world: World, space: Space
) -> None:
    world.task(space)
    assert titles(space) == {"x"}
    late = world.space(space.repository)
    other = sqlite3.connect(space.view.path, isolation_level=None)
    emptied: list[str] = []

    def empty(statement: str) -> None:
        if "FROM tip" in statement and not emptied:
            emptied.append(statement)
            other.executescript("BEGIN; DELETE FROM task; DELETE FROM admitted;"
                                " DELETE FROM scanned; COMMIT;")  # fmt: skip

    late.journal.db.set_trace_callback(empty)
    late.folding.catch_up()
    late.journal.db.set_trace_callback(None)
    other.close()
    assert emptied
    assert titles(late) == {"x"}
