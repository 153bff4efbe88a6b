"""Beats on disk: the highest counter wins, whatever comes, in whatever order, however often."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from waggle.base.clock import DRIFT_MS_MAX
from waggle.log.beat import BEATS_MAX, Beat, SignedBeats, sign_beats
from waggle.store.hearing.beat_rows import RECORDS_MAX, HeardBeat, Watched
from waggle.store.hearing.beats import Beats

NOW_MS = 1_767_225_600_000
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n + 1]) * 32) for n in range(3)]
OWN = "ab" * 16
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture
def beats(tmp_path: Path) -> Beats:
    return Beats(str(tmp_path), "main")


def record(counter: int, *names: str, key: int = 0, at: int = NOW_MS) -> SignedBeats:
    """A replica's record in which all agents beat just now."""
    made = [Beat(name=n, counter=counter, at=at, since=at, lease=60) for n in names or ("ann",)]
    return sign_beats(KEYS[key], "main", counter, made)


def history(random: Random, key: int) -> list[SignedBeats]:
    """What one replica says in the course of time: agents beat, come and go."""
    latest: dict[str, Beat] = {}
    said = []
    for counter in range(1, random.randrange(2, 9)):
        name, at = random.choice("abc"), NOW_MS + random.randrange(-9000, 9000)
        latest[name] = Beat(name=name, counter=counter, at=at, since=at, lease=60)
        if random.random() < 0.2:
            latest.pop(random.choice("abc"), None)
        said.append(sign_beats(KEYS[key], "main", counter, list(latest.values())))
    return said


def content(beats: Beats) -> list[tuple[str, Beat]]:
    return [(one.replica, one.beat) for one in beats.heard()]


def adopt(beats: Beats, signed: SignedBeats, now_ms: int = NOW_MS, *, live: bool = True) -> str:
    return beats.adopt(signed, now_ms, live=live, own=OWN).how


@given(SEEDS)
def test_any_order_and_repetition_come_to_the_newest_record_of_each(seed: int) -> None:
    random = Random(seed)
    histories = [history(random, key) for key in range(3)]
    said = [one for each in histories for one in each]
    mixed = random.choices(said, k=len(said)) + random.sample(said, len(said))
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        straight, shuffled = Beats(one, "main"), Beats(other, "main")
        for each in histories:
            assert adopt(straight, each[-1]) == "new"
        for signed in mixed:
            adopt(shuffled, signed, live=random.random() < 0.5)
        assert content(shuffled) == content(straight)
        for each in histories:
            assert shuffled.signed(each[-1].replica) == each[-1]


@given(SEEDS)
def test_a_beat_is_an_arrival_once_and_counters_never_go_back(seed: int) -> None:
    random = Random(seed)
    said = history(random, 0)
    arrived: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        beats = Beats(folder, "main")
        for signed in random.choices(said, k=2 * len(said)):
            for beat in beats.adopt(signed, NOW_MS, live=True, own=OWN).fresh:
                assert beat.counter > arrived.get(beat.name, 0), seed
                arrived[beat.name] = beat.counter


def test_when_a_beat_came_stays_when_it_comes_again(beats: Beats) -> None:
    adopt(beats, record(1, "ann"), NOW_MS)
    said = [
        Beat(name="ann", counter=1, at=NOW_MS, since=NOW_MS, lease=60),
        Beat(name="bob", counter=2, at=NOW_MS, since=NOW_MS, lease=60),
    ]
    adopt(beats, sign_beats(KEYS[0], "main", 2, said), NOW_MS + 5000, live=False)
    ann, bob = beats.heard()
    assert (ann.heard, ann.live) == (NOW_MS, True)
    assert (bob.heard, bob.live) == (NOW_MS + 5000, False)


FALSE = {
    "forged": replace(record(9), signature=bytes(64)),
    "truncated": replace(record(9), body=record(9).body[:-1]),
    "signed by another key": replace(
        record(9), key=record(9, key=1).key, signature=record(9, key=1).signature
    ),
    "another space's": replace(record(9), space="other"),
    "oversize": replace(record(9), body=b" " * 300_000),
    "future-dated": record(9, at=NOW_MS + DRIFT_MS_MAX + 1),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_refused_with_a_reason_and_changes_nothing(
    beats: Beats, name: str
) -> None:
    adopt(beats, record(1))
    before = beats.heard()
    found = beats.adopt(FALSE[name], NOW_MS, live=True, own=OWN)
    assert found.how == "refused"
    assert found.reason
    assert beats.heard() == before
    assert adopt(beats, record(2)) == "new"


# --- this replica's own -----------------------------------------------------------------------


def test_who_did_not_join_cannot_beat(beats: Beats) -> None:
    assert beats.renew(OWN, "ann", NOW_MS) is None
    assert beats.renew(OWN, "ann", NOW_MS, lease=60) is not None
    assert beats.renew(OWN, "bob", NOW_MS) is None
    assert beats.drop(OWN, "ann", NOW_MS)
    assert not beats.drop(OWN, "ann", NOW_MS)
    assert beats.renew(OWN, "ann", NOW_MS) is None


def test_a_beat_keeps_what_was_said_until_it_says_otherwise(beats: Beats) -> None:
    def said(note: str | None = None, doing: str | None = None) -> tuple[str, str | None]:
        renewed = beats.renew(OWN, "ann", NOW_MS, note=note, doing=doing)
        assert renewed is not None
        return renewed.beat.note, renewed.beat.doing

    beats.renew(OWN, "ann", NOW_MS, lease=60)
    assert said(note="reading", doing="cd" * 32) == ("reading", "cd" * 32)
    assert said() == ("reading", "cd" * 32)
    assert said(note="", doing="") == ("", None)


def test_who_beats_in_time_is_alive_since_the_beginning_and_who_does_not_is_back(
    beats: Beats,
) -> None:
    beats.renew(OWN, "ann", NOW_MS, lease=60)
    inside = beats.renew(OWN, "ann", NOW_MS + 60_000)
    late = beats.renew(OWN, "ann", NOW_MS + 120_001)
    again = beats.renew(OWN, "ann", NOW_MS + 130_000)
    assert inside is not None
    assert late is not None
    assert again is not None
    assert (inside.back, inside.beat.since) == (False, NOW_MS)
    assert (late.back, late.beat.since) == (True, NOW_MS + 120_001)
    assert (again.back, again.beat.since) == (False, NOW_MS + 120_001)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-10_000, 10_000)), max_size=20))
