"""Appending: what an acknowledgement means, keys, limits, and settings."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from waggle.base.errors import WaggleError
from waggle.base.limits import CONTENT_BYTES_HARD_MAX, SEAL_ENTRIES
from waggle.choice.kinds import Candidate, Vote
from waggle.eventual.tasks import TaskAdd, tasks
from waggle.log.entry import Agent
from waggle.store import config
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")


def candidate(task: str, path: str, data: bytes) -> Draft:
    body = Candidate(task=task, result="ab" * 16, files=(path,))
    return Draft(body=body, content={path: data})


def test_entries_are_numbered_without_gaps_and_clocks_rise(world: World, space: Space) -> None:
    written = [world.task(space, str(n)) for n in range(5)]
    assert [item.seq for item in written] == [1, 2, 3, 4, 5]
    assert [item.at for item in written] == sorted({item.at for item in written})
    assert {task.id for task in tasks(space.db)} == {item.id for item in written}


def test_what_was_acknowledged_is_there_for_another_process(world: World, space: Space) -> None:
    first = world.task(space)
    other = world.space(space.repository)
    assert [task.id for task in tasks(other.db)] == [first.id]


def test_a_key_that_was_seen_gives_the_first_result(world: World, space: Space) -> None:
    first = world.task(space, "x", key="k")
    world.clock.pass_ms(1000)
    again = world.task(space, "another title", key="k")
    assert (again.seq, again.id, again.at) == (first.seq, first.id, first.at)
    assert (first.fresh, again.fresh) == (True, False)
    assert len(tasks(space.db)) == 1


def test_a_key_is_remembered_after_sealing_and_reopening(world: World, space: Space) -> None:
    first = world.task(space, key="k")
    space.seal()
    world.task(space, "y")
    space.seal()
    world.close()
    assert world.task(world.space(space.repository), key="k").id == first.id


def test_a_key_within_one_batch_counts_once(space: Space) -> None:
    drafts = [Draft(body=TaskAdd(title="x"), key="k") for _ in range(3)]
    written = space.append_all(drafts, ANN)
    assert [item.fresh for item in written] == [True, False, False]
    assert len({item.id for item in written}) == 1


def test_keys_of_two_spaces_are_apart(world: World, space: Space) -> None:
    other = world.space(space.repository, "other")
    assert world.task(space, key="k").id != world.task(other, key="k").id


def test_a_batch_is_appended_whole_or_not_at_all(space: Space) -> None:
    good, bad = TaskAdd(title="good"), Vote(candidate="ab" * 32, score=50)
    with pytest.raises(WaggleError) as caught:
        space.append_all(
            [Draft(body=good), Draft(body=bad, content={"../x": b""}), Draft(body=good)], ANN
        )
    assert caught.value.code == "invalid"
    assert tasks(space.db) == []
    assert space.journal.head("main")[0] == 0


@pytest.mark.parametrize(
    "path", ["", "/etc/x", "a//b", "../x", "a/../b", ".", "a/.git/x", ".GIT/config", "a\0b"]
)
def test_paths_that_no_candidate_may_have(world: World, space: Space, path: str) -> None:
    task = world.task(space)
    with pytest.raises(WaggleError) as caught:
        space.append(candidate(task.id, path, b"x"), ANN)
    assert caught.value.code == "invalid"
    assert space.journal.head("main")[0] == 1


def test_a_file_past_its_limit_is_refused_before_anything_is_written(world: World) -> None:
    repository = world.store()
    config.save(repository.store_dir, config.Config(content_bytes_max=10))
    space = world.space(repository)
    task = world.task(space)
    space.append(candidate(task.id, "a", b"0123456789"), ANN)
    with pytest.raises(WaggleError) as caught:
        space.append(candidate(task.id, "a", b"0123456789A"), ANN)
    assert caught.value.code == "limit"
    assert "10" in caught.value.message
    assert space.journal.head("main")[0] == 2


def test_many_unsealed_entries_seal_themselves(space: Space) -> None:
    space.append_all([Draft(body=TaskAdd(title="x"))] * SEAL_ENTRIES, ANN)
    assert space.journal.sealed("main") == SEAL_ENTRIES


def test_without_a_store_it_says_so(world: World) -> None:
    with pytest.raises(WaggleError) as caught:
        world.space(world.repository())
    assert caught.value.code == "not_initialised"
    assert "waggle init" in caught.value.next_step


def test_making_a_store_again_changes_nothing(world: World) -> None:
    repository = world.repository()
    owner, fresh = initialise(repository, world.outside)
    again, fresh_again = initialise(repository, world.outside)
    assert (fresh, fresh_again) == (True, False)
    assert owner.replica == again.replica


WRITER = """
import os, sys
from waggle.agents.folds import FOLDS
from waggle.eventual.tasks import TaskAdd
from waggle.faces.machine import outside
from waggle.log.entry import Agent
from waggle.store.repo.locate import find
from waggle.store.space import Draft, Space
with Space(find(sys.argv[1], {}), "main", FOLDS, outside()) as space:
    for n in range(40):
        space.append(Draft(body=TaskAdd(title=f"{sys.argv[2]} {n}")), Agent(name=sys.argv[2]))
        if n % 8 == int(sys.argv[2]):
            space.seal()
            space.digest()
