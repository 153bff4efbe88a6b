"""How far a log counts: held against a recount, entry by entry, of anything that may be decreed."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws.reference import admitted
from tests.laws.worlds import NOWHERE, OPERATORS, SPACE, key, public

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.log.chain import Link
from waggle.log.entry import Agent, Envelope
from waggle.log.sshsig import public_text
from waggle.store.views import decrees
from waggle.store.views.admission import Policy, bounds, count, settle_fork
from waggle.store.views.decrees import (
    EVERYTHING,
    Admit,
    Decree,
    Decrees,
    Distrust,
    Trust,
    flaw,
    signed,
)

WALL_MS = 1_000_000
REPLICA, OTHER = "ab" * 16, "cd" * 16
BY = Agent(name="ann")


def link(seq: int, branch: int, ms: int) -> Link:
    envelope = Envelope(at=stamp(ms, seq), by=BY, kind="task.add")
    return Link(seq, f"{branch:032x}{seq:032x}", b"", envelope)


def tree(random: Random) -> list[list[Link]]:
    """Give one to three chains of one log; some share a beginning, some end in the future."""
    early = random.randrange(7)
    trunk = [link(n, 0, 0 if n <= early else WALL_MS * 9) for n in range(1, random.randrange(1, 9))]
    chains = [trunk]
    for branch in range(1, random.choice((1, 1, 2, 3))):
        other = random.choice(chains)[: random.randrange(len(trunk) + 1)]
        ahead = any(one.envelope.at > stamp(WALL_MS) for one in other)
        ms = WALL_MS * 9 if ahead else random.choice((0, WALL_MS * 9))
        more = random.randrange(len(other) + 1, len(other) + 4)
        chains.append(other + [link(n, branch, ms) for n in range(len(other) + 1, more)])
    random.shuffle(chains)
    return chains


def decree(random: Random, ids: list[str]) -> Decree:
    common = {
        "replica": random.choice((REPLICA, REPLICA, REPLICA, OTHER)),
        "made": random.randrange(4),
        "operator": random.choice(sorted(OPERATORS)),
        "signature": "",
    }
    kind = random.choice((Trust, Distrust, Admit))
    # Fields of other kinds are skipped.
    return msgspec.convert(
        {**common, "last": random.randrange(9), "entry": random.choice(ids)}, kind
    )


def settled(found: list[Decree]) -> Decrees:
    return decrees.settle(
        (one.KIND, one.replica, one.detail, one.made, one.operator, one.reason) for one in found
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_what_counts_equals_a_recount_in_any_order(seed: int, many: int) -> None:
    random = Random(seed)
    listed = random.random() < 0.5
    chains = tree(random)
    ids = [NOWHERE, *(one.id for chain in chains for one in chain)]
    found = [decree(random, ids) for _ in range(many)]
    expected = admitted(
        [[(one.id, one.envelope.at) for one in chain] for chain in chains],
        [one for one in found if one.replica == REPLICA],
        WALL_MS + DRIFT_MS_MAX,
        listed=not listed,
    )
    for _ in range(3):
        random.shuffle(found)
        random.shuffle(chains)
        bound = bounds(Policy(listed=listed), settled(found), REPLICA, OTHER)
        links, forked = settle_fork(chains, bound.admits)
        counted = links[: count(links, bound, WALL_MS)]
        assert [one.id for one in counted] == expected
        assert forked or links in chains


def test_the_own_log_and_listed_ones_are_trusted_without_a_decree() -> None:
    nothing = settled([])
    strict = Policy(listed=True, trusted=frozenset({OTHER}))
    assert bounds(strict, nothing, REPLICA, own=REPLICA).limit == EVERYTHING
    assert bounds(strict, nothing, OTHER, own=REPLICA).limit == EVERYTHING
    assert bounds(strict, nothing, "ef" * 16, own=REPLICA).limit == 0
    assert bounds(Policy(), nothing, "ef" * 16, own=REPLICA).limit == EVERYTHING


GOOD = Distrust(
    replica=REPLICA,
    last=7,
    reason="a\nb",
    made=5,
    operator=public_text(public(10)),
    signature="",
)


def test_a_decree_counts_when_an_operator_signed_it_for_this_space() -> None:
    assert flaw(SPACE, signed(key(10), SPACE, GOOD), OPERATORS) is None


@pytest.mark.parametrize(
    "change",
    [{"last": 8}, {"made": 6}, {"replica": OTHER}, {"reason": "a"},
     {"operator": public_text(public(11))}, {"signature": "x"}],
)  # fmt: skip
def test_a_decree_that_was_changed_does_not_count(change: dict[str, object]) -> None:
    decree = signed(key(10), SPACE, GOOD)
    assert flaw(SPACE, msgspec.structs.replace(decree, **change), OPERATORS) is not None


def test_a_decree_by_a_stranger_or_for_another_space_or_kind_does_not_count() -> None:
    stranger = msgspec.structs.replace(GOOD, operator=public_text(public(12)))
    assert flaw(SPACE, signed(key(12), SPACE, stranger), OPERATORS) is not None
    assert flaw(SPACE, signed(key(12), SPACE, GOOD), OPERATORS) is not None
    assert flaw("elsewhere", signed(key(10), SPACE, GOOD), OPERATORS) is not None
    fields = {**msgspec.to_builtins(signed(key(10), SPACE, GOOD))}
    del fields["last"]
    assert flaw(SPACE, Trust(**fields), OPERATORS) is not None
