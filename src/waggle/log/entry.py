"""Lines as typed values.

A kind is a msgspec Struct that lists the fields of its own; every line also carries the envelope
(`at`, `by`, `kind`, perhaps `key` and `was`). Unknown kinds and unknown fields survive: lines are
kept raw, and what a version does not know it skips.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from waggle.base.clock import MILLIS_MAX, stamp
from waggle.base.errors import WaggleError
from waggle.base.limits import ENTRY_BYTES_MAX, KEY_CHARS_MAX, NAME_CHARS_MAX

Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Oid = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z")]
"""A git object id (SHA-1)."""
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Agent(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who wrote an entry: a program or a person, acting through a replica."""

    name: Name
    session: Name | None = None
    model: Name | None = None
    vendor: Name | None = None

    def fields(self) -> dict[str, str]:
        """Give the fields that are set, as a line carries them."""
        values = {
            "name": self.name,
            "session": self.session,
            "model": self.model,
            "vendor": self.vendor,
        }
        return {name: value for name, value in values.items() if value is not None}


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """What every line carries."""

    at: Annotated[int, Meta(ge=0, le=stamp(MILLIS_MAX, 0xFFFF))]
    by: Agent
    kind: Annotated[str, Meta(max_length=64)]
    """Dotted; see `envelope`."""
    key: Annotated[str, Meta(max_length=KEY_CHARS_MAX)] | None = None
    was: Id | None = None


class Body(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields of one kind. Subclasses set the kind's name and what in it needs attention."""

    KIND: ClassVar[str]
    TEXTS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold free text, which is scanned for secrets before it is appended."""
    REFS: ClassVar[tuple[str, ...]] = ()
    """Fields that hold an entry's id or a tuple of ids, which follow `was` when a log was continued
    under a new name."""


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """One entry as folds see it: where it stands, who wrote it, and its typed body."""

    id: str
    replica: str
    seq: int
    at: int
    by: Agent
    body: Body

    @property
    def writer(self) -> str:
        """The identity that counts for votes: the agent within its replica."""
        return f"{self.replica}/{self.by.name}"


canonical: Callable[[object], bytes] = msgspec.json.Encoder(order="sorted").encode
"""Encode a value as canonical JSON: the same bytes as `waggle.log.line.canonical`, faster."""
_KIND = re.compile(r"[a-z]+(\.[a-z_]+)+")
RESERVED = frozenset({"at", "by", "kind", "key", "was"})
_NEWLINE = ord("\n")
"""A number, for which bytes are searched many times faster than for bytes."""
_envelopes = msgspec.json.Decoder(Envelope)


def registry(kinds: Iterable[type[Body]]) -> dict[str, Callable[[bytes], Body]]:
    """Give a decoder for each kind, by name.

    Invariant: every field sorts after `at` (see line.py) and none is the envelope's.
    """
    decoders: dict[str, Callable[[bytes], Body]] = {}
    for kind in kinds:
        # Not `structs.fields`, which evaluates the types anew for every space that is opened.
        names = set(kind.__struct_encode_fields__)
        if kind.KIND in decoders or names & RESERVED or any(name <= "at" for name in names):
            raise ValueError(f"kind {kind.KIND} breaks the rules for kinds")
        decoders[kind.KIND] = msgspec.json.Decoder(kind).decode
    return decoders


def envelope(line: bytes) -> Envelope:
    """Decode what every line carries; raise msgspec.DecodeError on anything else."""
    if len(line) > ENTRY_BYTES_MAX or _NEWLINE in line:
        raise msgspec.ValidationError("the line is longer than an entry may be, or is several")
    outer = _envelopes.decode(line)
    if not _is_kind(outer.kind):
        raise msgspec.ValidationError(f"{outer.kind!r} is no kind of the form `word.word`")
    return outer


@lru_cache(maxsize=256)
def _is_kind(text: str) -> bool:
    """Tell whether a text has the form of a kind; a log has few kinds and very many lines."""
    return _KIND.fullmatch(text) is not None


def fields_of(value: Body) -> dict[str, object]:
    """Give a body's set fields as a line carries them; see `validate`."""
    return msgspec.to_builtins(value)  # type: ignore[no-any-return]


def validate(decode: Callable[[bytes], Body], encoded: bytes) -> None:
    """Hold an encoded body against its kind, as every reader will; raise `invalid`."""
    try:
        decode(encoded)
    except msgspec.ValidationError as error:
        raise WaggleError(
            "invalid", str(error), "Correct the value; nothing was appended."
        ) from error


def follow(value: Body, moved: Mapping[str, str]) -> Body:
    """Give the body with its references resolved through `moved` (new id to first id).

    A field of `REFS` holds an id, a tuple of ids, or None. A tuple keeps its length and order.
    """
    changes: dict[str, str | tuple[str, ...]] = {}
    for name in value.REFS:
        ref = getattr(value, name)
        if isinstance(ref, str) and ref in moved:
            changes[name] = moved[ref]
        elif isinstance(ref, tuple) and not moved.keys().isdisjoint(ref):
            changes[name] = tuple(moved.get(one, one) for one in ref)
    return msgspec.structs.replace(value, **changes) if changes else value
