"""What is heard live: taken when it is what its writer signed, and dropped when git has it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.store.voices import Voice, logs

from waggle.log.chain import Head
from waggle.log.said import check, say
from waggle.store.hearing import listening, proofs, recording
from waggle.store.hearing.heard import Heard
from waggle.store.hearing.known import LOOK_BACK_FRAMES
from waggle.store.hearing.listening import Listener
from waggle.store.own import minting
from waggle.store.space import Space

if TYPE_CHECKING:
    from tests.conftest import World


def rows(node: Listener, query: str) -> list[tuple[object, ...]]:
    """Look into the file, or change it, behind everybody's back."""
    db = sqlite3.connect(node.path, isolation_level=None)
    found = db.execute(query).fetchall()
    db.close()
    return found


def total(node: Listener) -> int:
    """Give the bytes of all runs, as the file has them."""
    (found,) = rows(node, "SELECT sum(length(line) + 256) FROM line")
    assert found == rows(node, "SELECT sum(bytes) FROM run")[0]
    assert isinstance(found[0], int)
    return found[0]


@pytest.fixture
def node(space: Space) -> Iterator[Listener]:
    listener = Listener(space.store_dir, "main", space.journal, logs(space))
    yield listener
    listener.close()


def held(heard: Heard, voice: Voice, after: int = 0) -> list[bytes]:
    """Give the lines that continue a log after a seq, as a reader gets them."""
    head = Head(after, voice.ids()[after], 0)
    return [link.line for link in heard.read(voice.replica, head)]


def reader(space: Space) -> Heard:
    return Heard(space.store_dir, "main")


# --- taking ------------------------------------------------------------------------------------


def test_what_is_taken_is_there_for_another_reader(space: Space, node: Listener) -> None:
    voice, other = Voice(1).write(5), reader(space)
    assert (other.ends(), held(other, voice)) == ({}, [])
    assert node.take(voice.say(1, 3)).count == 3
    before = other.state()
    assert node.take(voice.say(4, 5)).how == "appended"
    assert other.state() != before
    assert held(other, voice) == voice.lines
    assert held(other, voice, 3) == voice.lines[3:]
    end = other.ends()[voice.replica]
    assert (end.seq, end.id) == (5, voice.ids()[5])
    other.close()


def test_nothing_was_heard_where_no_node_ever_ran(space: Space) -> None:
    other = reader(space)
    assert (other.ends(), other.state()) == ({}, (0, 0))
    assert held(other, Voice(1)) == []
    assert other.said("ab" * 16, 0) is None
    assert not os.path.exists(os.path.dirname(other.path))


def test_a_gap_is_asked_for_and_overlaps_add_only_the_rest(node: Listener) -> None:
    voice = Voice(1).write(9)
    assert node.take(voice.say(1, 2)).how == "appended"
    gap = node.take(voice.say(5, 6))
    assert (gap.how, gap.ask) == ("gap", 2)
    assert node.take(voice.say(1, 6)).count == 4
    assert node.take(voice.say(5, 6)).how == "duplicate"
    assert node.take(voice.say(2, 9)).count == 3
    assert held(node, voice) == voice.lines


