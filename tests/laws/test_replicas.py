"""The laws across replicas, on real git: any way for the logs to arrive gives the same view."""

from __future__ import annotations

from random import Random

import pytest
from tests.conftest import Forger, World
from tests.laws.post import OPERATORS, Post
from tests.laws.reference import Recount
from tests.laws.worlds import AGENTS, START_MS, Log, grow
from tests.laws.worlds import World as Tale

from waggle.agents.folds import FOLDS
from waggle.base.clock import DRIFT_MS_MAX
from waggle.base.errors import WaggleError
from waggle.choice.ballot import read
from waggle.choice.fold import CHOICE_FOLD
from waggle.choice.kinds import Candidate, Vote
from waggle.eventual.tasks import TaskAdd
from waggle.store import config
from waggle.store.space import Space


@pytest.mark.parametrize("seed", range(4))
def test_any_way_of_arriving_gives_the_same_view(seed: int, world: World) -> None:
    made = grow(Random(seed), 60)
    world.clock.pass_ms(60_000)
    spaces = []
    for n in range(2):
        post = Post(world, f"store{n}")
        post.deliver_all(made.logs, Random(seed * 10 + n))
        spaces.append(post.space)
    one, two = spaces
    assert one.digest() == two.digest()
    assert {replica: head.seq for replica, head in one.digest()[1].items()} == {
        log.replica: len(log.ids) for log in made.logs if log.ids
    }
    recount = Recount(made.entries, made.valid_rulings)
    assert one.db.execute(CHOICE_FOLD.digests["vote"]).fetchall() == recount.vote_rows()
    before = one.digest()
    one.rebuild()
    assert one.digest() == before
    for (task,) in one.db.execute("SELECT DISTINCT task FROM candidate").fetchall():
        assert read(one.db, task) == read(two.db, task)


def _copied_twice() -> tuple[Log, Log, Log, str]:
    """Give a log and two that appended what it held again, with a vote on each copy's name."""
    tale = Tale(Random(0))
    original, left, right = tale.logs
    task = tale.write(original, AGENTS[0], TaskAdd(title="t"))
    proposed = Candidate(task=task, result="ab" * 16)
    candidate = tale.write(original, AGENTS[0], proposed)
    for log, by in ((left, AGENTS[2]), (right, AGENTS[3])):
        tale.now_ms += 1
        tale.write(log, AGENTS[0], TaskAdd(title="t"), was=task)
        copy = tale.write(log, AGENTS[0], proposed, was=candidate)
        tale.write(log, by, Vote(candidate=copy, score=100))
    return original, left, right, candidate


@pytest.mark.parametrize("seed", range(4))
def test_a_store_copied_twice_is_one_candidate_and_two_voters(seed: int, world: World) -> None:
    original, left, right, candidate = _copied_twice()
    digests = []
    for n, logs in enumerate(((left, right), (right, left))):
        post = Post(world, f"store{n}")
        for log in logs:
            post.deliver_all((log,), Random(seed * 10 + n))
            post.space.folding.catch_up()
        digests.append(post.space.digest())
        rows = post.space.db.execute("SELECT id FROM candidate").fetchall()
        assert rows == [(candidate,)]
        assert post.space.db.execute("SELECT sum(ups) FROM tally").fetchone() == (2,)
        post.deliver_all((original,), Random(seed))
        digests.append(post.space.digest())
    assert digests[0] == digests[2]
    assert digests[1] == digests[3]
    assert digests[0] != digests[1]


def test_entries_from_the_future_wait_and_then_count(world: World) -> None:
    tale = Tale(Random(0), replicas=2)
    ahead, honest = tale.logs
    task = tale.write(honest, AGENTS[0], TaskAdd(title="t"))
    candidate = tale.write(honest, AGENTS[0], Candidate(task=task, result="ab" * 16))
    tale.write(ahead, AGENTS[1], Vote(candidate=candidate, score=100))
    tale.now_ms += DRIFT_MS_MAX + 1000
    tale.write(ahead, AGENTS[2], Vote(candidate=candidate, score=100))
    world.clock.now = START_MS
    early, late = (Post(world, name) for name in ("early", "late"))
    early.deliver_all((ahead, honest), Random(1))
    assert early.space.db.execute("SELECT sum(ups) FROM tally").fetchone() == (1,)
    world.clock.pass_ms(1001)
    late.deliver_all((honest, ahead), Random(2))
    assert early.space.digest() == late.space.digest()
    assert early.space.db.execute("SELECT sum(ups) FROM tally").fetchone() == (2,)


@pytest.mark.parametrize("first", [0, 1])
def test_a_forked_log_counts_up_to_the_fork(first: int, world: World) -> None:
    tale = Tale(Random(0), replicas=1)
    (log,) = tale.logs
    task = tale.write(log, AGENTS[0], TaskAdd(title="t"))
    candidate = tale.write(log, AGENTS[0], Candidate(task=task, result="ab" * 16))
    post = Post(world, "store")
    post.deliver(log, 2)
    post.space.folding.catch_up()
    common = post.space.digest()[2]
    forger = Forger(post.space.objects, b"\1" * 32)
    tip = post.space.objects.refs.get(forger.ref)
    assert tip is not None
    frames = []
    for score in (100, 0):
        line = forger.line(Vote(candidate=candidate, score=score), at=log.at + 1)
        frames.append(forger.frame([line], first=3, before=log.ids[-1], parents=(tip,)))
    for oid in (frames[first], frames[1 - first]):
        forger.point(oid)
        post.space.find_logs()
        post.space.folding.catch_up()
    _, vector, digest = post.space.digest()
    assert digest == common
    assert vector[log.replica].seq == 2


def test_who_opens_the_view_with_other_operators_does_not_spoil_it(world: World) -> None:
    made = grow(Random(3), 120)
    world.clock.pass_ms(60_000)
    post = Post(world, "store")
    post.deliver_all(made.logs, Random(3))
    before = post.space.digest()
    config.save(post.space.store_dir, config.Config(operators=OPERATORS[:1]))
    other = Space(post.space.repository, "main", FOLDS, world.outside)
    try:
        fewer = other.digest()
        assert fewer[2] != before[2]
        assert post.space.digest() == before
        assert other.digest() == fewer
    finally:
        other.close()


def test_a_batch_that_cannot_be_folded_leaves_vector_and_tables_as_they_were(world: World) -> None:
    made = grow(Random(4), 400)
    world.clock.pass_ms(60_000)
    post, fresh = (Post(world, name) for name in ("broken", "whole"))
    post.deliver_all(made.logs[:1], Random(4))
    before = post.space.digest()
    for log in made.logs[1:]:
        post.deliver(log, 1000)
    db = post.space.view.db
    db.execute("PRAGMA max_page_count = 1")  # as good as a full disk
    with pytest.raises(WaggleError) as caught:
        post.space.folding.catch_up()
    assert caught.value.code == "environment"
    db.execute("PRAGMA max_page_count = 1000000")
    assert (post.space.view.admitted(), post.space.view.digest()) == before[1:]
    fresh.deliver_all(made.logs, Random(5))
    assert post.space.digest() == fresh.space.digest()
