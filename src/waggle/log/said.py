"""Lines that travel ahead of their frame, under their writer's own signature.

A frame is signed when it is cut, and a line must not wait for that. So a run of lines carries a
signed head: "this replica's log in this space has this running hash at this seq". Because the hash
covers every line before it, one signature vouches for the run, however it was cut, and nothing in
it has to be signed by itself. A signed head without its lines is worth keeping: two of one seq with
different hashes prove that their writer wrote two histories (RFC 6962, sections 3.5 and 5.3, does
the same with tree heads).

The signed bytes start with a text of their own. Frames and rulings are signed in the SSH format,
whose bytes start with `SSHSIG` (log/sshsig.py), so no signature can be passed off for another kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space, is_id, is_replica, replica_of
from waggle.base.limits import ENTRY_BYTES_MAX, FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.entry import Id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEQ_MAX = 10**15 - 1
"""The largest seq that a frame's message can state."""
_DOMAIN = b"waggle/1 signed head\0"

Replica = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]


class SignedHead(Struct, frozen=True, kw_only=True, array_like=True):
    """What a writer vouches for: its log in `space` has the running hash `hash` at `seq`.

    The order of the fields is the wire format; later versions may add fields at the end.
    Invariant, once `check_head` passed: `replica` is the replica that `key` owns.
    """

    space: str
    replica: Replica
    seq: Seq
    hash: Id
    key: PublicKey
    """Raw Ed25519."""
    signature: Signature
    """Raw Ed25519."""


class Said(Struct, frozen=True, kw_only=True, array_like=True):
    """A run of one log's lines, from seq `first` to the signed head.

    Invariant, once `check` passed: it holds `head.seq - first + 1` lines, and at least one.
    Whether they give `head.hash` is known only to a reader who has the log up to `first`:
    `waggle.log.chain.follow` tells.
    """

    head: SignedHead
    first: Seq
    lines: tuple[bytes, ...]
    """Without their newlines."""


def statement(space: str, replica: str, seq: int, running_hash: str) -> bytes:
    """Give the bytes that a head's signature covers: one spelling for each meaning.

    Raises ValueError where a part is not of its form.
    """
    try:
        check_space(space)
    except WaggleError as error:
        raise ValueError(error.message) from error
    if not (is_replica(replica) and is_id(running_hash) and 0 < seq <= SEQ_MAX):
        raise ValueError("the replica, hash or seq is not of its form")
    # A space has no NUL in it, and all that follows has a fixed length.
    parts = (bytes.fromhex(replica), seq.to_bytes(8, "big"), bytes.fromhex(running_hash))
    return _DOMAIN + space.encode() + b"\0" + b"".join(parts)


def sign_head(key: Ed25519PrivateKey, space: str, seq: int, running_hash: str) -> SignedHead:
    """Give the signed head of the log that `key` owns in `space`; raise ValueError."""
    public = key.public_key().public_bytes_raw()
    replica = replica_of(public)
    return SignedHead(
        space=space,
        replica=replica,
        seq=seq,
        hash=running_hash,
        key=public,
        signature=key.sign(statement(space, replica, seq, running_hash)),
    )


def say(
    key: Ed25519PrivateKey, space: str, first: int, lines: Sequence[bytes], running_hash: str
) -> Said:
    """Give the lines from seq `first` on, with the head that `running_hash` is, signed.

    Raises ValueError where no reader would take them (`check`).
    """
    head = sign_head(key, space, first + len(lines) - 1, running_hash)
    said = Said(head=head, first=first, lines=tuple(lines))
    check_run(said)
    return said


def check_head(head: SignedHead) -> None:
    """Raise ValueError, with the reason, unless the replica that it names signed this head."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = statement(head.space, head.replica, head.seq, head.hash)
    if replica_of(head.key) != head.replica:
        raise ValueError("the key is not the replica's")
    try:
        # OpenSSL refuses a second spelling of a signature (S beyond the group's order, RFC 8032
        # section 5.1.7). Nothing here is named after a signature, so one would do no harm either.
        Ed25519PublicKey.from_public_bytes(head.key).verify(head.signature, signed)
    except InvalidSignature as error:
        raise ValueError("the signature does not fit the head") from error


def check(said: Said) -> None:
    """Raise ValueError, with the reason, unless the run is within limits and its head signed."""
    check_run(said)
    check_head(said.head)


def check_run(said: Said) -> None:
    """Raise ValueError, with the reason, unless the run is within the limits."""
    count = len(said.lines)
    if not 0 < count <= FRAME_ENTRIES_MAX:
        raise ValueError(f"holds {count} lines; a run has 1 to {FRAME_ENTRIES_MAX}")
    if said.head.seq - said.first + 1 != count:
        raise ValueError("holds another number of lines than it states")
    if max(map(len, said.lines)) > ENTRY_BYTES_MAX:
        raise ValueError(f"holds a line of more than {ENTRY_BYTES_MAX} bytes")
    size = sum(map(len, said.lines)) + count
    if size > FRAME_BYTES_MAX:
        raise ValueError(f"holds {size} bytes; the limit is {FRAME_BYTES_MAX}")


def contradict(one: SignedHead, other: SignedHead) -> bool:
    """Tell whether two heads prove that their writer wrote two histories.

    Both must have passed `check_head`. Heads of different seqs prove nothing by themselves.
    """
    return (one.space, one.replica, one.seq) == (other.space, other.replica, other.seq) and (
        one.hash != other.hash
    )
