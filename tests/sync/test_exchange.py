"""One sync between stores and remotes: what goes where, and what is told apart."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import World

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.log.entry import Agent
from waggle.store.checkup.verify import verify
from waggle.store.config import Config
from waggle.store.frames.refusals import REFUSED, REFUSED_MAX
from waggle.store.frames.sealing import ref_name
from waggle.store.own import identity
from waggle.store.repo.locate import find
from waggle.store.space import Draft, Space
from waggle.sync.git.exchange import Exchange, Exchanged, Report
from waggle.sync.git.remotes import Remote, find_remotes
from waggle.sync.git.transport import Transport


@pytest.fixture
def hub(world: World) -> Path:
    """A bare repository that everybody can reach."""
    return bare(world, "hub.git")


def bare(world: World, name: str) -> Path:
    world.repository(name, "--bare")
    return world.folder / name


def remote(path: Path, prefix: str = "refs/waggle") -> Remote:
    return Remote(name=path.name, where=str(path), track=path.stem, prefix=prefix)


def sync(space: Space, *remotes: Remote) -> Report:
    transport = Transport(space.repository.common_dir, os.environ, 60)
    return Exchange(space, transport).sync(list(remotes))


def only(report: Report) -> Exchanged:
    (one,) = report.remotes
    return one


def admitted(space: Space) -> dict[str, int]:
    _ = space.db
    return {replica: head.seq for replica, head in space.view.admitted().items()}


def test_what_one_writes_the_other_has(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    for number in range(3):
        world.task(one, str(number))
    sent = sync(one, remote(hub))
    assert (sent.sealed, sent.head, only(sent).own) == (3, 3, 3)
    assert only(sent).pushed == (one.replica,)
    got = only(sync(two, remote(hub)))
    assert got.received == {one.replica: 3}
    assert got.trouble is None
    assert got.findings == ()
    assert two.digest()[1:] == one.digest()[1:]


def test_a_sync_without_news_moves_nothing(world: World, hub: Path) -> None:
    one = world.space("one")
    world.task(one)
    sync(one, remote(hub))
    again = sync(one, remote(hub))
    assert (again.sealed, only(again).pushed, only(again).received) == (0, (), {})
    assert only(again).own == 1


def test_a_log_is_carried_to_a_remote_that_its_writer_never_saw(world: World, hub: Path) -> None:
    one, two, three = (world.space(name) for name in ("one", "two", "three"))
    other = bare(world, "other.git")
    world.task(one)
    sync(one, remote(hub))
    carried = sync(two, remote(hub), remote(other))
    assert one.replica in carried.remotes[1].pushed
    assert only(sync(three, remote(other))).received == {one.replica: 1}
    ours = world.git(one.repository, "rev-parse", ref_name("main", one.replica))
    assert world.git(other, "rev-parse", ref_name("main", one.replica)) == ours


def test_a_remote_that_is_down_stops_nobody(world: World, hub: Path) -> None:
    one = world.space("one")
    world.task(one)
    gone = Remote(name="gone", where=str(world.folder / "gone"), track="gone", prefix="refs/waggle")
    report = sync(one, gone, remote(hub))
    trouble = report.remotes[0].trouble
    assert trouble is not None
    assert trouble.kind == "absent"
    assert not report.remotes[0].fetched
    assert report.remotes[1].own == 1


def test_two_syncs_of_one_store_at_once_both_end_well(world: World, hub: Path) -> None:
    one = world.space("one")
    for number in range(6):
        world.task(one, str(number))
        with ThreadPoolExecutor() as pool:
            reports = list(pool.map(lambda _: _sync_anew(one, hub), range(2)))
        assert [only(report).trouble for report in reports] == [None, None]
        assert [only(report).own for report in reports] == [number + 1] * 2


def _sync_anew(one: Space, hub: Path) -> Report:
    """Sync a store that is open elsewhere, too, as another process does."""
    with Space(one.repository, one.name, FOLDS, one.outside) as again:
        return sync(again, remote(hub))


def test_a_remote_that_went_back_is_not_believed(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    sync(one, remote(hub))
    shutil.copytree(hub, world.folder / "backup")
    world.task(one)
    sync(one, remote(hub))
    sync(two, remote(hub))
    shutil.rmtree(hub)
    shutil.copytree(world.folder / "backup", hub)
    report = sync(two, remote(hub))
    assert [found.kind for found in only(report).findings] == ["rewound"]
    assert admitted(two)[one.replica] == 2
    assert one.replica in only(report).pushed, "what the remote lost was not carried there again"
    assert only(sync(one, remote(hub))).findings == ()


@pytest.mark.parametrize("where", ["refs/waggle-remote/hub/main/x.lock", "packed-refs.lock"])
def test_what_a_killed_git_locked_is_freed_after_a_while(
    world: World, hub: Path, where: str
) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    sync(one, remote(hub))
    where = where.replace("x", one.replica)
    lock = Path(two.repository.common_dir, where)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    if where.startswith("refs"):
        trouble = only(sync(two, remote(hub))).trouble
        assert trouble is not None
        assert (trouble.kind, trouble.again) == ("busy", True)
        assert ".lock" in trouble.text
    os.utime(lock, (0, 0))
    assert only(sync(two, remote(hub))).trouble is None
    assert admitted(two) == {one.replica: 1}


def test_a_reset_remote_gets_everything_again(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    world.task(two)
    sync(one, remote(hub))
    sync(two, remote(hub))
    shutil.rmtree(hub)
    world.repository("hub.git", "--bare")
    assert set(only(sync(two, remote(hub))).pushed) == {one.replica, two.replica}
    assert admitted(two) == {one.replica: 1, two.replica: 1}


def test_a_cloned_machine_takes_a_new_identity_before_it_seals(world: World, hub: Path) -> None:
    one = world.space("one")
    world.task(one)
    sync(one, remote(hub))
    repository = world.copy(one, "twin")
    _bind(repository.store_dir)
    one = world.space(find(str(world.folder / "one"), {}))
    world.task(one, "written by the original")
    sync(one, remote(hub))
    twin = world.space(repository)
    lost = world.task(twin, "written by the twin")
    report = sync(twin, remote(hub))
    assert report.was == one.replica
    assert report.replica != one.replica
    assert only(report).findings == ()
    sync(one, remote(hub))
    assert admitted(one) == admitted(twin) == {one.replica: 2, twin.replica: 1}
    titles = {row[0] for row in one.db.execute("SELECT id FROM task")}
    assert lost.id in titles, "it is not known under its first id"


def test_what_a_cloned_machine_sealed_offline_is_appended_again(world: World, hub: Path) -> None:
    one = world.space("one")
    world.task(one)
    sync(one, remote(hub))
    repository = world.copy(one, "twin")
    _bind(repository.store_dir)
    one = world.space(find(str(world.folder / "one"), {}))
    world.task(one, "written by the original")
    sync(one, remote(hub))
    twin = world.space(repository)
    lost = [world.task(twin, "sealed by the twin").id]
    twin.seal()
    body = Candidate(task=lost[0], result="ab" * 16, files=("notes/a.txt",))
    draft = Draft(body=body, content={"notes/a.txt": b"of the twin"})
    lost.append(twin.append(draft, Agent(name="twin")).id)
    twin.seal()
    lost.append(world.task(twin, "in no frame yet").id)
    report = sync(twin, remote(hub))
    assert report.was == one.replica
    assert (report.head, only(report).own) == (3, 3), "it was all appended again, and pushed"
    sync(one, remote(hub))
    assert admitted(one) == {one.replica: 2, twin.replica: 3}
    for space in (one, twin):
        known = {row[0] for row in space.db.execute("SELECT id FROM task")}
        known |= {row[0] for row in space.db.execute("SELECT id FROM candidate")}
        assert known.issuperset(lost), "it is not known under its first id"
    assert verify(one).sound, "a file of a frame was left behind"


def _bind(store_dir: str) -> None:
    """Make a copied key fit the copied journal, as on a cloned virtual disk."""
    path = os.path.join(store_dir, identity.KEY_FILE)
    journal = os.path.join(store_dir, "journal.db")
    with open(path, encoding="utf-8") as file:
        fields = json.load(file)
    fields["inode"], fields["born"] = os.stat(journal).st_ino, identity.birth_ns(journal)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(fields, file)


def test_a_bad_frame_is_kept_out_and_shown_and_the_rest_goes_on(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    sync(one, remote(hub))
    forger = world.forger(one)
    lines = forger.lines(3)
    good = forger.frame(lines[:2])
    wrong = {"hash": "0" * 64}
    before = forger.ids(lines[:2])[-1]
    bad = forger.frame(lines[2:], first=3, before=before, parents=(good,), states=wrong)
    one.objects.git.run("push", "-q", str(hub), f"{bad}:{forger.ref}")
    got = only(sync(two, remote(hub)))
    assert [(found.kind, found.replica) for found in got.findings] == [("refused", forger.replica)]
    assert admitted(two) == {one.replica: 1, forger.replica: 2}
    assert two.objects.refs.get(forger.ref) == good
    assert list(two.objects.refs.under(REFUSED).values()) == [bad]
    world.task(two)
    assert only(sync(two, remote(hub))).own == 1


def test_what_is_refused_cannot_fill_the_disk(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    forger = world.forger(one)
    for _ in range(REFUSED_MAX + 2):
        bad = forger.frame(forger.lines(1), states={"hash": "0" * 64})
        one.objects.git.run("push", "-q", "--force", str(hub), f"{bad}:{forger.ref}")
        assert len(only(sync(two, remote(hub))).findings) == 1
    assert len(two.objects.refs.under(REFUSED)) == REFUSED_MAX


def test_refs_that_are_no_logs_are_shown_and_left(world: World, hub: Path) -> None:
    one = world.space("one")
    commit = world.git(hub, "commit-tree", "-m", "x", world.git(hub, "mktree"))
    world.git(hub, "update-ref", "refs/waggle/main/not-a-replica", commit)
    got = only(sync(one, remote(hub)))
    assert [found.kind for found in got.findings] == ["stray"]


def test_logs_can_lie_among_the_branches(world: World, hub: Path) -> None:
    one, two = world.space("one"), world.space("two")
    world.git(hub, "config", "transfer.hideRefs", "refs/waggle")
    world.task(one)
    refused = only(sync(one, remote(hub))).trouble
    assert refused is not None
    assert refused.kind == "layout", refused
    sync(one, remote(hub, "refs/heads/waggle"))
    assert only(sync(two, remote(hub, "refs/heads/waggle"))).received == {one.replica: 1}


def test_a_store_without_remotes_says_what_to_do(world: World) -> None:
    one = world.space("one")
    with pytest.raises(WaggleError) as caught:
        find_remotes(one.objects.git, Config(), [], str(world.folder))
    assert "waggle init --remote" in caught.value.next_step


def test_origin_is_used_and_never_all_remotes(world: World) -> None:
    one = world.space("one")
    for name in ("origin", "upstream"):
        world.git(one.repository, "remote", "add", name, f"https://{name}.invalid/x.git")
    found = find_remotes(one.objects.git, Config(), [], str(world.folder))
    assert [remote.name for remote in found] == ["origin"]


@pytest.mark.parametrize("name", ["--upload-pack=touch /tmp/x", "nowhere", "ext"])
def test_what_is_no_remote_is_refused(world: World, name: str) -> None:
    one = world.space("one")
    with pytest.raises(WaggleError, match="is no git remote"):
        find_remotes(one.objects.git, Config(), [name], str(world.folder))


def test_an_address_cannot_run_a_command(world: World) -> None:
    one = world.space("one")
    mark = world.folder / "ran"
    (found,) = find_remotes(one.objects.git, Config(), [f"ext::touch {mark}"], str(world.folder))
    assert only(sync(one, found)).trouble is not None
    assert not mark.exists()


def test_remotes_with_strange_names_are_tracked_safely(world: World, hub: Path) -> None:
    one = world.space("one")
    world.task(one)
    world.git(one.repository, "remote", "add", "team/ünï", str(hub))
    (found,) = find_remotes(one.objects.git, Config(), ["team/ünï"], str(world.folder))
    assert "/" not in found.track
    assert only(sync(one, found)).own == 1
