"""What hostile nodes say is refused or held, and counted; what honest ones say goes on.

Each message arrives as the live path hands it over: as bytes, in `Talk.hear`. Nothing that comes
raises, and nothing that is refused is in the view, now or after it was folded anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.conftest import Forger, World
from tests.store.test_forged import ENVELOPE
from tests.store.voices import Voice
from tests.sync.hostile import ATTACKS, ODD, PLAIN, REFUSED_BY_GIT

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.base.limits import ENTRY_BYTES_MAX, FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.eventual.tasks import tasks
from waggle.log.frame import signed_bytes
from waggle.log.said import Said, sign_head
from waggle.log.sshsig import sign
from waggle.store.checkup.verify import verify
from waggle.store.hearing import proofs
from waggle.store.repo.objects import Objects
from waggle.store.repo.trees import tree_entries
from waggle.store.views.members import members
from waggle.sync.live import wire
from waggle.sync.live.wire import Ask, Frame
from waggle.sync.node.talk import Question, Talk

if TYPE_CHECKING:
    from waggle.store.space import Space

NODE = "ab" * 16
HONEST, EVIL, THIRD = 1, 2, 3
"""Seeds of writers."""


@pytest.fixture
def talk(space: Space) -> Iterator[Talk]:
    talk = Talk(space)
    yield talk
    talk.close()


def titles(space: Space) -> list[str]:
    return sorted(task.body.title for task in tasks(space.db))


def hear(talk: Talk, *messages: wire.Message | bytes) -> list[Question]:
    """Let it hear what is sent as it is; give what it asks."""
    sent = (one if isinstance(one, bytes) else raw(one) for one in messages)
    return [question for data in sent for question in talk.hear(NODE, data)]


def raw(message: wire.Message) -> bytes:
    """Encode a message beyond all limits, too."""
    kinds = {Said: 1, Frame: 2, Ask: 3}
    return bytes((1, kinds[type(message)])) + msgspec.msgpack.encode(message)


def assert_only_honest(space: Space, talk: Talk) -> None:
    """Nothing but an honest writer's two lines counts, and they come in beside all else."""
    honest = Voice(HONEST).write(2, "honest")
    hear(talk, honest.say(1, 2))
    for _ in range(2):
        assert {task.body.title.split()[1] for task in tasks(space.db)} == {"honest"}
        assert {one.replica for one in members(space) if one.entries} == {honest.replica}
        space.rebuild()


# --- lines -------------------------------------------------------------------------------------


def changed(voice: Voice, first: int, last: int, **changes: object) -> Said:
    """Say lines under a head in which something was changed after it was signed."""
    said = voice.say(first, last)
    return replace(said, head=replace(said.head, **changes))


def under(voice: Voice, lines: list[bytes], *, first: int = 1, space: str = "main") -> Said:
    """Say any lines under the head that they give, signed by their writer."""
    mine = Voice(int.from_bytes(voice.seed), [*voice.lines[: first - 1], *lines])
    head = sign_head(voice.key, space, len(mine.lines), mine.ids()[-1])
    return Said(head=head, first=first, lines=tuple(lines))


def line(at: int, inner: bytes = ENVELOPE) -> Callable[[Voice], Said]:
    return lambda voice: under(voice, [b'{"at":%d,' % at + inner + b"}"])


def by_another(voice: Voice) -> Said:
    return changed(voice, 1, 3, key=Voice(THIRD).key.public_key().public_bytes_raw())


def signed_by_another(voice: Voice) -> Said:
    said = Voice(THIRD).write(3).say(1, 3)
    return replace(voice.say(1, 3), head=said.head)


def as_another(voice: Voice) -> Said:
    return changed(voice, 1, 3, replica=Voice(THIRD).replica)


def reordered(voice: Voice) -> Said:
    said = voice.say(1, 3)
    return replace(said, lines=said.lines[::-1])


def reordered_and_signed(voice: Voice) -> Said:
    return under(voice, voice.lines[::-1])


def other_lines(voice: Voice) -> Said:
    return replace(voice.say(1, 3), lines=voice.fork(1, 2).say(1, 3).lines)


def to_another_space(voice: Voice) -> Said:
    return changed(voice, 1, 3, space="other")


