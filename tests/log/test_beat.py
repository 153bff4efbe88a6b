"""Records of beats: what is signed comes back, and nothing else is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from waggle.base.clock import DRIFT_MS_MAX
from waggle.base.ids import replica_of
from waggle.log.beat import (
    BEATS_BYTES_MAX,
    BEATS_MAX,
    FILE_BYTES_MAX,
    NOTE_CHARS_MAX,
    Beat,
    SignedBeats,
    decode,
    from_file,
    read,
    sign_beats,
    statement,
    to_file,
)

GOLDEN = Path(__file__).parent / "golden"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NOW_MS = 1_767_225_600_000
ANN = Beat(name="ann", counter=7, at=NOW_MS, since=NOW_MS - 5, lease=300)
BOB = Beat(name="b\u00f6b", counter=3, at=NOW_MS, since=0, lease=10, note="x", doing="ab" * 32)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128).filter(str.isprintable)
BEATS = st.builds(
    Beat, name=NAMES, counter=st.integers(1, 100), at=st.integers(NOW_MS - 100, NOW_MS),
    since=st.integers(0, NOW_MS - 100), lease=st.integers(10, 604_800),
    note=st.text(st.characters(codec="utf-8"), max_size=NOTE_CHARS_MAX),
    doing=st.none() | st.just("ab" * 32),
)  # fmt: skip


def signed(*beats: Beat, counter: int = 9, key: Ed25519PrivateKey = KEY) -> SignedBeats:
    return sign_beats(key, "main", counter, beats or (ANN, BOB))


def lying(body: object, *, space: str = "main") -> SignedBeats:
    """A record with a right signature and any body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    public = KEY.public_key().public_bytes_raw()
    replica = replica_of(public)
    covered = statement("main", replica, raw)
    return SignedBeats(
        space=space, replica=replica, body=raw, key=public, signature=KEY.sign(covered)
    )


@given(st.lists(BEATS, max_size=8, unique_by=lambda beat: beat.name))
def test_what_is_signed_comes_back_by_wire_and_by_file(beats: list[Beat]) -> None:
    one = sign_beats(KEY, "main", 100, beats)
    wired = msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=SignedBeats)
    filed = from_file(to_file(one), "main", one.replica)
    assert wired == filed == one
    record = read(one, "main", NOW_MS)
    assert record.counter == 100
    assert record.beats == tuple(sorted(beats, key=lambda beat: beat.name))


@pytest.mark.parametrize(
    ("name", "written"),
    [("beats.wire", msgspec.msgpack.encode(signed()).hex().encode()), ("beats", to_file(signed()))],
)
def test_this_version_writes_what_version_1_wrote(name: str, written: bytes) -> None:
    assert (GOLDEN / name).read_bytes().rstrip() == written.rstrip()
    assert read(signed(), "main", NOW_MS).beats == (ANN, BOB)


def as_said(**changes: object) -> dict[str, object]:
    return {"counter": 9, "beats": [{**msgspec.to_builtins(ANN), **changes}]}


MANY = {
    "counter": 9,
    "beats": [{**msgspec.to_builtins(ANN), "name": f"{n:03}"} for n in range(BEATS_MAX + 1)],
}
TWICE = {"counter": 9, "beats": [msgspec.to_builtins(ANN)] * 2}
BAD: dict[str, tuple[Callable[[], SignedBeats], str]] = {
    "forged": (lambda: replace(signed(), signature=bytes(64)), "does not fit"),
    "truncated": (lambda: replace(signed(), body=signed().body[:-1]), "does not fit"),
    "cut short and signed": (lambda: lying(signed().body[:-1]), "truncated"),
    "signed by another": (
        lambda: replace(
            signed(), key=signed(key=OTHER).key, signature=signed(key=OTHER).signature
        ),
        "key is not",
    ),
    "another's record": (
        lambda: replace(signed(key=OTHER), replica=signed().replica), "key is not"
    ),
    "another space's": (lambda: replace(signed(), space="other"), "another space's"),
    "signed for another space": (
        lambda: replace(sign_beats(KEY, "other", 9, [ANN]), space="main"), "does not fit"
    ),
    "too large": (lambda: replace(signed(), body=bytes(BEATS_BYTES_MAX + 1)), "the limit is"),
    "from the future": (lambda: lying(as_said(at=NOW_MS + DRIFT_MS_MAX + 1)), "future"),
    "newer than its record": (lambda: lying(as_said(counter=10)), "newer than its record"),
    "alive since after": (lambda: lying(as_said(since=NOW_MS + 1)), "alive since"),
    "an agent twice": (lambda: lying(TWICE), "order of their names"),
    "a name that moves the cursor": (lambda: lying(as_said(name="\x1b[2J")), "not printable"),
    "a lease of years": (lambda: lying(as_said(lease=2**31)), "lease"),
    "a negative counter": (lambda: lying(as_said(counter=-1)), "counter"),
    "a float": (lambda: lying(as_said(at=0.5)), "Expected `int`"),
    "a long note": (lambda: lying(as_said(note="x" * 201)), "note"),
    "too many agents": (lambda: lying(MANY), "length <= 256"),
    "no JSON": (lambda: lying(b"\xff"), "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_must_not_be_believed_is_refused_with_a_reason(name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(ValueError, match=reason):
        read(make(), "main", NOW_MS)


def test_a_beat_within_the_drift_of_clocks_is_believed() -> None:
    ahead = replace(ANN, at=NOW_MS + DRIFT_MS_MAX)
    assert read(signed(ahead), "main", NOW_MS).beats == (ahead,)


def test_where_beats_are_too_many_bytes_the_oldest_are_left_out() -> None:
    beats = [
        Beat(name=f"{n:03}" + "\u00fc" * 125, counter=n + 1, at=NOW_MS, since=0, lease=10,
             note="\U0001f41d" * NOTE_CHARS_MAX)
        for n in range(BEATS_MAX)
    ]  # fmt: skip
    record = decode(sign_beats(KEY, "main", BEATS_MAX, beats).body)
    assert 100 < len(record.beats) < BEATS_MAX
    assert list(record.beats) == beats[-len(record.beats) :]


@given(st.binary(max_size=200), st.integers(0, 500))
def test_any_file_is_a_record_or_a_value_error(junk: bytes, place: int) -> None:
    whole = to_file(signed())
    for data in (junk, whole[:place] + junk + whole[place:], whole[:place]):
        try:
            read(from_file(data, "main", signed().replica), "main", NOW_MS)
        except ValueError:
            continue
        assert from_file(data, "main", signed().replica) == signed()


def test_a_file_beyond_the_limit_is_not_read() -> None:
    with pytest.raises(ValueError, match="the limit is"):
        from_file(bytes(FILE_BYTES_MAX + 1), "main", signed().replica)
