"""The allowed-signers file of ssh-keygen(1): with it stock `git verify-commit` accepts our frames.

It is also the list of pinned keys: a replica's line is added when its log first verifies here and
never changes, since a replica's id is a digest of its key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from waggle.store.disk import write_private
from waggle.store.own.journal import Journal
from waggle.store.repo.git import MissingObjectError

if TYPE_CHECKING:
    from waggle.store.frames.logs import Logs

SIGNERS_FILE = "allowed_signers"
_DOMAIN = "@waggle.invalid"


def write_signers(store_dir: str, keys: Mapping[str, str]) -> str:
    """Add keys to the allowed-signers file of ssh-keygen(1), for `git verify-commit`.

    `keys` maps replicas to one-line public keys. Gives the file's path.
    """
    path = f"{store_dir}/{SIGNERS_FILE}"
    rows = {f'{replica}{_DOMAIN} namespaces="git" {key}' for replica, key in keys.items()}
    here = _rows(path)
    if here is None or not rows <= here:
        write_private(path, "".join(f"{row}\n" for row in sorted(rows | (here or set()))))
    return path


def refresh_signers(journal: Journal, logs: Logs) -> str:
    """Add the keys of all logs that were verified to the allowed-signers file; give its path.

    Only logs that are not named there yet are looked at: reading a key verifies a signature.
    """
    store_dir = os.path.dirname(journal.path)
    known = {row.partition(_DOMAIN)[0] for row in _rows(f"{store_dir}/{SIGNERS_FILE}") or ()}
    rows: list[tuple[str, str]] = journal.db.execute("SELECT replica, oid FROM tip").fetchall()
    keys = {}
    for replica, oid in rows:
        if replica in known:
            continue
        try:
            keys[replica] = logs.signer(oid)
        except (MissingObjectError, ValueError):
            continue  # `waggle verify` says what is wrong with that frame
    return write_signers(store_dir, keys)


def _rows(path: str) -> set[str] | None:
    """Give the lines of the file, None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().splitlines())
    except FileNotFoundError:
        return None  # the first ones make it
