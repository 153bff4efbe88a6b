"""Reading and replacing files of a work tree that are not waggle's own."""

from __future__ import annotations

import os
import stat

from waggle.base.errors import WaggleError
from waggle.faces.onboarding.parts import PartError

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A settings file or instructions that are larger are something else."""
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def locate(tree: str, path: str) -> str:
    """Give the file that a path in a work tree stands for, behind all symbolic links.

    Raises PartError where that lies outside the work tree or in its `.git`.
    """
    top, real = os.path.realpath(tree), os.path.realpath(os.path.join(tree, path))
    if not real.startswith(os.path.join(top, "")):
        raise PartError(f"it is a symbolic link out of the repository, to {real}")
    if os.path.relpath(real, top).split(os.sep)[0] == ".git":
        raise PartError("it is a symbolic link into .git")
    return real


def read(path: str) -> str | None:
    """Give a file's text, its line ends as they are; None where there is no such file.

    Raises PartError where it is too large or no UTF-8, OSError where it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    if len(raw) > FILE_BYTES_MAX:
        raise PartError(f"it is larger than {FILE_BYTES_MAX} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PartError(f"it is no UTF-8 ({error.reason} at byte {error.start})") from error


def write(path: str, text: str | None) -> None:
    """Replace a file in one step, or take it away with a folder that is then empty (None).

    The file's permissions stay. Raises `environment`; then the file is as it was.
    """
    try:
        if text is None:
            os.remove(path)
            _leave(os.path.dirname(path))
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _replace(path, text.encode())
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot write {path}: {error.strerror}",
            "Make the file and its folder writable, then repeat: what is done already stays as is.",
        ) from error


def _replace(path: str, data: bytes) -> None:
    """Write beside the file, then rename; no sync, because losing it loses nothing of anyone's."""
    fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.new")
    handle = os.open(fresh, _FRESH, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        if os.path.exists(path):
            os.chmod(fresh, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(fresh, path)
    except BaseException:
        os.remove(fresh)
        raise


def _leave(folder: str) -> None:
    """Remove a folder that has become empty; git keeps none, so nobody can miss it."""
    if not os.listdir(folder):
        os.rmdir(folder)
