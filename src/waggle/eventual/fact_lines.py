"""Facts as lines of JSON: what `fact export` writes and `fact import` reads.

Each line is one object. `entity`, `attribute` and `value` are texts; `source` may be left out. An
export gives besides `id`, `by` (`replica/agent`) and `at` (UTC): who imports becomes the author,
so these say only where a line came from. Other fields are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import msgspec
from msgspec import Struct

from waggle.base.limits import ENTRY_BYTES_MAX
from waggle.eventual.facts import Source, Term, Value
from waggle.log.entry import Id


class FactLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line, as it is read and written."""

    entity: Term
    attribute: Term
    value: Value
    source: Source | None = None
    id: Id | None = None
    by: str | None = None
    at: str | None = None

    @property
    def key(self) -> str:
        """A digest that names this line: importing it again is a repeat of the same write."""
        parts = (self.entity, self.attribute, self.value, self.source, self.id)
        return blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


class BadLine(Struct, frozen=True, kw_only=True):
    """A line that could not be taken, and why."""

    line: int
    """Its number in the file; the first is 1."""
    reason: str


_decode = msgspec.json.Decoder(FactLine).decode


def read_lines(raw: Iterable[bytes]) -> Iterator[tuple[int, FactLine | BadLine]]:
    """Give each line with its number, read or with the reason why not; empty ones are left out."""
    for number, line in enumerate(raw, 1):
        if not line.strip():
            continue
        if len(line) > ENTRY_BYTES_MAX:
            reason = f"it has {len(line)} bytes; at most {ENTRY_BYTES_MAX} can be"
            yield number, BadLine(line=number, reason=reason)
            continue
        try:
            yield number, _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield number, BadLine(line=number, reason=str(error))


def write_line(line: FactLine) -> str:
    """Give a line of JSON in printable ASCII, which no terminal and no transport changes."""
    return json.dumps(msgspec.to_builtins(line)).replace("\x7f", "\\u007f")
