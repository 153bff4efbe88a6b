"""Writing durably: small private files, and the names in folders."""

from __future__ import annotations

import os
import sys

from waggle.base.errors import WaggleError


def write_private(path: str, text: str) -> None:
    """Write a small file that only its owner may read, atomically and durably.

    Raises `environment` where the disk is full or the folder cannot be written.
    """
    temporary = f"{path}.new"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(os.path.dirname(path))
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot write {path}: {error.strerror}",
            "Free some disk space or make the folder writable, then repeat the command.",
        ) from error


def sync_folder(path: str) -> None:
    """Make the names in a folder durable (Windows does so by itself)."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
