"""Ids and the running hash.

An entry's id is its log's running hash at it: h(n) = blake2b-256(h(n-1) || line(n)), with h(0)
bound to space and replica, so an id names one entry *and* everything before it in its log.
"""

from __future__ import annotations

from hashlib import blake2b

from waggle.base.errors import WaggleError
from waggle.base.limits import SPACE_CHARS_MAX

ID_CHARS = 64
REPLICA_CHARS = 32
PREFIX_CHARS_MIN = 4
_HASHER = blake2b(digest_size=32)
_HEX = frozenset("0123456789abcdef")
_SPACE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def genesis(space: str, replica: str) -> str:
    """Give h(0) of a log as 64 hex digits."""
    return blake2b(f"waggle/1\0{space}\0{replica}".encode(), digest_size=32).hexdigest()


def extend(previous: str, line: bytes) -> str:
    """Give h(n) from h(n-1) (64 hex digits) and the raw line without its newline."""
    return blake2b(bytes.fromhex(previous) + line, digest_size=32).hexdigest()


def digest(previous: bytes, line: bytes) -> bytes:
    """Give h(n) from h(n-1) (32 bytes) and the raw line, as `extend` does for hex digits."""
    hasher = _HASHER.copy()  # cheaper than a new one, thousands of times
    hasher.update(previous + line)
    return hasher.digest()


def replica_of(public_key: bytes) -> str:
    """Give the replica id (32 hex digits) that a raw Ed25519 public key owns.

    The id is a digest of the key, so whoever can sign for a replica *is* that replica.
    """
    return blake2b(b"waggle replica\0" + public_key, digest_size=16).hexdigest()


def is_hex(text: str, length: int) -> bool:
    """Tell whether `text` is `length` lower-case hex digits."""
    return len(text) == length and _HEX.issuperset(text)


def is_id(text: str) -> bool:
    """Tell whether `text` is a whole entry id."""
    return is_hex(text, ID_CHARS)


def is_replica(text: str) -> bool:
    """Tell whether `text` is a replica id."""
    return is_hex(text, REPLICA_CHARS)


def check_space(name: str) -> str:
    """Give the space's name back, or raise `invalid`: it becomes part of file and ref names."""
    if not 0 < len(name) <= SPACE_CHARS_MAX or not _SPACE.issuperset(name) or name[0] in "-_":
        raise WaggleError(
            "invalid",
            f"{name!r} is no name for a space",
            f"Use 1 to {SPACE_CHARS_MAX} of a-z, 0-9, '-', '_'; start with a letter or digit.",
        )
    return name


def check_prefix(text: str) -> str:
    """Give an abbreviated id back in lower case, or raise `invalid`."""
    low = text.lower()
    if not PREFIX_CHARS_MIN <= len(low) <= ID_CHARS or not _HEX.issuperset(low):
        raise WaggleError(
            "invalid",
            f"{text!r} is no id",
            f"Give at least {PREFIX_CHARS_MIN} hex digits of the id, as `waggle tasks` shows it.",
        )
    return low


def unique(prefix: str, matches: list[str], what: str) -> str:
    """Give the only match of an abbreviated id; raise `not_found` or `ambiguous`."""
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise WaggleError(
            "not_found",
            f"no {what} has an id that starts with {prefix}",
            "List what there is: `waggle tasks`, then `waggle show TASK`.",
        )
    shown = ", ".join(match[: len(prefix) + 4] for match in sorted(matches)[:5])
    raise WaggleError(
        "ambiguous",
        f"{prefix} fits {len(matches)} {what}s: {shown}",
        "Give more digits of the id.",
    )
