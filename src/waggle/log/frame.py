"""Frames: a contiguous run of a log's entries as one signed git commit.

First parent: the frame before (the first frame has none: its parents are candidates). Tree:
`entries.jsonl` (this frame's lines only) and `content/` where candidates carry files. Further
parents: the commits of code candidates, so that git itself transfers and keeps them.
The message states what the signature is for: space, replica, last seq
and running hash. The bytes of a frame depend on nothing but the log and the plan that was
journalled, so that sealing again after a crash yields the same commit id.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from waggle.base.ids import is_id, is_replica
from waggle.base.limits import FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.chain import Head, Link, Refusal, follow

ENTRIES_FILE = "entries.jsonl"
CONTENT_DIR = "content"
_FIELDS = ("space", "replica", "first", "last", "hash")


class Statement(Struct, frozen=True, kw_only=True):
    """What a frame's signature says: this replica's log in this space has this hash at `last`."""

    space: str
    replica: str
    first: int
    last: int
    hash: str


def message(statement: Statement, kinds: Sequence[str]) -> str:
    """Give the commit message: a line for people, then the statement.

    `kinds` are the frame's kinds in order, one per entry.
    """
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    summary = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())[:6])
    fields = "\n".join(f"{name}: {getattr(statement, name)}" for name in _FIELDS)
    return f"waggle {statement.first}-{statement.last}: {summary}\n\n{fields}\n"


def parse_message(text: str) -> Statement:
    """Give the statement out of a commit message; raise ValueError on any other message."""
    _, _, rest = text.partition("\n\n")
    rows = [row.partition(": ") for row in rest.splitlines()]
    if tuple(name for name, _, _ in rows) != _FIELDS:
        raise ValueError("the commit is no frame")
    values = {name: value for name, _, value in rows}
    numbers = (values["first"], values["last"])
    if not all(number.isascii() and number.isdigit() and len(number) < 16 for number in numbers):
        raise ValueError("the frame's sequence numbers are no numbers")
    statement = Statement(
        space=values["space"],
        replica=values["replica"],
        first=int(values["first"]),
        last=int(values["last"]),
        hash=values["hash"],
    )
    if not (is_replica(statement.replica) and is_id(statement.hash)):
        raise ValueError("the frame's replica or hash is not of its form")
    return statement


def identity(replica: str, at_seconds: int) -> bytes:
    """Give the author and committer of a frame: neutral, in UTC."""
    return f"waggle {replica[:12]} <{replica}@waggle.invalid> {at_seconds} +0000".encode()


def commit_bytes(*, tree: str, parents: Sequence[str], who: bytes, text: str) -> bytes:
    """Give the unsigned commit object's bytes; all ids as hex."""
    rows = [b"tree " + tree.encode()]
    rows += [b"parent " + parent.encode() for parent in parents]
    rows += [b"author " + who, b"committer " + who]
    return b"\n".join(rows) + b"\n\n" + text.encode()


def signed_bytes(unsigned: bytes, signature: str) -> bytes:
    """Put an armoured signature into commit bytes as the `gpgsig` header."""
    head, _, text = unsigned.partition(b"\n\n")
    folded = signature.strip().replace("\n", "\n ").encode()
    return head + b"\ngpgsig " + folded + b"\n\n" + text


def split_lines(blob: bytes) -> list[bytes]:
    """Give the lines of an `entries.jsonl`; raise ValueError when it is cut short or too large."""
    if len(blob) > FRAME_BYTES_MAX:
        raise ValueError(f"the frame has {len(blob)} bytes; the limit is {FRAME_BYTES_MAX}")
    if not blob.endswith(b"\n"):
        raise ValueError("the frame's entries are cut short")
    return blob[:-1].split(b"\n")


def check(head: Head, statement: Statement, lines: Sequence[bytes]) -> list[Link] | Refusal:
    """Give the frame's entries as links after `head`, or the reason why it is refused."""
    if statement.first != head.seq + 1:
        return Refusal(statement.first, f"follows seq {head.seq} but starts at {statement.first}")
    if not 0 < len(lines) <= FRAME_ENTRIES_MAX:
        return Refusal(statement.first, f"holds none or more than {FRAME_ENTRIES_MAX} entries")
    if statement.last - statement.first + 1 != len(lines):
        return Refusal(statement.first, "holds another number of entries than it states")
    links, refusal = follow(head, lines)
    if refusal is not None:
        return refusal
    if links[-1].id != statement.hash:
        return Refusal(statement.last, "its entries do not give the running hash that it states")
    return links
