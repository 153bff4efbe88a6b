"""Signed heads and the lines before them: what is taken, and what a stranger can do to them."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waggle.base.clock import stamp
from waggle.base.ids import replica_of
from waggle.base.limits import ENTRY_BYTES_MAX, FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.chain import follow, start
from waggle.log.line import body, line
from waggle.log.said import SEQ_MAX, Said, SignedHead, check, check_head, contradict, say, sign_head
from waggle.log.said import statement as state
from waggle.log.sshsig import sign, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
REPLICA = replica_of(PUBLIC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
GOLDEN = Path(__file__).parent / "golden"
LINES = tuple(
    line(stamp(1_767_225_600_000, n), body("task.add", {"name": "ann"}, {"title": f"Ω {n}"}))
    for n in range(3)
)
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's group (RFC 8032, section 5.1)."""


def ids() -> list[str]:
    links, refusal = follow(start("main", REPLICA), LINES)
    assert refusal is None
    return [link.id for link in links]


def said(first: int = 1) -> Said:
    return say(KEY, "main", first, LINES[first - 1 :], ids()[-1])


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("statement", state("main", REPLICA, 3, ids()[-1])),
        ("signature", said().head.signature),
        ("said", msgspec.msgpack.encode(said())),
    ],
)
def test_this_version_writes_what_version_1_wrote(name: str, written: bytes) -> None:
    assert written.hex() + "\n" == (GOLDEN / name).read_text()


def test_what_version_1_said_is_taken_and_follows() -> None:
    golden = bytes.fromhex((GOLDEN / "said").read_text())
    read = msgspec.msgpack.decode(golden, type=Said)
    check(read)
    links, _ = follow(start("main", REPLICA), read.lines)
    assert links[-1].id == read.head.hash == ids()[-1]


def test_a_run_may_start_anywhere_and_its_head_stands_alone() -> None:
    run = said(first=2)
    check(run)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(run.head), type=SignedHead)
    check_head(kept)
    assert (kept.seq, len(run.lines)) == (3, 2)


CHANGES: dict[str, dict[str, object]] = {
    "space": {"space": "other"},
    "space that is none": {"space": "a/b"},
    "seq": {"seq": 4},
    "seq 0": {"seq": 0},
    "seq too large": {"seq": SEQ_MAX + 1},
    "hash": {"hash": "ab" * 32},
    "hash in capitals": {"hash": "AB" * 32},
    "replica": {"replica": "ab" * 16},
    "key": {"key": OTHER.public_key().public_bytes_raw()},
    "key and its replica": {
        "key": OTHER.public_key().public_bytes_raw(),
        "replica": replica_of(OTHER.public_key().public_bytes_raw()),
    },
    "signature": {"signature": bytes(64)},
    "signature cut short": {"signature": said().head.signature[:-1]},
    "key that is no point": {"key": b"\xff" * 32, "replica": replica_of(b"\xff" * 32)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_head_is_refused_when_anything_in_it_was_changed(change: str) -> None:
    head = msgspec.structs.replace(said().head, **CHANGES[change])
    with pytest.raises(ValueError, match=r"key|signature|space|form"):
        check_head(head)


def test_a_signature_has_one_spelling() -> None:
    head = said().head
    point, scalar = head.signature[:32], int.from_bytes(head.signature[32:], "little")
    again = point + (scalar + ORDER).to_bytes(32, "little")
    with pytest.raises(ValueError, match="does not fit"):
        check_head(msgspec.structs.replace(head, signature=again))


def test_no_signature_passes_for_one_of_another_kind() -> None:
    head = said().head
    signed = state("main", REPLICA, head.seq, head.hash)
    armoured = sign(KEY, signed)
    begin, end = "-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----"
    blob = base64.b64decode(armoured.removeprefix(begin).removesuffix(end))
    with pytest.raises(ValueError, match="does not fit"):
        check_head(msgspec.structs.replace(head, signature=blob[-64:]))
    text = base64.b64encode(blob[:-64] + head.signature).decode()
    rows = "\n".join(text[i : i + 70] for i in range(0, len(text), 70))
    with pytest.raises(ValueError, match="does not fit"):
        verify(f"{begin}{rows}{end}", signed)


def test_statements_of_different_heads_differ() -> None:
    replica = "0" * 32
    one = state("a", replica, 1, "0" * 64)
    two = state("a0", replica, 1, "0" * 64)
    assert len({one, two, state("a", replica, 256, "0" * 64)}) == 3


@pytest.mark.parametrize(
    ("first", "lines", "why"),
    [
        (1, (), "holds 0 lines"),
        (1, (b"{}",) * (FRAME_ENTRIES_MAX + 1), "lines; a run has"),
        (1, (b"x" * (ENTRY_BYTES_MAX + 1),), "a line of more than"),
        (1, (b"x" * ENTRY_BYTES_MAX,) * (FRAME_BYTES_MAX // ENTRY_BYTES_MAX), "bytes; the limit"),
        (2, (b"{}",), "another number"),
    ],
)
def test_a_run_beyond_a_limit_is_refused(first: int, lines: tuple[bytes, ...], why: str) -> None:
    seq = 1 if first == 2 else max(len(lines), 1)
    head = sign_head(KEY, "main", seq, "ab" * 32)
    with pytest.raises(ValueError, match=why):
        check(Said(head=head, first=first, lines=lines))


def test_two_heads_of_one_seq_prove_two_histories() -> None:
    one = sign_head(KEY, "main", 3, "ab" * 32)
    assert contradict(one, sign_head(KEY, "main", 3, "cd" * 32))
    assert not contradict(one, one)
    assert not contradict(one, sign_head(KEY, "main", 4, "cd" * 32))
    assert not contradict(one, sign_head(KEY, "other", 3, "cd" * 32))
    assert not contradict(one, sign_head(OTHER, "main", 3, "cd" * 32))
