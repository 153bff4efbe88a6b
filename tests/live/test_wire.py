"""Messages as bytes: what is encoded comes back, and strangers' bytes raise one error only."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.live.test_said import said

from waggle.base.errors import WaggleError
from waggle.base.limits import FRAME_ENTRIES_MAX
from waggle.log.beat import SignedBeats
from waggle.log.said import SEQ_MAX
from waggle.sync.live.wire import (
    HELD_MAX,
    MESSAGE_BYTES_MAX,
    Ask,
    Frame,
    Held,
    Hello,
    Message,
    WireError,
    decode,
    encode,
    fit,
)

SPACES = st.text("abc-_09", min_size=1, max_size=64).filter(lambda name: name[0] not in "-_")
REPLICAS = st.binary(min_size=16, max_size=16).map(bytes.hex)
SEQS = st.integers(1, SEQ_MAX)
BLOBS = st.lists(st.binary(max_size=100), max_size=5).map(tuple)
HELD = st.builds(Held, REPLICAS, SEQS, st.binary(min_size=8, max_size=8).map(bytes.hex))
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.integers(1, 3).map(said),
    st.builds(
        Frame, space=SPACES, replica=REPLICAS, commit=st.binary(), trees=BLOBS, blobs=BLOBS
    ),
    st.builds(
        Ask, space=SPACES, replica=REPLICAS, after=st.integers(0, SEQ_MAX),
        limit=st.integers(1, FRAME_ENTRIES_MAX),
    ),
    st.builds(
        Hello, space=SPACES, replica=REPLICAS, held=st.lists(HELD, max_size=5).map(tuple)
    ),
    st.builds(
        SignedBeats, space=SPACES, replica=REPLICAS, body=st.binary(max_size=100),
        key=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64),
    ),
)  # fmt: skip
ASK = Ask(space="main", replica="ab" * 16, after=0, limit=1)


def packed(code: int, *fields: object) -> bytes:
    return bytes((1, code)) + msgspec.msgpack.encode(fields)


@given(MESSAGES)
def test_what_is_encoded_comes_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=300))
@example(b"\x01\x03" + b"\x91" * 100_000)
@example(packed(3, "main", "ab" * 16, 0, 1) + b"\x00")
@example(b"\x01\x03\x95" + msgspec.msgpack.encode("main") + b"\x91" * 200_000)
@example(b"\x01\x01\x93\x96\xdb\xff\xff\xff\xff")
@example(b"\x01\x02\xdd\xff\xff\xff\xff")
def test_any_bytes_are_a_message_or_unknown_or_the_one_error(data: bytes) -> None:
    taken(data)


@given(MESSAGES.map(encode), st.data())
def test_a_damaged_message_is_a_message_or_the_one_error(whole: bytes, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(2, len(whole) - 1))
    insert = draw.draw(st.binary(max_size=4))
    taken(whole[:place] + insert + whole[place + draw.draw(st.integers(0, 4)) :])
    taken(whole[:place])


def taken(data: bytes) -> None:
    """Decode; whatever comes out can be encoded again and means the same."""
    try:
        message = decode(data)
    except WireError:
        return
    if message is not None:
        assert decode(encode(message)) == message


@pytest.mark.parametrize("data", [b"\x02\x01\x90", b"\x01\x06\x90", b"\x01\x00\xff", b"\xff\xff"])
def test_what_a_later_version_says_is_skipped(data: bytes) -> None:
    assert decode(data) is None


def test_fields_that_a_later_version_added_are_skipped() -> None:
    assert decode(packed(3, "main", "ab" * 16, 0, 1, {"new": [1]})) == ASK


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no type": b"\x01",
    "too large": b"\x01\x03" + bytes(MESSAGE_BYTES_MAX),
    "a space that is a path": packed(3, "../x", "ab" * 16, 0, 1),
    "a space too long": packed(3, "a" * 65, "ab" * 16, 0, 1),
    "a space that is not UTF-8": packed(3, "main", "ab" * 16, 0, 1).replace(b"main", b"m\xffin"),
    "a replica in capitals": packed(3, "main", "AB" * 16, 0, 1),
    "a replica with a newline": packed(3, "main", "ab" * 16 + "\n", 0, 1),
    "a negative seq": packed(3, "main", "ab" * 16, -1, 1),
    "a seq too large": packed(3, "main", "ab" * 16, SEQ_MAX + 1, 1),
    "no limit": packed(3, "main", "ab" * 16, 0, FRAME_ENTRIES_MAX + 1),
    "a float for a seq": packed(3, "main", "ab" * 16, 0.5, 1),
    "too much held": packed(4, "main", "ab" * 16, [["ab" * 16, 1, "a" * 16]] * (HELD_MAX + 1)),
    "text for bytes": packed(2, "main", "ab" * 16, "commit", [], []),
    "a run without lines": packed(1, said().head, 4, []),
    "a run with another number of lines": packed(1, said().head, 2, said().lines),
    "a run that starts at 0": packed(1, said().head, 0, said().lines),
    "more after its end": encode(ASK) + b"\x00",
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_limit_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        decode(BAD[name])


def test_the_largest_message_passes_and_no_larger_one_is_made() -> None:
    def frame(size: int) -> Frame:
        return Frame(space="m", replica="ab" * 16, commit=bytes(size), trees=(), blobs=())

    room = MESSAGE_BYTES_MAX - len(encode(frame(2**17))) + 2**17
    assert decode(encode(frame(room))) == frame(room)
    with pytest.raises(WaggleError, match="the limit is"):
        encode(frame(room + 1))


@pytest.mark.parametrize(
    ("sizes", "fitting"), [([], 0), ([5, 5], 2), ([5, 6], 1), ([11], 0), ([6, 5, 1], 1)]
)
def test_an_answer_is_the_leading_messages_that_fit(sizes: list[int], fitting: int) -> None:
    messages = [bytes(size) for size in sizes]
    assert fit(iter(messages), 10) == messages[:fitting]


def test_every_type_has_its_own_code() -> None:
    first: Callable[[Message], int] = lambda message: encode(message)[1]  # noqa: E731
    frame = Frame(space="m", replica="ab" * 16, commit=b"", trees=(), blobs=())
    hello = Hello(space="m", replica="ab" * 16, held=())
    beats = SignedBeats(space="m", replica="ab" * 16, body=b"", key=bytes(32), signature=bytes(64))
    assert [first(one) for one in (said(), frame, ASK, hello, beats)] == [1, 2, 3, 4, 5]
