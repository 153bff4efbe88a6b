"""Validation of a log's lines in order, and admission: which prefix of a log may be folded.

Validate, then fold: a bad line becomes a `Refusal` that says why and is shown; it never raises
into a fold. Everything after a refusal is refused too, since its ids build on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from waggle.base.clock import from_the_future
from waggle.base.ids import digest, genesis
from waggle.log.entry import Envelope, envelope

NESTING_MAX = 32
"""Arrays and objects within one another. A parser's own limit depends on how deep its caller's
stack is, so receivers would disagree on a line near it; this one is the same for all."""
_ARRAY = ord("[")
"""Bytes are searched for a number many times faster than for bytes."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Head(Struct, frozen=True):
    """The end of a log, or of a prefix of it: what the next line has to follow."""

    seq: int
    id: str
    at: int


class Link(Struct, frozen=True, gc=False):
    """A valid line at its place in the log."""

    seq: int
    id: str
    line: bytes
    envelope: Envelope


class Refusal(Struct, frozen=True):
    """Why a line or frame was not taken, with where it stood."""

    seq: int
    reason: str


def start(space: str, replica: str) -> Head:
    """Give the head of an empty log."""
    return Head(0, genesis(space, replica), 0)


def follow(head: Head, lines: Iterable[bytes]) -> tuple[list[Link], Refusal | None]:
    """Give the valid lines after `head`, and the refusal that ended them if one did."""
    links: list[Link] = []
    seq, at, raw = head.seq, head.at, bytes.fromhex(head.id)
    for line in lines:
        try:
            outer = _outer(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return links, Refusal(seq + 1, f"not an entry: {error}")
        if outer.at <= at:
            return links, Refusal(seq + 1, "its clock does not follow the entry before it")
        seq, at, raw = seq + 1, outer.at, digest(raw, line)
        links.append(Link(seq, raw.hex(), line, outer))
    return links, None


def _outer(line: bytes) -> Envelope:
    """Decode what a line carries; raise msgspec.DecodeError or UnicodeDecodeError.

    msgspec skips unknown fields without looking into their strings, and reads the last of equal
    keys; what every reader relies on is checked here: UTF-8, nesting, one clock and in its place.
    """
    if not line.isascii():
        line.decode()
    arrays = line.count(b"[") if _ARRAY in line else 0
    if arrays + line.count(b"{") > NESTING_MAX and _depth(line) > NESTING_MAX:
        raise msgspec.ValidationError(f"it nests deeper than {NESTING_MAX}")
    outer = envelope(line)
    if not (line.startswith(b'{"at":%d,' % outer.at) and line.endswith(b"}")):
        raise msgspec.ValidationError("it is not written canonically: the clock comes first, once")
    return outer


def _depth(line: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", line):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def ripe(links: Sequence[Link], wall_ms: int) -> int:
    """Count the leading links that are not from the future at `wall_ms`."""
    if not links or not from_the_future(links[-1].envelope.at, wall_ms):
        return len(links)
    # Clocks rise along a log, so the first one from the future is found by bisection.
    low, high = 0, len(links) - 1
    while low < high:
        middle = (low + high) // 2
        if from_the_future(links[middle].envelope.at, wall_ms):
            high = middle
        else:
            low = middle + 1
    return low


def fork(chains: Sequence[Sequence[str]]) -> int:
    """Give how many leading ids (from seq 1) all chains of one writer share where they overlap.

    Two chains that differ at one seq prove equivocation, wherever their frames were cut; the log
    is then admitted up to the entry before. A chain that is merely shorter proves nothing.
    """
    shared = max(map(len, chains), default=0)
    for seq in range(shared):
        if len({chain[seq] for chain in chains if seq < len(chain)}) > 1:
            return seq
    return shared
