"""The law of admission, on real git: however logs and decrees arrive, the same entries count.

Logs fork, run into the future and carry the operators' decrees on one another: trust, distrust,
trust again, admission. Stores get them in any order, in frames cut anywhere, and read meanwhile.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from msgspec import Struct
from tests.conftest import World
from tests.laws.post import OPERATORS, Post
from tests.laws.reference import Recount, admitted
from tests.laws.worlds import SPACE, Log, entries_of
from tests.laws.worlds import World as Tale

from waggle.base.clock import DRIFT_MS_MAX, millis
from waggle.choice.fold import CHOICE_FOLD
from waggle.log.chain import follow, start
from waggle.store import config
from waggle.store.space import Space
from waggle.store.views.decrees import Decree

SEEDS = 400 if os.environ.get("WAGGLE_TESTS") == "soak" else 24


class Story(Struct, frozen=True):
    """Logs with everything that keeps entries from counting."""

    logs: tuple[Log, ...]
    """More than one of a replica where it forked."""
    decrees: tuple[Decree, ...]
    """The valid ones."""
    rulings: frozenset[tuple[str, int]]
    trusted: str | None
    """The one replica that is trusted without a decree; None where all are."""
    now_ms: int


def tell(seed: int) -> Story:
    random = Random(seed)
    tale = Tale(random, decrees=random.choice((3, 9)))
    for _ in range(random.randrange(20, 60)):
        tale.step()
        log = random.choice(tale.logs)
        if random.random() < 0.1 and log.ids and len(tale.logs) < 6:
            tale.logs.append(log.branch(random.randrange(len(log.ids))))
        if random.random() < 0.1:
            log.at = max(log.at, (tale.now_ms + DRIFT_MS_MAX * random.choice((1, 2, 3))) << 16)
    return Story(
        tuple(log for log in tale.logs if log.ids),
        tuple(tale.valid_decrees),
        frozenset(tale.valid_rulings),
        random.choice((None, tale.logs[0].replica)),
        tale.now_ms,
    )


def expected(story: Story, now_ms: int) -> dict[str, list[bytes]]:
    """Give the lines that count, by replica, recounted entry by entry."""
    found = {}
    for replica in {log.replica for log in story.logs}:
        logs = [log for log in story.logs if log.replica == replica]
        links = [follow(start(SPACE, replica), log.lines)[0] for log in logs]
        ids = admitted(
            [[(link.id, link.envelope.at) for link in one] for one in links],
            [one for one in story.decrees if one.replica == replica],
            now_ms + DRIFT_MS_MAX,
            listed=story.trusted in {None, replica},
        )
        whole = next(log for log in logs if log.ids[: len(ids)] == ids)
        if ids:
            found[replica] = whole.lines[: len(ids)]
    return found


def post(world: World, name: str, story: Story) -> Post:
    if story.trusted is None:
        return Post(world, name)
    strict = config.Config(operators=OPERATORS, trust="listed", trusted=(story.trusted,))
    return Post(world, name, strict)


def counted(space: Space) -> dict[str, int]:
    return {replica: head.seq for replica, head in space.digest()[1].items()}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_entries_count_however_they_arrive(seed: int, world: World) -> None:
    story, random = tell(seed), Random(-seed - 1)
    later_ms = story.now_ms + random.choice((0, DRIFT_MS_MAX, DRIFT_MS_MAX * 3))
    digests = []
    for n in range(3):
        world.clock.now = random.choice((story.now_ms, later_ms))
        one = post(world, f"store{n}", story)
        one.deliver_all(random.sample(story.logs, len(story.logs)), random)
        world.clock.now = later_ms
        lines = expected(story, later_ms)
        assert counted(one.space) == {replica: len(some) for replica, some in lines.items()}
        digests.append(one.space.digest())
        one.space.rebuild()
        digests.append(one.space.digest())
    assert len({str(digest) for digest in digests}) == 1
    entries = [entry for replica, some in lines.items() for entry in entries_of(replica, some)]
    votes = Recount(entries, story.rulings).vote_rows()
    assert one.space.db.execute(CHOICE_FOLD.digests["vote"]).fetchall() == votes


def test_the_stories_hold_everything_that_keeps_entries_from_counting() -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        story = tell(seed)
        replicas = [log.replica for log in story.logs]
        met["forked"] += len(set(replicas)) < len(replicas)
        met["listed"] += story.trusted is not None
        met["future"] += any(millis(log.at) > story.now_ms + DRIFT_MS_MAX for log in story.logs)
        met.update({one.KIND for one in story.decrees})
        lines = expected(story, story.now_ms)
        met["held back"] += any(
            len(lines.get(log.replica, ())) < len(log.ids) for log in story.logs
        )
        met["counts"] += sum(map(len, lines.values())) > 10
    assert len(met) == 8
    assert min(met.values()) >= SEEDS // 5, met
