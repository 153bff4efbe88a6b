"""How far a store's own log has spread: which entries are on how many remotes and replicas.

A remote is known by what it showed when it was last fetched or pushed to. A replica is known by
what its node said on the live path; the node writes it down, for commands that ask later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from waggle.store.disk import write_private

SEEN_DIR = "seen"
NODES_MAX = 4096
"""Replicas that are kept in mind."""


class Seen(Struct, frozen=True, kw_only=True):
    """What another replica's node last said: it holds this store's log up to `seq`."""

    seq: int
    at_ms: int
    """When it was heard, by this machine's clock, in milliseconds since 1970."""


class Part(Struct, frozen=True, kw_only=True):
    """A run of own entries, all on equally many remotes and replicas."""

    first: int
    last: int
    remotes: int
    replicas: int


_seen = msgspec.json.Decoder(dict[str, Seen])


def _path(store_dir: str, space: str) -> str:
    return os.path.join(store_dir, SEEN_DIR, f"{space}.json")


def load(store_dir: str, space: str) -> dict[str, Seen]:
    """Give what other replicas' nodes said, by replica; nothing where no node ever ran here."""
    try:
        with open(_path(store_dir, space), "rb") as file:
            return _seen.decode(file.read())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}  # nothing was heard yet, or the file is torn: nodes say it again


def save(store_dir: str, space: str, seen: Mapping[str, Seen]) -> None:
    """Write down what other replicas' nodes said; raise `environment`."""
    path = _path(store_dir, space)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    newest = sorted(seen.items(), key=lambda item: item[1].at_ms)[-NODES_MAX:]
    write_private(path, msgspec.json.encode(dict(newest)).decode())


def parts(head: int, remotes: Iterable[int], replicas: Iterable[int]) -> list[Part]:
    """Give the runs of own entries 1 to `head`, oldest first, by how far they have spread.

    `remotes` and `replicas` hold, for each of them, up to which seq it has the log.
    """
    there, others = list(remotes), list(replicas)
    ends = sorted({min(seq, head) for seq in [*there, *others, head] if seq > 0})
    found, first = [], 1
    for last in ends:
        found.append(
            Part(first=first, last=last, remotes=_count(there, last), replicas=_count(others, last))
        )
        first = last + 1
    return found


def _count(held: Sequence[int], seq: int) -> int:
    return sum(one >= seq for one in held)
