"""A lock between processes that dies with its holder: an exclusive transaction on a tiny file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from waggle.base.errors import WaggleError
from waggle.store.database import BUSY_MS, explain


@contextmanager
def locked(store_dir: str, name: str, wait_ms: int = BUSY_MS) -> Iterator[None]:
    """Hold the lock `name` of a store; raise `busy` after `wait_ms` milliseconds."""
    path = os.path.join(store_dir, f"{name}.lock")
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=wait_ms / 1000)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        try:
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise explain(error, path) from error
            raise WaggleError(
                "busy",
                f"another process holds {path}",
                "Wait for it, or end the process that `waggle doctor` names.",
            ) from error
        yield
    finally:
        db.close()
