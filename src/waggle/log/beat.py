"""Beats: signs of life, one signed record for all agents of a replica.

Beats are no entries: they leave no history. A replica's record is a last-writer-wins register
whose clock is its counter (Shapiro, Preguica, Baquero, Zawirski, "A comprehensive study of
Convergent and Commutative Replicated Data Types", 2011, section 3.2.1): of two records the one with
the higher counter holds. Each agent's beat carries the counter of the record in which it was new,
so a later record in which it is unchanged is no sign of its life.

The signed bytes start with a text of their own, so that no signature of another kind (log/said.py)
can be passed off for one. The body's bytes are kept as they came and never encoded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from waggle.base.clock import DRIFT_MS_MAX, MILLIS_MAX
from waggle.base.errors import WaggleError
from waggle.base.ids import check_space, is_hex, is_replica, replica_of
from waggle.base.limits import SPACE_CHARS_MAX
from waggle.log.entry import Id, Name, canonical
from waggle.log.said import PublicKey, Replica, Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BEATS_MAX = 256
"""Agents in one record."""
BEATS_BYTES_MAX = 256 * 1024
"""A record's body."""
COUNTER_MAX = 2**53 - 1
LEASE_S = 300
"""How long a membership lasts unless it is renewed, by default."""
LEASE_S_MIN, LEASE_S_MAX = 10, 7 * 24 * 3600
NOTE_CHARS_MAX = 200
FILE_BYTES_MAX = BEATS_BYTES_MAX + 1024
"""A record as a file: its body, and a line with key and signature."""
_DOMAIN = b"waggle/1 beats\0"

Space = Annotated[str, Meta(min_length=1, max_length=SPACE_CHARS_MAX)]
Counter = Annotated[int, Meta(ge=1, le=COUNTER_MAX)]
Millis = Annotated[int, Meta(ge=0, le=MILLIS_MAX)]
"""Milliseconds since 1970 by the writer's wall clock."""
Lease = Annotated[int, Meta(ge=LEASE_S_MIN, le=LEASE_S_MAX)]
"""Seconds."""
Note = Annotated[str, Meta(max_length=NOTE_CHARS_MAX)]


class Beat(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One agent's last sign of life.

    Invariant, once `read` has passed it: `since` is not after `at`.
    """

    name: Name
    counter: Counter
    """The counter of the record in which this beat was new."""
    at: Millis
    since: Millis
    """Since when its lease has been renewed in time, every time."""
    lease: Lease
    note: Note = ""
    doing: Id | None = None
    """The task that it works on."""


class Record(Struct, frozen=True, kw_only=True):
    """The last beats of a replica's agents.

    Invariant, once `read` has passed it: names are sorted, each there once, and no beat's counter
    is above the record's.
    """

    counter: Counter
    beats: Annotated[tuple[Beat, ...], Meta(max_length=BEATS_MAX)]


class SignedBeats(Struct, frozen=True, kw_only=True, array_like=True):
    """A record's bytes under the signature of its replica.

    The order of the fields is the wire format; later versions may add fields at the end.
    """

    space: Space
    replica: Replica
    body: Annotated[bytes, Meta(max_length=BEATS_BYTES_MAX)]
    """A `Record` as canonical JSON."""
    key: PublicKey
    """Raw Ed25519."""
    signature: Signature
    """Raw Ed25519."""


class _Seal(Struct, frozen=True):
    """The second line of a record as a file."""

    key: str
    signature: str


_records = msgspec.json.Decoder(Record)
_seals = msgspec.json.Decoder(_Seal)


def statement(space: str, replica: str, body: bytes) -> bytes:
    """Give the bytes that a record's signature covers; raise ValueError on a bad name."""
    try:
        check_space(space)
    except WaggleError as error:
        raise ValueError(error.message) from error
    if not is_replica(replica):
        raise ValueError("the replica is not of its form")
    # A space has no NUL in it, and a replica has a fixed length: one spelling for each meaning.
    return _DOMAIN + space.encode() + b"\0" + bytes.fromhex(replica) + body


def sign_beats(
    key: Ed25519PrivateKey, space: str, counter: int, beats: Sequence[Beat]
) -> SignedBeats:
    """Give the signed record of the replica that `key` owns.

    Where the beats are too many bytes, the oldest are left out. Raises ValueError where a value is
    not of its form, or there are over BEATS_MAX.
    """
    kept = sorted(beats, key=lambda beat: beat.counter)
    body = _body(counter, kept)
    while len(body) > BEATS_BYTES_MAX:
        kept = kept[max(1, len(kept) // 16) :]
        body = _body(counter, kept)
    decode(body)
    public = key.public_key().public_bytes_raw()
    replica = replica_of(public)
    signature = key.sign(statement(space, replica, body))
    return SignedBeats(space=space, replica=replica, body=body, key=public, signature=signature)


def _body(counter: int, beats: Sequence[Beat]) -> bytes:
    ordered = tuple(sorted(beats, key=lambda beat: beat.name))
    return canonical(Record(counter=counter, beats=ordered))


def read(signed: SignedBeats, space: str, now_ms: int) -> Record:
    """Give what a record says; raise ValueError with the reason where it must not be believed.

    It has to be of this space, within the limits, signed by its own replica, and not from the
    future: a beat that is dated ahead would keep a dead agent alive. `now_ms` is the wall clock.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if signed.space != space:
        raise ValueError("the beats are another space's")
    if len(signed.body) > BEATS_BYTES_MAX:
        raise ValueError(f"the beats have {len(signed.body)} bytes; the limit is {BEATS_BYTES_MAX}")
    if replica_of(signed.key) != signed.replica:
        raise ValueError("the key is not the replica's")
    covered = statement(space, signed.replica, signed.body)
    try:
        Ed25519PublicKey.from_public_bytes(signed.key).verify(signed.signature, covered)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit the beats") from error
    record = decode(signed.body)
    if any(beat.at > now_ms + DRIFT_MS_MAX for beat in record.beats):
        raise ValueError("a beat is from the future: a clock is wrong, there or here")
    return record


def decode(body: bytes) -> Record:
    """Give what a body says; raise ValueError where it breaks the invariants."""
    record = _records.decode(body)  # msgspec.DecodeError is a ValueError
    names = [beat.name for beat in record.beats]
    if any(one >= other for one, other in pairwise(names)):
        raise ValueError("the beats are not in order of their names, each once")
    if not all(name.isprintable() for name in names):
        raise ValueError("a name is not printable")
    if any(beat.counter > record.counter for beat in record.beats):
        raise ValueError("a beat is newer than its record")
    if any(beat.since > beat.at for beat in record.beats):
        raise ValueError("a beat says that it was alive since after it")
    return record


def to_file(signed: SignedBeats) -> bytes:
    """Give a record as git carries it: two lines of JSON, the body, and key and signature."""
    seal = _Seal(signed.key.hex(), signed.signature.hex())
    return signed.body + b"\n" + canonical(seal) + b"\n"


def from_file(data: bytes, space: str, replica: str) -> SignedBeats:
    """Give the record in a file; raise ValueError on any other bytes. `read` verifies it."""
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"the file has {len(data)} bytes; the limit is {FILE_BYTES_MAX}")
    body, _, rest = data.partition(b"\n")
    seal = _seals.decode(rest)
    if not (is_hex(seal.key, 64) and is_hex(seal.signature, 128)):
        raise ValueError("the key or the signature is not of its form")
    return SignedBeats(
        space=space,
        replica=replica,
        body=body,
        key=bytes.fromhex(seal.key),
        signature=bytes.fromhex(seal.signature),
    )