SAID: dict[str, tuple[Callable[[Voice], Said], str]] = {
    "a forged signature": (lambda v: changed(v, 1, 3, signature=bytes(64)), "said: refused"),
    "a signature by another key": (by_another, "said: refused"),
    "another's head": (signed_by_another, "said: refused"),
    "said as another": (as_another, "said: refused"),
    "brought from another space": (to_another_space, "said: refused"),
    "signed for another space": (lambda v: under(v, v.lines, space="other"), "said: refused"),
    "another hash": (lambda v: changed(v, 1, 3, hash="0" * 64), "said: refused"),
    "another seq": (lambda v: changed(v, 1, 3, seq=2), "no message"),
    "the beginning is missing": (lambda v: v.say(2, 3), "said: gap"),
    "reordered": (reordered, "said: refused"),
    "reordered and signed": (reordered_and_signed, "said: refused"),
    "other lines under a signed head": (other_lines, "said: refused"),
    "a clock that stands": (lambda v: under(v, [v.lines[0], v.lines[0]]), "said: refused"),
    "a huge clock": (line(10**30), "said: refused"),
    "a float": (lambda v: under(v, [b'{"at":1.0,' + ENVELOPE + b"}"]), "said: refused"),
    "not UTF-8": (line(1, ENVELOPE + b',"z":"\xff"'), "said: refused"),
    "not JSON": (line(1, ENVELOPE + b',"z":{'), "said: refused"),
    "two clocks": (line(1, b'"at":2,' + ENVELOPE), "said: refused"),
    "nested too deep": (line(1, ENVELOPE + b',"z":' + b"[" * 99 + b"]" * 99), "said: refused"),
    "two lines in one": (line(1, ENVELOPE + b"}\n{"), "said: refused"),
    "a long line": (line(1, ENVELOPE + b" " * ENTRY_BYTES_MAX), "no message"),
    "no lines": (lambda v: replace(v.say(1, 3), lines=()), "no message"),
    "too many lines": (
        lambda v: under(v, [b"{}"] * (FRAME_ENTRIES_MAX + 1)),
        "no message",
    ),
    "too many bytes": (
        lambda v: under(v, [b" " * ENTRY_BYTES_MAX] * (FRAME_BYTES_MAX // ENTRY_BYTES_MAX)),
        "no message",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_its_writer_did_not_say_is_refused_and_counted(
    space: Space, talk: Talk, name: str
) -> None:
    make, count = SAID[name]
    for times in (1, 2):
        hear(talk, make(Voice(EVIL).write(3)))
        assert talk.count == {count: times}
    assert_only_honest(space, talk)


def test_a_message_that_is_cut_anywhere_is_no_message(space: Space, talk: Talk) -> None:
    whole = raw(Voice(EVIL).write(2).say(1, 2))
    for end in range(len(whole)):
        assert hear(talk, whole[:end]) == []
    assert talk.count.total() == len(whole)
    assert not {name for name in talk.count if name.startswith("said: app")}
    assert_only_honest(space, talk)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_believed(space: Space, talk: Talk, place: int, bit: int) -> None:
    data = bytearray(raw(Voice(EVIL).write(2).say(1, 2)))
    data[place % len(data)] ^= 1 << bit
    hear(talk, bytes(data))
    assert titles(space) == []


def test_what_is_too_large_is_not_decoded(space: Space, talk: Talk) -> None:
    deep = bytes((1, 1)) + b"\x91" * (wire.MESSAGE_BYTES_MAX - 2)
    claims = bytes((1, 1)) + b"\x93\xdd\xff\xff\xff\xff\xc6\xff\xff\xff\xff"
    hear(talk, bytes(wire.MESSAGE_BYTES_MAX + 1), deep, claims)
    assert talk.count == {"no message": 3}
    assert_only_honest(space, talk)


def test_what_is_said_again_and_in_any_order_is_the_same(space: Space, talk: Talk) -> None:
    voice = Voice(EVIL).write(6)
    late = voice.say(4, 6)
    (question,) = hear(talk, late)
    assert (question.ask.replica, question.ask.after) == (voice.replica, 0)
    assert titles(space) == []
    hear(talk, voice.say(1, 3), late, late, voice.say(2, 5), voice.say(1, 1))
    assert len(titles(space)) == 6
    assert talk.count["said: appended"] == 2
    assert talk.count["said: gap"] == 1


def test_entries_from_the_future_are_held_until_their_time_comes(
    world: World, space: Space, talk: Talk
) -> None:
    voice = Voice(EVIL).write(1, "now")
    ahead = world.START_MS + DRIFT_MS_MAX + 60_000
    voice.lines.append(b'{"at":%d,%b}' % (stamp(ahead), ENVELOPE))
    hear(talk, voice.say(1, 2))
    assert len(titles(space)) == 1
    (member,) = (one for one in members(space) if one.replica == voice.replica)
    assert (member.entries, member.admitted, member.held_back) == (2, 1, "future")
    world.clock.pass_ms(60_000)
    assert len(titles(space)) == 2


def test_odd_lines_that_are_right_are_kept_and_skipped_alone(space: Space, talk: Talk) -> None:
    """A kind of a later version, keys that stand twice, and a body that is none."""
    by = b'"by":{"name":"eve"},'
    bodies = [
        by + b'"kind":"dance.waggle","new":[1.5,9e99]',
        by + b'"kind":"task.add","title":"first","title":"last"',
        by + b'"kind":"task.add","timeout_s":' + b"9" * 400 + b',"title":"x"',
        ENVELOPE,
    ]
    voice = Voice(EVIL)
    voice.lines = [b'{"at":%d,%b}' % (at, inner) for at, inner in enumerate(bodies, 1)]
    hear(talk, voice.say(1, 4))
    assert titles(space) == ["last", "x"]
    assert [link.line for link in space.counted.every(voice.replica)] == voice.lines


# --- frames ------------------------------------------------------------------------------------


def frame_of(objects: Objects, oid: str, replica: str) -> Frame:
    """Give a frame as a message, whatever it is."""
    commit = objects.raw(oid)
    trees, blobs, waiting = list[bytes](), list[bytes](), [commit[5:45].decode()]
    seen = set[str]()
    while waiting:
        trees.append(objects.raw(waiting.pop()))
        try:
            found = tree_entries(trees[-1])
        except ValueError:
            continue
        for is_tree, below in found:
            if is_tree:
                waiting.append(below)
            elif below not in seen and objects.has(below):
                seen.add(below)
                blobs.append(objects.raw(below))
    return Frame(
        space="main", replica=replica, commit=commit, trees=tuple(trees), blobs=tuple(blobs)
    )


def blob_as_parent(forger: Forger) -> str:
    return forger.frame(forger.lines(1), parents=(forger.objects.blob(b"evil"),))


def other_commit(change: Callable[[bytes], bytes]) -> Callable[[Forger], str]:
    """A right frame but for what stands in its commit, with a right signature."""

    def make(forger: Forger) -> str:
        commit = forger.objects.raw(forger.frame(forger.lines(1)))
        head, _, text = commit.partition(b"\n\n")
        unsigned = change(head.partition(b"\ngpgsig ")[0] + b"\n\n" + text)
        return forger.objects.commit(signed_bytes(unsigned, sign(forger.key, unsigned)))

    return make


UNFIT: dict[str, Callable[[Forger], str]] = {
    "a blob as its parent": blob_as_parent,
    "no time": other_commit(lambda commit: commit.replace(b" +0000\n", b"\n")),
    "a time with a zero in front": other_commit(lambda commit: commit.replace(b"> 1", b"> 01")),
    "no committer": other_commit(lambda commit: commit.replace(b"committer ", b"x ")),
    "two authors": other_commit(lambda commit: commit.replace(b"author ", b"author x\nauthor ")),
    "a NUL": other_commit(lambda commit: commit.replace(b"waggle 1-1", b"\0")),
    "another's name": other_commit(lambda commit: commit.replace(b"waggle.invalid", b"x.org")),
}
"""Frames that verify, and with which a host would refuse the whole push that carries them."""
FRAMES = {name: one.make for name, one in ATTACKS.items() if not one.kept} | REFUSED_BY_GIT | UNFIT
del FRAMES["entries of 100 MB of zeros"]  # no message holds it
FRAMES |= {name: make for name, make in ODD.items() if name not in PLAIN}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_is_wrong_is_not_taken(
    world: World, space: Space, talk: Talk, name: str
) -> None:
    elsewhere = world.space("elsewhere")
    forger = world.forger(elsewhere)
    oid = FRAMES[name](forger)
    space.objects.blob(b"evil")  # what a frame names as its parent is here
    for _ in range(2):
        hear(talk, frame_of(elsewhere.objects, oid, forger.replica))
    assert talk.count.total() == 2
    assert talk.count.keys() <= {"frame: refused", "frame: gap", "frame: old", "no message"}
    assert space.objects.refs.get(forger.ref) is None
    assert_only_honest(space, talk)


def frames(forger: Forger) -> list[str]:
    """Two right frames of two entries each."""
    lines = forger.lines(4)
    first = forger.frame(lines[:2])
    before = forger.ids(lines[:2])[-1]
    return [first, forger.frame(lines[2:], first=3, before=before, parents=(first,))]


def test_frames_in_the_wrong_order_are_a_gap_that_is_asked_for(
    world: World, space: Space, talk: Talk
) -> None:
    elsewhere = world.space("elsewhere")
    forger = world.forger(elsewhere)
    first, second = (frame_of(elsewhere.objects, oid, forger.replica) for oid in frames(forger))
    (question,) = hear(talk, second)
    assert (question.ask.replica, question.ask.after) == (forger.replica, 0)
    assert titles(space) == []
    hear(talk, first, second, second, first)
    assert len(titles(space)) == 4
    assert talk.count == {"frame: gap": 1, "frame: new": 2, "frame: old": 2}


def test_a_frame_under_anothers_name_or_space_is_not_taken(
    world: World, space: Space, talk: Talk
) -> None:
    elsewhere = world.space("elsewhere")
    forger = world.forger(elsewhere)
    right = frame_of(elsewhere.objects, frames(forger)[0], forger.replica)
    hear(talk, replace(right, replica=NODE), replace(right, space="other"))
    hear(talk, replace(right, trees=()), replace(right, blobs=(b"x",)))
    hear(talk, replace(right, replica=space.replica))
    assert not talk.count["frame: new"]
    assert_only_honest(space, talk)


@pytest.mark.parametrize("name", ODD)
def test_what_lies_beside_a_frame_does_not_keep_others_from_asking(
    world: World, space: Space, talk: Talk, name: str
) -> None:
    """git brought it and its entries count; it cannot be given on live."""
    forger = world.forger(space)
    forger.point(ODD[name](forger))
    assert space.find_logs() == []
    assert titles(space) == ["forged"]
    ask = Ask(space="main", replica=forger.replica, after=0, limit=10)
    assert len(talk.answer(wire.encode(ask))) == (name in PLAIN)


def test_questions_that_are_none_are_answered_by_nothing(space: Space, talk: Talk) -> None:
    whole = wire.encode(Ask(space="main", replica=space.replica, after=0, limit=10))
    for end in range(len(whole)):
        assert talk.answer(whole[:end]) == []
    assert talk.answer(raw(Voice(EVIL).write(1).say(1, 1))) == []
    assert talk.answer(whole) == []


# --- two histories -----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["live", "git"])
def test_two_histories_one_live_and_one_by_git_are_proved_and_shown(
    world: World, space: Space, talk: Talk, first: str
) -> None:
    left = Voice(EVIL).write(3)
    right = left.fork(2, 1)
    if first == "live":
        hear(talk, right.say(1, 3))
        left.seal(world, space, 3)
        talk.trim()
        assert talk.count["trimmed: forked"] == 1
    else:
        left.seal(world, space, 3)
        hear(talk, right.say(1, 3))
        assert talk.count["said: forked"] == 1
    hear(talk, right.say(1, 3))
    assert_shown(space, left, 3)
    assert_goes_on(space, talk)


def test_two_histories_that_are_both_heard_live_are_proved_and_shown(
    space: Space, talk: Talk
) -> None:
    left = Voice(EVIL).write(3)
    hear(talk, left.say(1, 3), left.fork(2, 2).say(3, 4))
    assert talk.count["said: forked"] == 1
    assert_shown(space, left, 3)
    assert titles(space) == []
    assert_goes_on(space, talk)


def assert_shown(space: Space, voice: Voice, seq: int) -> None:
    report = verify(space)
    (fork,) = report.forks
    assert not report.sound
    assert (fork.replica, fork.seq, len(set(fork.ids))) == (voice.replica, seq, 2)
    proof = proofs.load(space.journal, ("main", voice.replica))
    assert proof is not None
    proofs.check(("main", voice.replica), proof)
    assert all(one.forked == "heard" for one in members(space) if one.replica == voice.replica)


def assert_goes_on(space: Space, talk: Talk) -> None:
    before = len(titles(space))
    hear(talk, Voice(HONEST).write(2).say(1, 2))
    assert len(titles(space)) == before + 2
