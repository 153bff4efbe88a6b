"""When this store last exchanged logs with each remote: for people to see, and for nothing else.

The file is a note, not a record: it is not synced to disk, and a torn or missing one says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct

LAST_DIR = "synced"
REMOTES_MAX = 256
"""Remotes that are remembered, those that were tried last."""


class Last(Struct, frozen=True, kw_only=True):
    """What is remembered of one remote. Times are milliseconds since 1970, by this machine."""

    tried_ms: int
    done_ms: int = 0
    """When it last did all that was asked of it; 0 for never."""
    trouble: str | None = None
    """What kind of trouble there was at the last try."""


_lasts = msgspec.json.Decoder(dict[str, Last])


def _path(store_dir: str, space: str) -> str:
    return os.path.join(store_dir, LAST_DIR, f"{space}.json")


def load(store_dir: str, space: str) -> dict[str, Last]:
    """Give what is remembered, by the remotes' names; nothing before the first sync."""
    try:
        with open(_path(store_dir, space), "rb") as file:
            return _lasts.decode(file.read())
    except (OSError, msgspec.DecodeError):
        return {}  # nothing is known yet, or the note cannot be read: the next sync writes it anew


def noted(
    known: Mapping[str, Last], outcomes: Mapping[str, str | None], now_ms: int
) -> dict[str, Last]:
    """Give what is remembered after one more sync: the kind of each remote's trouble, if any."""
    new = {name: _last(known.get(name), trouble, now_ms) for name, trouble in outcomes.items()}
    newest = sorted({**known, **new}.items(), key=lambda item: (item[1].tried_ms, item[0]))
    return dict(newest[-REMOTES_MAX:])


def _last(before: Last | None, trouble: str | None, now_ms: int) -> Last:
    if trouble is None:
        return Last(tried_ms=now_ms, done_ms=now_ms)
    return Last(tried_ms=now_ms, done_ms=before.done_ms if before else 0, trouble=trouble)


def note(store_dir: str, space: str, outcomes: Mapping[str, str | None], now_ms: int) -> None:
    """Write down how one sync went. Never raises OSError: what was exchanged is exchanged."""
    path = _path(store_dir, space)
    temporary = f"{path}.{os.getpid()}.new"
    data = msgspec.json.encode(noted(load(store_dir, space), outcomes, now_ms))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        return  # a full disk: sync itself tells of it where it matters
