"""SQLite files as a store opens them, and what SQLite's errors mean for whoever asked."""

from __future__ import annotations

import os
import sqlite3

from waggle.base.errors import WaggleError

BUSY_MS = 60_000
"""How long a writer waits for another, in milliseconds."""


def explain(error: sqlite3.Error, path: str, *, committing: bool = False) -> WaggleError:
    """Turn an SQLite error into one that says what happened and what is safe to do.

    Only a commit that failed (`committing`) leaves it in doubt whether anything was appended.
    """
    name = getattr(error, "sqlite_errorname", "") or ""
    text = f"{os.path.basename(path)}: {error}"
    if name == "SQLITE_FULL":
        return WaggleError(
            "environment",
            f"{text}; nothing was appended",
            "Free some disk space and repeat the command; the journal is whole.",
        )
    if name.startswith("SQLITE_IOERR") and not committing:
        return WaggleError(
            "environment",
            f"{text} ({name}); nothing was appended",
            "Look whether the disk is full or failing, then repeat the command.",
        )
    if name.startswith("SQLITE_IOERR"):
        return WaggleError(
            "in_doubt",
            text,
            "Look at the disk, then run `waggle log`; repeat the command with the same --key.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return WaggleError(
            "busy", f"{text}; nothing was appended", "Repeat the command when the other is done."
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return WaggleError(
            "environment",
            f"{text} ({path}); nothing was appended",
            "Make the folder writable for this user, or work in a clone of your own.",
        )
    return WaggleError(
        "damaged",
        f"{text} ({path})",
        "Run `waggle doctor`; keep the file, it may hold entries that are in no frame yet.",
    )


def connect(path: str) -> sqlite3.Connection:
    """Open an SQLite file as the journal and the view need it."""
    try:
        db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=256
        )
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise WaggleError(
                "environment",
                f"SQLite cannot use its write-ahead log at {path}",
                "Keep the repository on a local disk; network file systems are not safe for it.",
            )
    except sqlite3.Error as error:
        db.close()
        raise explain(error, path) from error
    except UnicodeDecodeError as error:
        # SQLite quotes a damaged schema in its message, and Python wants that to be text.
        db.close()
        raise explain(sqlite3.DatabaseError("its schema is no text"), path) from error
    return db
