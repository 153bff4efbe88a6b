"""The allowed-signers file of ssh-keygen(1): with it stock `git verify-commit` accepts our frames.

It is also the list of pinned keys: a replica's line is added when its log first verifies here and
never changes, since a replica's id is a digest of its key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from waggle.store.git import MissingObjectError
from waggle.store.identity import write_private
from waggle.store.journal import Journal

if TYPE_CHECKING:
    from waggle.store.logs import Logs

SIGNERS_FILE = "allowed_signers"


def write_signers(store_dir: str, keys: dict[str, str]) -> str:
    """Add keys to the allowed-signers file of ssh-keygen(1), for `git verify-commit`.

    `keys` maps replicas to one-line public keys. Gives the file's path.
    """
    path = f"{store_dir}/{SIGNERS_FILE}"
    rows = {f'{replica}@waggle.invalid namespaces="git" {key}' for replica, key in keys.items()}
    try:
        with open(path, encoding="utf-8") as file:
            rows |= set(file.read().splitlines())
    except FileNotFoundError:
        pass  # the first ones make the file
    write_private(path, "".join(f"{row}\n" for row in sorted(rows)))
    return path


def refresh_signers(journal: Journal, logs: Logs) -> str:
    """Add the keys of all logs that were verified to the allowed-signers file; give its path."""
    rows: list[tuple[str, str]] = journal.db.execute("SELECT replica, oid FROM tip").fetchall()
    keys = {}
    for replica, oid in rows:
        try:
            keys[replica] = logs.signer(oid)
        except (MissingObjectError, ValueError):
            continue  # `waggle verify` says what is wrong with that frame
    return write_signers(os.path.dirname(journal.path), keys)
