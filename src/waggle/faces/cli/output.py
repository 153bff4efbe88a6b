"""Writing to the user: a reader that went away is no error, and a text from a log is no command."""

from __future__ import annotations

import json
import os
import sys


def visible(text: str) -> str:
    """Give one line that cannot steer a terminal: what is not printable becomes a space.

    Logs carry the words of strangers: escape sequences, line breaks that fake a line of ours,
    characters that turn the reading direction.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else " " for char in text)


def escaped(text: str) -> str:
    """Give JSON on one line that cannot steer a terminal either; its value is the same."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def say(text: str) -> None:
    """Write a line to standard output at once.

    Where its reader has gone away (`| head`) the work goes on, silently: it is worth having, and
    nobody is left to tell.
    """
    raw = text.encode(errors="replace") + b"\n"
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
