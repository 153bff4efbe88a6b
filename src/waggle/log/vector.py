"""Session tokens: version vectors that travel as a word, for read-your-writes and monotonic reads.

Terry, Demers, Petersen, Spreitzer, Theimer and Welch, "Session Guarantees for Weakly Consistent
Replicated Data", PDIS 1994, section 4: a session keeps the vector of what it wrote and of what it
read, and a server answers once its own vector dominates that. Here the session hands the vector
over as a token: a write gives one, a read can give one, and a read that is given one waits until
the view holds it. Within one store both guarantees always hold, since every read folds first.

A token names, for each log, a seq and the beginning of the id there. An id covers everything
before it, so a log that was forked, or written anew from a backup, is never taken for the one that
was meant. Imports almost nothing: a vote gives a token, too.
"""

from __future__ import annotations

import binascii

from waggle.base.errors import WaggleError
from waggle.base.ids import REPLICA_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Vector = "Mapping[str, tuple[int, str]]"
"""For each replica the seq, and the first CHECK_CHARS hex digits of the id there."""
PREFIX = "w1."
CHECK_CHARS = 8
LOGS_MAX = 10_000
"""Logs that one token names."""
_REPLICA_BYTES, _CHECK_BYTES, _SEQ_BYTES = REPLICA_CHARS // 2, CHECK_CHARS // 2, 6
_ROW_BYTES = _REPLICA_BYTES + _SEQ_BYTES + _CHECK_BYTES


def encode(vector: Mapping[str, tuple[int, str]]) -> str:
    """Give a vector as a token; ids may be given whole. Equal vectors give equal tokens."""
    rows = [
        bytes.fromhex(replica)
        + seq.to_bytes(_SEQ_BYTES, "big")
        + bytes.fromhex(entry[:CHECK_CHARS])
        for replica, (seq, entry) in sorted(vector.items())
        if seq
    ]
    text = binascii.b2a_base64(b"".join(rows), newline=False).decode().rstrip("=")
    return PREFIX + text.replace("+", "-").replace("/", "_")


def decode(token: str) -> dict[str, tuple[int, str]]:
    """Give the vector of a token; raise `invalid` for anything else."""
    text = token.removeprefix(PREFIX).replace("-", "+").replace("_", "/")
    try:
        data = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True) if text else b""
    except (binascii.Error, ValueError) as error:
        raise _invalid(token) from error
    count, rest = divmod(len(data), _ROW_BYTES)
    if rest or count > LOGS_MAX or not token.startswith(PREFIX):
        raise _invalid(token)
    vector: dict[str, tuple[int, str]] = {}
    for first in range(0, len(data), _ROW_BYTES):
        row = data[first : first + _ROW_BYTES]
        seq = int.from_bytes(row[_REPLICA_BYTES:-_CHECK_BYTES], "big")
        vector[row[:_REPLICA_BYTES].hex()] = (seq, row[-_CHECK_BYTES:].hex())
    if len(vector) != count or encode(vector) != token:
        raise _invalid(token)
    return vector


def join(
    one: Mapping[str, tuple[int, str]], two: Mapping[str, tuple[int, str]]
) -> dict[str, tuple[int, str]]:
    """Give the least vector that holds both: of each log the larger seq."""
    both = dict(one)
    for replica, spot in two.items():
        if spot > both.get(replica, (0, "")):
            both[replica] = spot
    return both


def _invalid(token: str) -> WaggleError:
    return WaggleError(
        "invalid",
        f"{token[:40]!r} is no token",
        "Give a token as a write's --json or a read's --token printed it, whole.",
    )
