"""What version 1 wrote, byte for byte, kept for ever: every later version must read and write it.

The files under golden/ never change. If a test here fails, the code has changed what a log is:
ids that people hold would no longer resolve, and frames that exist would no longer verify.
"""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waggle.agents.folds import FOLDS
from waggle.base.clock import stamp
from waggle.base.ids import genesis, replica_of
from waggle.choice.kinds import Candidate, Check, Vote
from waggle.eventual.tasks import TaskAdd
from waggle.log.chain import Refusal, follow, start
from waggle.log.entry import Agent, Body, fields_of, registry
from waggle.log.frame import (
    ENTRIES_FILE,
    Statement,
    check,
    commit_bytes,
    identity,
    message,
    parse_message,
    signed_bytes,
    split_lines,
)
from waggle.log.line import body, line
from waggle.log.sshsig import parse_public_text, public_text, sign, verify

GOLDEN = Path(__file__).parent / "golden"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
REPLICA = replica_of(PUBLIC)
SPACE = "main"
AT = 1_767_225_600_000
ANN = Agent(name="ann", session="s-1")
BOB = Agent(name="Bob Béla", model="some-model", vendor="some-vendor")
TASK, CANDIDATE = "11" * 32, "22" * 32

WRITTEN: tuple[tuple[int, Agent, Body, str | None, str | None], ...] = (
    (stamp(AT), ANN, TaskAdd(title='Quote "this" \\ and Ω, 😀', tests=("true",)), "first", None),
    (stamp(AT, 1), BOB, Candidate(task=TASK, result="ab" * 16, text="a\nb\t\x01"), None, None),
    (stamp(AT, 0xFFFF), ANN, Vote(candidate=CANDIDATE, score=0, blind=True), None, "33" * 32),
    (stamp(AT + 1), ANN, Check(candidate=CANDIDATE, command="t", environment="e", exit=-1), None,
     None),
)  # fmt: skip
UNKNOWN = line(
    stamp(AT + 2), body("later.kind", {"name": "ann"}, {"new": {"z": [1, None], "é": "x"}})
)


def lines() -> list[bytes]:
    """Write the lines as this version does."""
    known = [
        line(at, body(value.KIND, by.fields(), fields_of(value), key=key, was=was))
        for at, by, value, key, was in WRITTEN
    ]
    return [*known, UNKNOWN]


def git_id(kind: bytes, data: bytes) -> str:
    return sha1(b"%b %d\0%b" % (kind, len(data), data), usedforsecurity=False).hexdigest()


def frame() -> tuple[bytes, str]:
    """Write the frame as this version does; give the commit's bytes and the signature."""
    blob = b"".join(item + b"\n" for item in lines())
    row = b"100644 %b\0%b" % (ENTRIES_FILE.encode(), bytes.fromhex(git_id(b"blob", blob)))
    links, _ = follow(start(SPACE, REPLICA), lines())
    stated = Statement(space=SPACE, replica=REPLICA, first=1, last=5, hash=links[-1].id)
    unsigned = commit_bytes(
        tree=git_id(b"tree", row),
        parents=["44" * 20],
        who=identity(REPLICA, AT // 1000),
        text=message(stated, [link.envelope.kind for link in links]),
    )
    signature = sign(KEY, unsigned)
    return signed_bytes(unsigned, signature), signature


def everything() -> dict[str, bytes]:
    """Give the golden files as this version would write them."""
    commit, signature = frame()
    links, _ = follow(start(SPACE, REPLICA), lines())
    ids = [genesis(SPACE, REPLICA), *(link.id for link in links)]
    return {
        "entries.jsonl": b"".join(item + b"\n" for item in lines()),
        "ids": "".join(f"{item}\n" for item in ids).encode(),
        "frame.commit": commit,
        "frame.id": git_id(b"commit", commit).encode() + b"\n",
        "signature": signature.encode() + b"\n",
        "allowed_signers": (
            f'{REPLICA}@waggle.invalid namespaces="git" {public_text(PUBLIC)}\n'.encode()
        ),
    }


@pytest.mark.parametrize("name", everything())
def test_this_version_writes_what_version_1_wrote(name: str) -> None:
    assert everything()[name] == (GOLDEN / name).read_bytes()


def test_this_version_reads_what_version_1_wrote() -> None:
    commit = (GOLDEN / "frame.commit").read_bytes()
    stated = parse_message(commit.partition(b"\n\n")[2].decode())
    links = check(
        start(SPACE, REPLICA), stated, split_lines((GOLDEN / "entries.jsonl").read_bytes())
    )
    assert not isinstance(links, Refusal)
    assert [link.id for link in links] == (GOLDEN / "ids").read_text().split()[1:]
    decoders = registry(kind for fold in FOLDS for kind in fold.kinds)
    for (at, by, value, key, was), link in zip(WRITTEN, links, strict=False):
        outer = link.envelope
        assert (outer.at, outer.by, outer.key, outer.was) == (at, by, key, was)
        assert decoders[outer.kind](link.line) == value
    assert links[-1].envelope.kind == "later.kind"


def test_the_signature_of_version_1_verifies() -> None:
    signature = (GOLDEN / "signature").read_text()
    commit = (GOLDEN / "frame.commit").read_bytes()
    folded = b"\ngpgsig " + signature.strip().replace("\n", "\n ").encode()
    assert commit.count(folded) == 1
    assert verify(signature, commit.replace(folded, b"")) == PUBLIC


def test_the_signers_file_names_the_replica_that_its_key_owns() -> None:
    who, _, key = (GOLDEN / "allowed_signers").read_text().split(" ", 2)
    assert replica_of(parse_public_text(key)) == who.removesuffix("@waggle.invalid")


def test_the_golden_lines_are_canonical() -> None:
    for raw in (GOLDEN / "entries.jsonl").read_bytes().splitlines():
        assert msgspec.json.encode(msgspec.json.decode(raw), order="sorted") == raw
