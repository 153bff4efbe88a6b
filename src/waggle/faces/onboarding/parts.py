"""A part: what waggle keeps in a file that is otherwise the user's."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class PartError(ValueError):
    """The text cannot be edited without loss; nothing was changed. The message says why."""


class Edited(Struct, frozen=True):
    """What an edit comes to."""

    text: str | None
    """The whole file; None means that there is to be none."""
    note: str | None = None
    """What the user should know: why something was left as it was."""


class Part(Protocol):
    """A part of a file, for a file that may be missing (None) and may hold anything else.

    Laws, for every text that does not hold the part: `remove(add(text))` is the text, and
    `add(add(text))` is `add(text)`. All of them raise PartError.
    """

    @property
    def by_hand(self) -> str:
        """One line that tells what to write where the file cannot be edited."""

    def add(self, text: str | None) -> Edited:
        """Put the part in, or bring it up to date."""

    def remove(self, text: str) -> Edited:
        """Take the part out."""

    def holds(self, text: str) -> bool:
        """Tell whether the part, as it is now or as it was, is in a text."""


def line_end(text: str) -> str:
    """Give the line end that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"
