"""Writing a line: canonical JSON, made without heavy imports because a vote is one process.

Canonical means: keys sorted, no spaces, UTF-8, integers and no floats. The raw bytes are kept and
hashed as they were written, never encoded again, so only the writer has to be canonical. Every
field that a kind defines sorts after `at`, which is what lets the clock be put in front of a body
that was encoded before the journal's lock was taken.
"""

from __future__ import annotations

import json

from waggle.base.errors import WaggleError
from waggle.base.limits import ENTRY_BYTES_MAX, KEY_CHARS_MAX, NAME_CHARS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_encoder = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical(value: object) -> bytes:
    """Encode a value as canonical JSON. `waggle.log.entry.canonical` gives the same, faster."""
    return _encoder.encode(value).encode()


def check_name(what: str, text: str) -> str:
    """Give the name of an agent, session, model or vendor back, or raise `invalid`."""
    if not 0 < len(text) <= NAME_CHARS_MAX or not text.isprintable() or text != text.strip():
        raise WaggleError(
            "invalid",
            f"{text!r} is no {what}",
            f"Use 1 to {NAME_CHARS_MAX} printable characters without spaces around them.",
        )
    return text


def check_key(key: str | None) -> str | None:
    """Give an idempotency key back, or raise `invalid`."""
    if key is not None and not (0 < len(key) <= KEY_CHARS_MAX and key.isprintable()):
        raise WaggleError(
            "invalid",
            "an idempotency key is 1 to 256 printable characters",
            "Shorten the key; it only has to be unique among this replica's writes.",
        )
    return key


def body(
    kind: str,
    by: Mapping[str, str],
    fields: Mapping[str, object],
    *,
    key: str | None = None,
    was: str | None = None,
    encode: Callable[[object], bytes] = canonical,
) -> bytes:
    """Encode all of a line but its clock; raise `limit` when the line would be too long."""
    whole: dict[str, object] = {**fields, "by": by, "kind": kind}
    if key is not None:
        whole["key"] = key
    if was is not None:
        whole["was"] = was
    try:
        encoded = encode(whole)
    except UnicodeEncodeError as error:
        raise WaggleError(
            "invalid",
            f"text of {kind} is not valid Unicode: {error.reason}",
            "Send UTF-8 without lone surrogates.",
        ) from error
    if len(encoded) + 32 > ENTRY_BYTES_MAX:
        raise WaggleError(
            "limit",
            f"the entry would be {len(encoded)} bytes; the limit is {ENTRY_BYTES_MAX}",
            "Put long text into a file of the candidate (`waggle publish --file`), or shorten it.",
        )
    return encoded


def line(at: int, encoded: bytes) -> bytes:
    """Put the clock in front of an encoded body."""
    return b'{"at":%d,' % at + encoded[1:]
