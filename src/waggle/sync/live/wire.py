"""Messages of the live path as bytes, and back; the sender may be anybody.

A message is a version byte, a byte for its type, and the fields as one msgpack array. A receiver
skips versions and types that it does not know, and fields that a later version added at the end.
Sizes are checked before anything is decoded, and what the bytes claim after: a decoded message
has values of the right form within the limits, but nothing in it is believed yet - signatures,
running hashes and object ids are for the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space
from waggle.base.limits import FRAME_BYTES_MAX, FRAME_ENTRIES_MAX, SPACE_CHARS_MAX
from waggle.log.beat import SignedBeats
from waggle.log.said import SEQ_MAX, Replica, Said, Seq, check_run

VERSION = 1
MESSAGE_BYTES_MAX = FRAME_BYTES_MAX + 1024 * 1024
"""A whole run of lines or frame fits, with what belongs to it. Larger frames come by git only."""
ANSWER_BYTES_MAX = 1024 * 1024
"""All messages of one answer. Whoever asked goes on asking from where the answer ended."""
OBJECTS_MAX = 2 * FRAME_ENTRIES_MAX
"""Trees, and blobs, in one frame's message."""
HELD_MAX = 4096
"""Logs that one hello names; a node that holds more says several hellos."""
HELD_ID_CHARS = 16
"""How much of an id tells two histories apart; nothing is proved by it."""

Space = Annotated[str, Meta(min_length=1, max_length=SPACE_CHARS_MAX)]
Objects = Annotated[tuple[bytes, ...], Meta(max_length=OBJECTS_MAX)]


class Frame(Struct, frozen=True, kw_only=True, array_like=True):
    """A sealed frame, verbatim: a receiver that writes these objects has what git would bring.

    Commits of candidates that the frame carries as further parents are not in it.
    """

    space: Space
    replica: Replica
    """Whose log it belongs to."""
    commit: bytes
    """The signed commit object, without git's header, as are the trees and blobs."""
    trees: Objects
    blobs: Objects


class Ask(Struct, frozen=True, kw_only=True, array_like=True):
    """A question to a node: what it holds of a log after a seq."""

    space: Space
    replica: Replica
    """Whose log is asked for; the node that is asked may be another's."""
    after: Annotated[int, Meta(ge=0, le=SEQ_MAX)]
    limit: Annotated[int, Meta(ge=1, le=FRAME_ENTRIES_MAX)]
    """How many lines at most."""


class Held(Struct, frozen=True, array_like=True):
    """How far a node holds one log."""

    replica: Replica
    seq: Seq
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    """The first HELD_ID_CHARS digits of the id at `seq`."""


class Hello(Struct, frozen=True, kw_only=True, array_like=True):
    """What a node holds of a space, so that others know what to ask it for, and what it lacks.

    It may be a part: of logs that it does not name, nothing is said.
    """

    space: Space
    replica: Replica
    """The node's own."""
    held: Annotated[tuple[Held, ...], Meta(max_length=HELD_MAX)]


Message = Said | Frame | Ask | Hello | SignedBeats
_TYPES: dict[int, type[Message]] = {1: Said, 2: Frame, 3: Ask, 4: Hello, 5: SignedBeats}
"""The type bytes. They are the wire format: never renumbered, never used again."""
_codes = {kind: bytes((VERSION, code)) for code, kind in _TYPES.items()}
_decoders = {code: msgspec.msgpack.Decoder(kind) for code, kind in _TYPES.items()}
_encoder = msgspec.msgpack.Encoder()


class WireError(ValueError):
    """Bytes that are no message. The only error that hostile bytes can cause."""


def encode(message: Message) -> bytes:
    """Give a message as bytes; raise `limit` where no receiver would take it."""
    data = _codes[type(message)] + _encoder.encode(message)
    if len(data) > MESSAGE_BYTES_MAX:
        raise WaggleError(
            "limit",
            f"the message would have {len(data)} bytes; the limit is {MESSAGE_BYTES_MAX}",
            "Nothing is lost: `waggle sync` carries it by git.",
        )
    return data


def decode(data: bytes) -> Message | None:
    """Give the message in `data`, None where its version or type is not known here.

    Raises WireError where it is no message or breaks a limit, and nothing else.
    """
    if not 2 <= len(data) <= MESSAGE_BYTES_MAX:
        raise WireError(f"{len(data)} bytes are no message; the limit is {MESSAGE_BYTES_MAX}")
    decoder = _decoders.get(data[1])
    if data[0] != VERSION or decoder is None:
        return None
    try:
        message = decoder.decode(memoryview(data)[2:])
        if isinstance(message, Said):
            check_run(message)
        check_space(message.head.space if isinstance(message, Said) else message.space)
    except WaggleError as error:
        raise WireError(error.message) from error
    except (ValueError, RecursionError) as error:  # msgspec.DecodeError is a ValueError
        raise WireError(str(error)) from error
    return message


def is_frame(data: bytes) -> bool:
    """Tell whether bytes claim to be a frame: taking one is slow and goes its own way."""
    return data[:2] == _codes[Frame]


def fit(messages: Iterable[bytes], bytes_max: int = ANSWER_BYTES_MAX) -> list[bytes]:
    """Give the leading messages that together have at most `bytes_max` bytes: one answer."""
    taken: list[bytes] = []
    for message in messages:
        bytes_max -= len(message)
        if bytes_max < 0:
            break
        taken.append(message)
    return taken
