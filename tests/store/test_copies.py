"""A copied, restored or overtaken store never writes as its original, and nothing is lost.

Two writers of one log would equivocate. So a new replica is minted before the first append, and
what only the copy had is appended again under it; merged later, everything counts once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from waggle.choice.kinds import Candidate, Vote
from waggle.eventual.tasks import tasks
from waggle.log.entry import Agent
from waggle.store.checkup.verify import verify
from waggle.store.own.identity import KEY_FILE
from waggle.store.own.minting import NEXT_KEY
from waggle.store.repo.locate import Repository, find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")


def vote(space: Space, task: str) -> str:
    body = Candidate(task=task, result="ab" * 16, text="c")
    candidate = space.append(Draft(body=body, content={"f": b"data"}), ANN)
    space.append(Draft(body=Vote(candidate=candidate.id, score=80)), Agent(name="bob"))
    return candidate.id


def with_work(world: World) -> tuple[Space, str, str]:
    """Make a store with one sealed task, and a candidate and a vote that are not sealed."""
    space = world.space("original")
    sealed = world.task(space, "sealed").id
    space.seal()
    return space, sealed, vote(space, sealed)


def tarred(world: World, repository: Repository) -> Repository:
    world.close()
    (world.folder / "tarred").mkdir()
    archive = str(world.folder / "it.tar")
    subprocess.run(["tar", "-cf", archive, "-C", repository.work_tree or "", "."], check=True)
    subprocess.run(["tar", "-xf", archive, "-C", world.folder / "tarred"], check=True)
    return find(str(world.folder / "tarred"), {})


def restored(world: World, repository: Repository) -> Repository:
    """Back up, lose the folder, and bring the backup to the very same place."""
    world.close()
    path = repository.work_tree or ""
    shutil.copytree(path, world.folder / "backup", symlinks=True)
    shutil.rmtree(path)
    shutil.copytree(world.folder / "backup", path, symlinks=True)
    return find(path, {})


def copied(world: World, repository: Repository) -> Repository:
    return world.copy(world.space(repository), "copied")


@pytest.mark.parametrize("make", [copied, tarred, restored])
def test_a_copy_writes_as_a_new_replica_and_keeps_what_it_had(world: World, make) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    original, sealed, candidate = with_work(world)
    was = original.replica
    copy = world.space(make(world, original.repository))
    new = world.task(copy, "new")
    assert copy.replica != was
    assert copy.journal.replica == copy.replica
    assert new.seq == 3, "the candidate and the vote were appended again before it"
    ours = [link.envelope.was for link in copy.counted.every(copy.replica)]
    assert ours[0] == candidate
    assert ours[2] is None
    assert {task.id for task in tasks(copy.db)} == {sealed, new.id}
    row = copy.db.execute("SELECT c.id, v.score FROM candidate c JOIN vote v ON v.candidate = c.n")
    assert row.fetchall() == [(candidate, 80)], "the vote's reference resolves to the first id"
    copy.seal()
    report = verify(copy)
    assert report.sound, report.problems
    assert report.logs == 2


def test_reading_a_copy_mints_nothing(world: World) -> None:
    original, sealed, _ = with_work(world)
    was = original.replica
    before = original.digest()
    copy = world.space(world.copy(original, "copy"))
    assert [task.id for task in tasks(copy.db)] == [sealed]
    assert copy.digest() == before
    assert copy.journal.replica == was


@pytest.mark.parametrize("original_seals", [True, False])
@pytest.mark.parametrize("copy_first", [True, False])
def test_original_and_copy_merge_to_one_effect(
    world: World, *, original_seals: bool, copy_first: bool
) -> None:
    original, _, _ = with_work(world)
    copy = world.space(world.copy(original, "copy"))
    world.clock.pass_ms(1000)
    world.task(copy, "in the copy")
    copy.seal()
    original = world.space(original.repository)
    if original_seals:
        original.seal()
    world.clock.pass_ms(1000)
    world.task(original, "in the original")
    original.seal()
    pairs = [(original, copy), (copy, original)]
    for into, source in pairs if copy_first else pairs[::-1]:
        world.exchange(into, source)
        into.digest()
    digests = {str(space.digest()) for space in (original, copy)}
    for space in (original, copy):
        space.rebuild()
        digests.add(str(space.digest()))
        assert len(tasks(space.db)) == 3
        assert space.db.execute("SELECT count(*) FROM candidate").fetchone() == (1,)
        assert space.db.execute("SELECT count(*) FROM vote").fetchone() == (1,)
        assert verify(space).sound
    assert len(digests) == 1


def test_a_copy_of_a_copy_merges_too(world: World) -> None:
    original, _, candidate = with_work(world)
    one = world.space(world.copy(original, "first copy"))
    world.task(one, "one")
    two = world.space(world.copy(one, "second copy"))
    world.task(two, "two")
    original, one = world.space(original.repository), world.space(one.repository)
    spaces = (original, one, two)
    for space in spaces:
        space.seal()
    for into in spaces:
        for source in spaces:
            if into is not source:
                world.exchange(into, source)
    assert len({space.replica for space in spaces}) == 3
    assert len({str(space.digest()) for space in spaces}) == 1
    assert two.db.execute("SELECT id FROM candidate").fetchall() == [(candidate,)]


def test_a_key_given_before_the_copy_still_gives_its_first_result(world: World) -> None:
    original = world.space("original")
    first = world.task(original, key="k")
    copy = world.space(world.copy(original, "copy"))
    world.task(copy, "y")
    again = world.task(copy, key="k")
    assert (again.fresh, again.id) == (False, first.id)
    assert len(tasks(copy.db)) == 2


def test_a_frame_that_was_under_way_when_it_was_copied(world: World) -> None:
    """Copied between the ref's move and the journal's note of it: still one effect."""
    original, _, _ = with_work(world)

    class Killed(Exception):  # noqa: N818
        pass

    def strike(phase: str) -> None:
        if phase == "ref":
            raise Killed

    original.outside.reached = strike
    with pytest.raises(Killed):
        original.seal()
    original.outside.reached = lambda _phase: None
    copy = world.space(world.copy(original, "copy"))
    world.task(copy, "new")
    copy.seal()
    assert copy.find_logs() == []
    assert len(tasks(copy.db)) == 2
    assert copy.db.execute("SELECT count(*) FROM candidate").fetchone() == (1,)
    assert verify(copy).sound


# --- the same place, another past --------------------------------------------------------------


def back_in_time(world: World, *, unsealed: bool) -> tuple[Space, Space]:
    """Give a store whose disk went back, and the remote that knows what it wrote meanwhile.

    Inode and birth of the journal stay, as when a virtual machine is set back to a snapshot.
    """
    space = world.space("here")
    remote = world.space("remote")
    world.task(space, "before")
    space.seal()
    world.close()
    source = space.journal.path
    shutil.copyfile(source, world.folder / "snapshot.db")
    later = world.space(space.repository)
    world.task(later, "lost here")
    later_task = world.task(later, "lost too")
    later.seal()
    remote = world.space(remote.repository)
    world.exchange(remote, later)
    assert later_task.id in {task.id for task in tasks(remote.db)}
    name = f"refs/waggle/main/{later.replica}"
    tip = later.objects.refs.get(name)
    first = world.git(space.repository, "rev-parse", f"{tip}^")
    world.close()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(source + suffix):
            os.remove(source + suffix)
    with open(world.folder / "snapshot.db", "rb") as file, open(source, "r+b") as into:
        into.truncate()
        shutil.copyfileobj(file, into)
    world.git(space.repository, "update-ref", name, first)
    shutil.rmtree(f"{space.store_dir}/view")
    again = world.space(space.repository)
    if unsealed:
        world.clock.pass_ms(5000)
        world.task(again, "after")
    return again, world.space(remote.repository)


def test_a_store_that_went_back_goes_on_as_a_new_replica(world: World) -> None:
    space, remote = back_in_time(world, unsealed=False)
    was = space.journal.replica
    world.exchange(space, remote)
    world.task(space, "after")
    assert space.replica != was
    space.seal()
    assert {task.body.title for task in tasks(space.db)} == {
        "before",
        "lost here",
        "lost too",
        "after",
    }
    assert verify(space).sound
    world.exchange(remote, space)
    assert remote.digest() == space.digest()


def test_what_it_wrote_since_it_went_back_is_appended_again(world: World) -> None:
    space, remote = back_in_time(world, unsealed=True)
    was = space.journal.replica
    assert {task.body.title for task in tasks(space.db)} == {"before", "after"}
    world.exchange(space, remote)
    world.task(space, "and more")
    assert space.replica != was
    space.seal()
    expected = {"before", "lost here", "lost too", "after", "and more"}
    assert {task.body.title for task in tasks(space.db)} == expected
    world.exchange(remote, space)
    assert remote.digest() == space.digest()
    assert verify(space).sound


# --- the key file ------------------------------------------------------------------------------


def test_a_lost_key_makes_a_new_replica_and_loses_nothing(world: World) -> None:
    space, sealed, candidate = with_work(world)
    was = space.replica
    world.close()
    os.remove(f"{space.store_dir}/{KEY_FILE}")
    space = world.space(space.repository)
    world.task(space, "new")
    assert space.replica != was
    assert sealed in {task.id for task in tasks(space.db)}
    assert space.db.execute("SELECT id FROM candidate").fetchall() == [(candidate,)]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"replica": 7}', "\x00"])
def test_a_garbled_key_is_an_error_and_nothing_is_written(world: World, text: str) -> None:
    from waggle.base.errors import WaggleError

    space = world.space()
    world.close()
    with open(f"{space.store_dir}/{KEY_FILE}", "w", encoding="utf-8") as file:
        file.write(text)
    space = world.space(space.repository)
    with pytest.raises(WaggleError) as caught:
        world.task(space)
    assert caught.value.code == "damaged"
    assert space.journal.head("main")[0] == 0


def test_only_its_owner_may_read_the_key(world: World) -> None:
    old = os.umask(0)
    try:
        repository = world.store()
    finally:
        os.umask(old)
    assert os.stat(f"{repository.store_dir}/{KEY_FILE}").st_mode & 0o777 == 0o600


def test_a_key_is_bound_to_its_journal_and_to_nothing_that_changes(world: World) -> None:
    space = world.space()
    was = space.replica
    world.close()
    moved = world.folder / "moved"
    shutil.move(space.repository.work_tree or "", moved)
    subprocess.run(["touch", moved / ".git/waggle/journal.db"], check=True)
    again = world.space(find(str(moved), {}))
    world.task(again)
    assert again.replica == was


def test_a_minting_that_was_cut_off_is_completed(world: World) -> None:
    space = world.space()
    new = space.replica
    key = f"{space.store_dir}/{KEY_FILE}"
    world.close()
    os.rename(key, f"{space.store_dir}/{NEXT_KEY}")
    again = world.space(space.repository)
    world.task(again)
    assert again.replica == new
    assert os.listdir(space.store_dir).count(NEXT_KEY) == 0


def test_a_minting_that_never_reached_the_journal_counts_for_nothing(world: World) -> None:
    space = world.space()
    was = space.replica
    with open(f"{space.store_dir}/{NEXT_KEY}", "w", encoding="utf-8") as file:
        json.dump({"replica": "ab" * 16, "seed": "cd" * 32, "inode": 1, "born": 1}, file)
    world.close()
    again = world.space(space.repository)
    world.task(again)
    assert again.replica == was


def test_init_in_a_copy_mints_as_well(world: World) -> None:
    space = world.space()
    was = space.replica
    owner, fresh = initialise(world.copy(space, "copy"), world.outside)
    assert fresh
    assert owner.replica != was


def test_a_process_that_was_open_when_another_minted_goes_on(world: World) -> None:
    """Two processes on a copy: the first that writes mints, the other follows."""
    original = world.space("original")
    world.task(original, "before")
    repository = world.copy(original, "copy")
    one, two, reader = (world.space(repository) for _ in range(3))
    assert len(tasks(two.db)) == len(tasks(reader.db)) == 1
    world.task(one, "one")
    world.task(two, "two")
    two.seal()
    assert len(tasks(two.db)) == 3
    assert len(tasks(one.db)) == 3
    assert len(tasks(reader.db)) == 3
    assert one.replica == two.replica
    assert verify(one).sound
