"""Waiting until a view holds what a session has written or read elsewhere (log/vector.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from waggle.base.errors import WaggleError
from waggle.log import vector
from waggle.log.vector import CHECK_CHARS

if TYPE_CHECKING:
    from waggle.store.space import Space

LOOK_S = 0.02
"""How often a waiting reader looks."""


def token(space: Space) -> str:
    """Give the token of all that this view holds now."""
    _ = space.db
    admitted = space.view.admitted()
    return vector.encode({replica: (head.seq, head.id) for replica, head in admitted.items()})


def own_token(space: Space) -> str:
    """Give the token of this replica's own log, up to its last entry: what a write hands out."""
    seq, entry, _ = space.journal.head(space.name)
    return vector.encode({space.journal.replica: (seq, entry)} if seq else {})


def wait_for(
    space: Space,
    wanted: str,
    seconds: float,
    now_s: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Return once the view holds a token; look at least once, and for up to `seconds`.

    Raises `behind` when the time is over, or at once where a log here has another history.
    """
    asked = vector.decode(wanted)
    end = now_s() + seconds
    while missing := lacking(space, asked):
        left = end - now_s()
        if left <= 0:
            raise _behind(missing, seconds)
        sleep(min(LOOK_S, left))


def lacking(space: Space, asked: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Give the part of a vector that the view does not hold; raise `behind` for another history."""
    _ = space.db
    admitted = space.view.admitted()
    missing = {}
    for replica, (seq, check) in asked.items():
        held = admitted.get(replica)
        if held is None or held.seq < seq:
            if not _renamed(space, check):
                missing[replica] = (seq, check)
            continue
        entry = held.id if held.seq == seq else space.counted.id_at(replica, seq)
        if entry is None or entry[:CHECK_CHARS] != check:
            raise WaggleError(
                "behind",
                f"entry {seq} of replica {replica[:12]} is another one here than the token names",
                "Its log has two histories: see `waggle members` and `waggle verify`.",
            )
    return missing


def _renamed(space: Space, check: str) -> bool:
    """Tell whether an entry is here under a new replica: a copied store appended it again."""
    row = space.view.db.execute(
        "SELECT 1 FROM moved WHERE was >= ? AND was < ?", (check, check + "g")
    ).fetchone()
    return row is not None


def _behind(missing: Mapping[str, tuple[int, str]], seconds: float) -> WaggleError:
    words = ", ".join(
        f"entries up to {seq} of {replica[:12]}" for replica, (seq, _) in sorted(missing.items())
    )
    return WaggleError(
        "behind",
        f"not here within {seconds:g} s: {words}",
        "Run `waggle sync` there and here, or `waggle up` on both; then ask again.",
    )