def test_own_counters_rise_whatever_the_clock_does(steps: list[tuple[str, int]]) -> None:
    now_ms, last = NOW_MS, 0
    with TemporaryDirectory() as folder:
        beats = Beats(folder, "main")
        for name, step in steps:
            now_ms += step
            renewed = beats.renew(OWN, name, now_ms, lease=60)
            assert renewed is not None
            assert renewed.beat.counter > last
            assert renewed.beat.since <= renewed.beat.at == now_ms
            last = renewed.beat.counter


def test_a_record_is_signed_once_for_each_change(beats: Beats) -> None:
    assert beats.unsigned(OWN) is None
    own = record(1).replica
    beats.renew(own, "ann", NOW_MS, lease=60)
    found = beats.unsigned(own)
    assert found is not None
    counter, said = found
    signed = sign_beats(KEYS[0], "main", counter, said)
    beats.renew(own, "bob", NOW_MS, lease=60)
    beats.keep(signed, counter)
    assert beats.signed(own) is None, "it has changed meanwhile"
    found = beats.unsigned(own)
    assert found is not None
    beats.keep(sign_beats(KEYS[0], "main", *found), found[0])
    assert beats.unsigned(own) is None


def test_a_store_learns_from_a_remote_which_counters_it_has_used(beats: Beats) -> None:
    own = record(1).replica
    beats.renew(own, "ann", NOW_MS, lease=60)
    used = NOW_MS + 10_000
    found = beats.adopt(record(used, "zoe"), NOW_MS, live=False, own=own)
    assert found.how == "older"
    assert found.fresh == ()
    assert [one.beat.name for one in beats.heard()] == ["ann"], "of itself it knows better"
    (counter, _) = beats.unsigned(own) or (0, [])
    assert counter > used


def test_a_replica_has_a_bounded_number_of_agents(beats: Beats) -> None:
    for number in range(BEATS_MAX + 2):
        beats.renew(OWN, f"agent {number:03}", NOW_MS + number, lease=60)
    names = [one.beat.name for one in beats.heard()]
    assert len(names) == BEATS_MAX
    assert names[0] == "agent 002", "whoever was silent for longest goes"


def test_strangers_cannot_crowd_out_known_replicas(beats: Beats) -> None:
    adopt(beats, record(1))
    for number in range(RECORDS_MAX + 3):
        key = Ed25519PrivateKey.from_private_bytes((1000 + number).to_bytes(32, "big"))
        signed = sign_beats(key, "main", 1, [])
        beats.adopt(signed, NOW_MS + number, live=True, own=OWN, stranger=True)
    assert beats.signed(record(1).replica) is not None
    assert [one.beat.name for one in beats.heard()] == ["ann"]


# --- the file ---------------------------------------------------------------------------------


DAMAGES = {
    "empty": b"",
    "no database": b"nonsense" * 1000,
    "the head of one": b"SQLite format 3\0" + bytes(4096),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_made_anew_and_counters_go_on(beats: Beats, name: str) -> None:
    first = beats.renew(OWN, "ann", NOW_MS, lease=60)
    Path(beats.file.path).write_bytes(DAMAGES[name])
    assert beats.heard() == []
    again = beats.renew(OWN, "ann", NOW_MS + 1, lease=60)
    assert first is not None
    assert again is not None
    assert again.beat.counter > first.beat.counter


def test_rows_that_are_not_of_their_form_are_damage(beats: Beats) -> None:
    beats.renew(OWN, "ann", NOW_MS, lease=60)
    with sqlite3.connect(beats.file.path) as db:
        db.execute("UPDATE beat SET lease='long'")
    db.close()
    assert beats.heard() == []


def test_nothing_is_there_before_anybody_beats(beats: Beats, tmp_path: Path) -> None:
    assert (beats.heard(), beats.watched()) == ([], [])
    assert beats.signed(OWN) is None
    assert list(tmp_path.iterdir()) == []


def test_what_the_detector_thinks_is_kept_for_others_to_read(beats: Beats) -> None:
    one = Watched(
        replica=OWN, name="ann", level=2, phi_milli=5100, heard_ms=NOW_MS, intervals_ms=(10, 20)
    )
    beats.watch([one])
    assert beats.watched() == [one]
    beats.watch([])
    assert beats.watched() == []


BEATER = f"""
import sys
from waggle.store.hearing.beats import Beats
beats = Beats(sys.argv[1], "main")
for number in range(50):
    print(beats.renew("{OWN}", sys.argv[2], {NOW_MS}, lease=60).beat.counter)
"""


def test_processes_that_beat_at_once_lose_no_beat(beats: Beats, tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BEATER, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("ann", "bob", "eve")
    ]
    said = [process.communicate()[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    counters = sorted(int(counter) for each in said for counter in each)
    assert counters == list(range(NOW_MS, NOW_MS + 150))
    latest: dict[str, HeardBeat] = {one.beat.name: one for one in beats.heard()}
    for name, each in zip(("ann", "bob", "eve"), said, strict=True):
        assert latest[name].beat.counter == int(each[-1])