CHANGES: dict[str, dict[str, object]] = {
    "another signature": {"signature": bytes(64)},
    "another seq": {"seq": 4},
    "another hash": {"hash": "ab" * 32},
    "another space": {"space": "other"},
    "another replica": {"replica": "ab" * 16},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_head_that_its_writer_did_not_sign_is_refused(change: str, node: Listener) -> None:
    said = Voice(1).write(9).say(1, 3)
    head = msgspec.structs.replace(said.head, **CHANGES[change])
    lines = (*said.lines, said.lines[-1])[: head.seq]
    outcome = node.take(msgspec.structs.replace(said, head=head, lines=lines))
    assert (outcome.how, bool(outcome.reason)) == ("refused", True)
    assert node.ends() == {}


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_lines_than_is_stated_is_refused(count: int, node: Listener) -> None:
    voice = Voice(1).write(9)
    said = msgspec.structs.replace(voice.say(1, 3), lines=tuple(voice.lines[:count]))
    assert node.take(said).how == "refused"
    assert node.ends() == {}


def test_other_lines_under_a_signed_head_are_refused_and_prove_nothing(
    space: Space, node: Listener
) -> None:
    voice = Voice(1).write(4)
    node.take(voice.say(1, 2))
    mangled = msgspec.structs.replace(voice.say(3, 4), lines=tuple(Voice(2).write(4).lines[2:]))
    outcome = node.take(mangled)
    assert (outcome.how, outcome.ask) == ("refused", 0)
    assert node.take(voice.say(3, 4)).how == "appended"
    assert proofs.proved(space.journal, "main") == {}


@pytest.mark.parametrize(
    "bad",
    [b"[]", b'{"at":1,"by":{"name":"ann"},"kind":"a.b"}', b'{"at":%d,"x":%s}' % (2**60, b"[" * 99)],
    ids=["no entry", "its clock goes back", "nested"],
)
def test_a_line_that_breaks_the_rules_is_refused_though_it_is_signed(
    bad: bytes, node: Listener
) -> None:
    voice = Voice(1).write(2)
    node.take(voice.say(1, 2))
    voice.lines.append(bad)
    outcome = node.take(voice.say(3, 3))
    assert (outcome.how, outcome.ask) == ("refused", None)
    assert "entry 3" in outcome.reason
    assert len(held(node, voice)) == 2


def test_a_run_can_be_given_on_under_the_head_that_was_signed(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(9)
    for first, last in ((1, 2), (3, 5), (6, 9)):
        node.take(voice.say(first, last))
    assert node.said(voice.replica, 0) == voice.say(1, 9)
    assert node.said(voice.replica, 1, limit=7) == voice.say(2, 5)
    assert node.said(voice.replica, 5, limit=3) is None
    assert node.said(voice.replica, 0, bytes_max=3 * len(voice.lines[0])) == voice.say(1, 2)
    assert node.said(voice.replica, 9) is None
    voice.seal(world, space, 4)
    node.trim(voice.replica)
    assert node.said(voice.replica, 2) is None
    given = node.said(voice.replica, 4)
    assert given == voice.say(5, 9)
    check(given)


# --- meeting git -------------------------------------------------------------------------------


def test_what_git_has_brought_is_dropped(world: World, space: Space, node: Listener) -> None:
    voice, other = Voice(1).write(8), reader(space)
    node.take(voice.say(1, 6))
    voice.seal(world, space, 4)
    assert node.trim(voice.replica) is None
    assert held(other, voice, 4) == voice.lines[4:6]
    assert held(other, voice, 2) == [], "it begins where git ends"
    voice.seal(world, space, 8)
    assert node.take(voice.say(6, 8)).how == "duplicate"
    assert other.ends() == {}
    voice.write(2)
    assert node.take(voice.say(9, 10)).count == 2
    assert held(other, voice, 8) == voice.lines[8:]
    other.close()


def test_a_message_continues_what_only_git_has(world: World, space: Space, node: Listener) -> None:
    voice = Voice(1).write(6)
    voice.seal(world, space, 2)
    voice.seal(world, space, 4)
    assert node.take(voice.say(6, 6)).ask == 4
    assert node.take(voice.say(2, 3)).how == "duplicate"
    assert node.take(voice.say(3, 6)).count == 2


def test_its_clock_has_to_go_on_after_what_git_has(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(3)
    voice.seal(world, space, 3)
    voice.lines.append(voice.lines[2])
    assert node.take(voice.say(4, 4)).how == "refused"


def test_what_continues_something_that_git_has_lost_is_dropped(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(6)
    voice.seal(world, space, 4)
    node.take(voice.say(5, 6))
    space.journal.db.execute("DELETE FROM tip")  # as if the journal were restored from a backup
    outcome = node.take(voice.say(6, 6))
    assert (outcome.how, outcome.ask) == ("gap", 0)
    assert node.take(voice.say(1, 6)).count == 6


# --- two histories -----------------------------------------------------------------------------


def assert_proved(space: Space, node: Listener, voice: Voice) -> proofs.Proof:
    log = ("main", voice.replica)
    proof = proofs.load(space.journal, log)
    assert proof is not None
    proofs.check(log, proof)
    assert proofs.proved(space.journal, "main") == {voice.replica: proof.seq}
    assert voice.replica not in node.ends()
    assert node.take(voice.say(1, 1)).how == "forked"
    return proof


def test_another_hash_at_a_seq_that_was_heard_is_proved(space: Space, node: Listener) -> None:
    voice = Voice(1).write(6)
    other = voice.fork(3, 2)
    node.take(voice.say(1, 4))
    node.take(voice.say(5, 6))
    assert node.take(other.say(5, 5)).how == "forked"
    proof = assert_proved(space, node, voice)
    assert [side.id for side in proof.sides] == [voice.ids()[5], other.ids()[5]]
    assert proof.sides[0].lines == (voice.lines[5],)


def test_another_hash_at_a_seq_that_git_has_is_proved(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(6)
    other = voice.fork(1, 9)
    for last in (2, 4, 6):
        voice.seal(world, space, last)
    assert node.take(other.say(3, 3)).how == "forked"
    proof = assert_proved(space, node, voice)
    assert (proof.seq, proof.sides[0].frame) == (3, voice.frames[1][1])
    assert proof.sides[0].id == voice.ids()[3]


def test_a_head_from_long_ago_is_looked_up_in_so_many_frames_only(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(LOOK_BACK_FRAMES + 3)
    for last in range(1, len(voice.lines) + 1):
        voice.seal(world, space, last)
    other = voice.fork(0, len(voice.lines))
    assert node.take(other.say(1, 1)).how == "duplicate"
    assert node.take(other.say(4, 4)).how == "forked"
    assert_proved(space, node, voice)


def test_a_longer_history_that_parts_within_what_git_has_is_proved(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(6)
    voice.seal(world, space, 6)
    assert node.take(voice.fork(4, 9).say(5, 9)).how == "forked"
    assert assert_proved(space, node, voice).sides[0].frame == voice.frames[0][1]


def test_git_brings_another_history_than_was_heard(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(6)
    node.take(voice.say(1, 6))
    other = voice.fork(4, 5)
    other.seal(world, space, 9)
    outcome = node.trim(voice.replica)
    assert outcome is not None
    assert outcome.how == "forked"
    assert assert_proved(space, node, voice).sides[1].frame == other.frames[0][1]


def test_a_head_that_was_kept_ahead_proves_it_later(space: Space, node: Listener) -> None:
    voice = Voice(1).write(9)
    assert node.take(voice.fork(2, 5).say(7, 7)).how == "gap"
    assert node.take(voice.say(1, 6)).how == "appended"
    assert node.take(voice.say(7, 9)).how == "forked"
    assert_proved(space, node, voice)


def test_a_head_that_was_kept_ahead_is_held_against_git(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(9)
    assert node.take(voice.fork(2, 5).say(7, 7)).how == "gap"
    voice.seal(world, space, 8)
    assert node.take(voice.say(9, 9)).how == "forked"
    assert_proved(space, node, voice)


def test_what_git_shows_as_forked_is_not_heard(world: World, space: Space, node: Listener) -> None:
    voice = Voice(1).write(6)
    other = voice.fork(2, 3)
    node.take(voice.say(1, 6))
    voice.seal(world, space, 4)
    other.seal(world, space, 5)
    assert node.take(voice.say(6, 6)).how == "forked"
    outcome = node.trim(voice.replica)
    assert outcome is not None
    assert (outcome.how, node.ends()) == ("forked", {})


def test_a_proof_outlives_what_was_heard(space: Space, node: Listener) -> None:
    voice = Voice(1).write(3)
    node.take(voice.say(1, 3))
    node.take(voice.fork(1, 1).say(2, 2))
    shutil.rmtree(os.path.dirname(node.path))
    again = Listener(space.store_dir, "main", space.journal, logs(space))
    assert_proved(space, again, voice)
    again.close()


def test_a_journal_without_the_table_of_proofs_is_as_good(space: Space) -> None:
    names = "SELECT name FROM sqlite_master WHERE name='proof'"
    assert space.journal.db.execute(names).fetchone() is None
    assert proofs.load(space.journal, ("main", "ab" * 16)) is None
    assert proofs.proved(space.journal, "main") == {}


def test_proofs_about_strangers_do_not_crowd_out_others(
    world: World, space: Space, node: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "PROOFS_MAX", 3)
    member = Voice(1).write(3)
    member.seal(world, space, 1)
    for voice in (member, *(Voice(seed).write(3) for seed in range(2, 9))):
        node.take(voice.say(1, 3))
        assert node.take(voice.fork(1, 1).say(2, 2)).how == "forked"
    kept = proofs.proved(space.journal, "main")
    assert len(kept) == 3
    assert {member.replica, voice.replica} <= kept.keys()


def test_a_proof_keeps_no_more_lines_than_its_limit(space: Space, node: Listener) -> None:
    voice = Voice(1).write(9, size=20_000)
    node.take(voice.say(1, 9))
    assert node.take(voice.fork(1, 1).say(2, 2)).how == "forked"
    assert assert_proved(space, node, voice).sides[0].lines is None


# --- this store's own voice --------------------------------------------------------------------


def test_an_echo_of_our_own_words_is_a_duplicate(
    world: World, space: Space, node: Listener
) -> None:
    key = space.owner.private_key()
    for number in range(4):
        world.task(space, str(number))
        space.seal()
    world.task(space)
    links = list(space.counted.every(space.replica))
    for link in links:
        assert node.take(say(key, "main", link.seq, [link.line], link.id)).how == "duplicate"
    assert node.ends() == {}


@pytest.mark.parametrize("entries", [0, 2, 5])
def test_somebody_else_who_signs_with_our_key_is_found(
    entries: int, world: World, space: Space, node: Listener
) -> None:
    voice = Voice(int.from_bytes(space.owner.seed)).write(3)
    for number in range(entries):
        world.task(space, str(number))
    assert not proofs.copied(space.journal)
    assert node.take(voice.say(3, 3)).how == "copied"
    assert proofs.copied(space.journal)
    minting.mint(space.store_dir, space.journal, world.outside.entropy, world.clock())
    assert not proofs.copied(space.journal)
    assert node.take(voice.say(1, 3)).how == "appended", "it is a log like any other now"


# --- bounds ------------------------------------------------------------------------------------


def test_a_log_waits_for_git_at_its_limit(
    world: World, space: Space, node: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RUN_LINES_MAX", 5)
    voice = Voice(1).write(9)
    assert node.take(voice.say(1, 5)).how == "appended"
    assert node.take(voice.say(6, 6)).how == "full"
    voice.seal(world, space, 4)
    assert node.take(voice.say(6, 9)).how == "appended"
    monkeypatch.setattr(listening, "RUN_BYTES_MAX", total(node))
    voice.write(1)
    assert node.take(voice.say(10, 10)).how == "full"


def test_the_oldest_are_dropped_whole_and_strangers_first(
    world: World, space: Space, node: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, *strangers = (Voice(seed).write(4, size=1000) for seed in range(1, 5))
    member.seal(world, space, 1)
    for voice in (member, *strangers[:2]):
        node.take(voice.say(1, 4))
    size = total(node)
    monkeypatch.setattr(recording, "TOTAL_BYTES_MAX", size)
    assert node.take(strangers[2].say(1, 4)).how == "appended"
    assert node.ends().keys() == {member.replica, *(one.replica for one in strangers[1:])}
    assert total(node) <= size


def test_no_more_strangers_than_the_limit_are_heard(
    space: Space, node: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "STRANGERS_MAX", 4)
    voices = [Voice(seed).write(3) for seed in range(1, 8)]
    for number, voice in enumerate(voices):
        node.take(voice.say(1 + number % 2, 2))  # every other one is only a head ahead
    assert {row[0] for row in rows(node, "SELECT replica FROM run")} == {
        voice.replica for voice in voices[-4:]
    }
    assert proofs.proved(space.journal, "main") == {}


def test_no_more_heads_ahead_than_the_limit_are_kept(node: Listener) -> None:
    voice = Voice(1).write(40)
    for last in range(40, 2, -1):
        assert node.take(voice.say(last, last)).how == "gap"
    kept = rows(node, "SELECT seq FROM ahead ORDER BY seq")
    assert [seq for (seq,) in kept] == list(range(3, 3 + recording.AHEAD_MAX))
    assert node.take(voice.say(1, 40)).count == 40
    assert rows(node, "SELECT * FROM ahead") == []


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + bytes(4096)])
def test_a_damaged_file_is_nothing_to_readers_and_made_anew_by_the_node(
    damage: bytes, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(3)
    node.take(voice.say(1, 3))
    node.close()
    with open(node.path, "wb") as file:
        file.write(damage)
    other = reader(space)
    assert (other.ends(), held(other, voice)) == ({}, [])
    assert node.take(voice.say(1, 2)).how == "appended"
    assert held(other, voice) == voice.lines[:2]
    other.close()


def test_a_file_that_was_taken_away_is_made_anew_and_readers_find_it(
    space: Space, node: Listener
) -> None:
    voice, other = Voice(1).write(3), reader(space)
    node.take(voice.say(1, 3))
    assert held(other, voice) == voice.lines
    shutil.rmtree(os.path.dirname(node.path))
    assert held(other, voice) == []
    assert node.take(voice.say(1, 1)).how == "appended"
    assert held(other, voice) == voice.lines[:1]
    other.close()
    assert held(node, voice) == voice.lines[:1], "a reader that leaves takes nothing along"


def test_tables_that_are_gone_are_made_anew(node: Listener) -> None:
    voice = Voice(1).write(3)
    node.take(voice.say(1, 2))
    rows(node, "DROP TABLE line")
    assert node.take(voice.say(3, 3)).ask == 0
    assert node.take(voice.say(1, 3)).how == "appended"


def test_a_wrong_line_on_disk_accuses_nobody_and_is_not_read(
    world: World, space: Space, node: Listener
) -> None:
    voice = Voice(1).write(6)
    node.take(voice.say(1, 6))
    rows(node, "UPDATE line SET id=hex(randomblob(32)), line=x'7b7d' WHERE seq=4")
    assert held(node, voice) == voice.lines[:3]
    voice.seal(world, space, 4)
    outcome = node.trim(voice.replica)
    assert outcome is not None
    assert (outcome.how, node.ends()) == ("refused", {})
    assert proofs.proved(space.journal, "main") == {}
    assert node.take(voice.say(5, 6)).how == "appended"


TAKER = """
import sys
from tests.store.voices import Voice, logs
from waggle.agents.folds import FOLDS
from waggle.faces.machine import outside
from waggle.store.hearing.listening import Listener
from waggle.store.repo.locate import find
from waggle.store.space import Space

space = Space(find(sys.argv[1], {}), "main", FOLDS, outside())
node = Listener(space.store_dir, "main", space.journal, logs(space))
voice = Voice(1).write(3000)
ids = voice.ids()
voice.ids = lambda: ids
seq = max((head.seq for head in node.ends().values()), default=0)
while True:
    seq += node.take(voice.say(seq + 1, seq + 3)).count
    print(f"{seq:<999}", flush=True)  # so that it gets no further ahead than the pipe is long
"""


def test_a_node_that_is_killed_leaves_a_prefix_and_the_next_goes_on(
    world: World, space: Space
) -> None:
    voice, other = Voice(1).write(3000), reader(space)
    command = [sys.executable, "-c", TAKER, str(space.repository.work_tree)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    seen = 0
    for _ in range(6):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as taker:
            assert taker.stdout
            for _ in range(world.random.randint(1, 80)):
                told = int(taker.stdout.readline())
                assert len(held(other, voice, seen)) + seen >= told, "what was taken is there"
            taker.kill()
        lines = held(other, voice)
        assert lines == voice.lines[: len(lines)]
        assert len(lines) >= told > seen, "what was taken stays"
        seen = told
    other.close()
