"""The laws of hearing: whatever is lost, repeated, reordered or mangled, what is held is a prefix.

An honest writer is never accused; one with two histories is, once both have arrived.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.voices import Voice, logs

from waggle.log.chain import Head
from waggle.log.said import Said
from waggle.store.frames.logs import Logs
from waggle.store.hearing import proofs
from waggle.store.hearing.heard import Heard
from waggle.store.hearing.listening import Listener
from waggle.store.space import Space

if TYPE_CHECKING:
    from tests.conftest import World

LINES = 12
SEEDS = itertools.count(1000)
"""Every example has a writer of its own, so that all can share one store."""
shared_store = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
Part = tuple[int, int]


@pytest.fixture
def node(space: Space) -> Iterator[Listener]:
    listener = Listener(space.store_dir, "main", space.journal, logs(space))
    yield listener
    listener.close()


def parts(last: int = LINES) -> st.SearchStrategy[Part]:
    """Messages: from one seq to another."""
    return st.tuples(st.integers(1, last), st.integers(1, last)).map(
        lambda two: (min(two), max(two))
    )


@st.composite
def cuts(draw: st.DrawFn, last: int) -> list[Part]:
    """One log cut into messages that overlap at will and lack nothing."""
    found, end = [], 0
    while end < last:
        first = draw(st.integers(max(1, end - 2), end + 1))
        end = draw(st.integers(end + 1, last))
        found.append((first, end))
    return found


def mangle(said: Said, how: str) -> Said:
    """What somebody on the way may make of a message."""
    change = msgspec.structs.replace
    if how == "lines":
        return change(said, lines=tuple(line[:-1] + b" }" for line in said.lines))
    if how == "last line":
        return change(said, lines=(*said.lines[:-1], b'{"at":9}'))
    if how == "first":
        return change(said, first=1, lines=said.lines[:1] * said.head.seq)
    if how == "hash":
        return change(said, head=change(said.head, hash="ab" * 32))
    return said


def holds(heard: Heard, voice: Voice, base: int) -> int:
    """Give how far a log is held after a seq; all of it must be the writer's own."""
    lines = [one.line for one in heard.read(voice.replica, Head(base, voice.ids()[base], 0))]
    end = base + len(lines)
    assert lines == voice.lines[base:end]
    reach = heard.ends().get(voice.replica)
    assert (reach.seq, reach.id) == (end, voice.ids()[end]) if reach else not lines
    return end


STEPS = st.lists(
    st.one_of(
        st.tuples(parts(), st.sampled_from(["", "", "", "lines", "last line", "first", "hash"])),
        st.tuples(st.tuples(st.just(0), st.integers(1, LINES)), st.sampled_from(["git", "trim"])),
    ),
    max_size=16,
)


@shared_store
@given(steps=STEPS)
def test_an_honest_writer_is_held_as_a_prefix_and_never_accused(
    world: World, space: Space, node: Listener, steps: list[tuple[Part, str]]
) -> None:
    voice, other = Voice(next(SEEDS)).write(LINES), Heard(space.store_dir, "main")
    sealed = end = 0
    for (first, last), how in steps:
        if how == "git" and last > sealed:
            voice.seal(world, space, last)
            sealed = last
        elif how in {"git", "trim"}:
            assert node.trim(voice.replica) is None
        else:
            outcome = node.take(mangle(voice.say(first, last), how))
            before, end = max(end, sealed), max(holds(node, voice, sealed), sealed)
            assert outcome.how in {"appended", "duplicate", "gap", "refused"}
            if not how:
                gap = first > before + 1
                assert outcome.how == (
                    "gap" if gap else "appended" if last > before else "duplicate"
                )
                assert end == (before if gap else max(before, last))
                assert outcome.ask == (before if gap else None)
                assert outcome.count == end - before
            assert end >= before
            assert holds(other, voice, sealed) in {end, sealed}
    node.take(voice.say(1, LINES))
    assert node.trim(voice.replica) is None
    assert max(holds(other, voice, sealed), sealed) == LINES
    assert proofs.proved(space.journal, "main") == {}
    other.close()