"""


def test_processes_write_one_log_at_once_without_gaps_and_fold_one_view(world: World) -> None:
    repository = world.repository()
    path = repository.work_tree or ""
    from waggle.faces.machine import outside

    initialise(repository, outside())
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, str(n)], stderr=subprocess.PIPE)
        for n in range(3)
    ]
    for writer in writers:
        _, stderr = writer.communicate(timeout=60)
        assert writer.returncode == 0, stderr.decode()
    from waggle.agents.folds import FOLDS

    with Space(find(path, {}), "main", FOLDS, outside()) as space:
        version, admitted, digest = space.digest()
        assert [head.seq for head in admitted.values()] == [120]
        assert len(tasks(space.db)) == 120
        space.seal()
        space.rebuild()
        assert space.digest() == (version, admitted, digest)


# --- settings ----------------------------------------------------------------------------------

KEY = "ssh-ed25519 " + "A" * 68


def write(store_dir: str, data: bytes) -> None:
    with open(f"{store_dir}/{config.CONFIG_FILE}", "wb") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"content_bytes_max = 7\noperators = \n", "line 2"),
        (b"operators = 7", "operators"),
        (b"operator = []", "operator"),
        (b'operators = ["no key"]', "no key"),
        (b"content_bytes_max = 0", "content_bytes_max"),
        (b"content_bytes_max = true", "content_bytes_max"),
        (b"content_bytes_max = %d" % (CONTENT_BYTES_HARD_MAX + 1), "content_bytes_max"),
        (b'operators = ["\xff"]', "utf-8"),
    ],
)
def test_settings_that_are_wrong_are_named(world: World, data: bytes, why: str) -> None:
    repository = world.store()
    write(repository.store_dir, data)
    with pytest.raises(WaggleError) as caught:
        world.space(repository)
    assert caught.value.code == "invalid"
    assert "config.toml" in caught.value.message
    assert why in caught.value.message


def test_settings_read_back_and_default_where_there_are_none(world: World) -> None:
    folder = world.repository().common_dir
    assert config.load(folder) == config.Config()
    settings = config.Config(operators=(KEY,), content_bytes_max=5)
    config.save(folder, settings)
    assert config.load(folder) == settings


def test_the_comment_of_an_operators_key_does_not_count(world: World) -> None:
    repository = world.store()
    write(repository.store_dir, f'operators = ["{KEY} ann@home"]'.encode())
    assert config.load(repository.store_dir).operators == (KEY,)


def test_operators_are_added_at_init_and_must_be_keys(world: World) -> None:
    repository = world.store()
    initialise(repository, world.outside, (f"{KEY} ann@home",))
    initialise(repository, world.outside, (KEY,))
    assert config.load(repository.store_dir).operators == (KEY,)
    with pytest.raises(WaggleError) as caught:
        initialise(repository, world.outside, ('"]\nx = ["',))
    assert caught.value.code == "invalid"
    assert config.load(repository.store_dir).operators == (KEY,)