@st.composite
def equivocations(draw: st.DrawFn) -> tuple[int, int, int, list[tuple[bool, Part]]]:
    """Where a log forks, how long both histories are, and messages of both, all in some order."""
    fork = draw(st.integers(0, LINES - 1))
    lengths = [draw(st.integers(fork + 1, LINES + 3)) for _ in range(2)]
    said = [(which, part) for which in (False, True) for part in draw(cuts(lengths[which]))]
    return fork, lengths[0], lengths[1], draw(st.permutations(said))


def listen(node: Listener, voice: Voice, part: Part) -> bool:
    """Let one of two histories say something, and answer what is asked; tell if it is caught."""
    outcome = node.take(voice.say(*part))
    for _ in range(2):
        if outcome.ask is None or outcome.ask >= len(voice.lines):
            break
        outcome = node.take(voice.say(outcome.ask + 1, len(voice.lines)))
    return outcome.how == "forked"


@shared_store
@given(made=equivocations(), sealed=st.none() | st.tuples(st.booleans(), st.integers(1, LINES)))
def test_a_writer_with_two_histories_is_caught_once_both_have_arrived(
    world: World,
    space: Space,
    node: Listener,
    made: tuple[int, int, int, list[tuple[bool, Part]]],
    sealed: tuple[bool, int] | None,
) -> None:
    fork, one, other, said = made
    voice = Voice(next(SEEDS)).write(one)
    voices = (voice, voice.fork(fork, other - fork))
    if sealed is not None:
        sealing = voices[sealed[0]]
        sealing.seal(world, space, min(sealed[1], len(sealing.lines)))
    caught = [listen(node, voices[which], part) for which, part in said]
    assert caught[-1]
    assert caught == sorted(caught), "once caught, it stays so"
    assert voice.replica not in node.ends()
    assert_proof_stands(space, voices)


def assert_proof_stands(space: Space, voices: tuple[Voice, Voice]) -> None:
    """Hold a proof against both histories, and against what git has."""
    log = ("main", voices[0].replica)
    proof = proofs.load(space.journal, log)
    assert proof is not None
    proofs.check(log, proof)
    found = {voice.ids()[proof.seq] for voice in voices if len(voice.lines) >= proof.seq}
    assert {side.id for side in proof.sides} == found
    assert len(found) == 2
    for side in proof.sides:
        if side.frame is not None:
            frame = Logs(space.objects).frame(side.frame, *log)
            stated = frame.statement
            assert stated.first <= proof.seq <= stated.last
            assert any(
                one.ids()[stated.last :][:1] == [stated.hash] and one.ids()[proof.seq] == side.id
                for one in voices
            )


@shared_store
@given(
    said=cuts(LINES),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
def test_a_file_with_wrong_bytes_gives_a_prefix_and_accuses_nobody(
    space: Space, node: Listener, said: list[Part], flips: list[tuple[float, int]]
) -> None:
    voice = Voice(next(SEEDS)).write(LINES)
    for part in said[: len(said) // 2 + 1]:
        node.take(voice.say(*part))
    node.close()  # which leaves the file alone, without its write-ahead log
    with open(node.path, "r+b") as file:
        size = os.path.getsize(node.path)
        for place, bits in flips:
            file.seek(int(place * size))
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ bits]))
    reader = Heard(space.store_dir, "main")
    lines = [one.line for one in reader.read(voice.replica, Head(0, voice.ids()[0], 0))]
    assert lines == voice.lines[: len(lines)]
    assert isinstance(reader.ends(), dict)
    reader.close()
    for part in [*said, *said]:
        assert node.take(voice.say(*part)).how != "forked"
    assert proofs.proved(space.journal, "main") == {}
    node.close()
    os.remove(node.path)
