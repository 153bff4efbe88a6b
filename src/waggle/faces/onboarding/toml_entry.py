"""A part that is one table of a TOML file, between markers, such as Codex's `mcp_servers.waggle`.

A table with a header of its own can always stand at the end. The text is read before and after by
the standard library's parser (TOML 1.0), and an edit that changes anything else is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from waggle.faces.onboarding.marked import Marked
from waggle.faces.onboarding.parts import Edited, PartError


class TomlEntry(Struct, frozen=True, kw_only=True):
    """The table `within.name`, whose lines are those of `marked`."""

    within: str
    name: str
    marked: Marked
    inline: str
    """The same as one line that may stand before all tables."""

    @property
    def by_hand(self) -> str:
        """One line that tells what to write where the file cannot be edited."""
        return self.inline

    def add(self, text: str | None) -> Edited:
        """Put the table at the end; one of that name that is not between markers is left."""
        if text is None:
            return self.marked.add(None)
        others = self.marked.remove(text).text or ""
        if self.name in self._tables(others):
            return Edited(text, f"its own [{self.within}.{self.name}] was left as it is")
        edited = self.marked.add(text)
        self._check(others, edited.text or "")
        return edited

    def remove(self, text: str) -> Edited:
        """Take the table out."""
        edited = self.marked.remove(text)
        if edited.text == text:
            own = self.name in self._tables(text)
            note = f"its own [{self.within}.{self.name}] was left as it is" if own else None
            return Edited(text, note)
        self._check(edited.text or "", text)
        return edited

    def holds(self, text: str) -> bool:
        """Tell whether there is a table of that name."""
        return self.name in self._tables(text)

    def _tables(self, text: str) -> Mapping[str, Any]:
        tables = _read(text).get(self.within, {})
        if not isinstance(tables, dict):
            raise PartError(f"its {self.within!r} is no table")
        return tables

    def _check(self, without: str, having: str) -> None:
        """Raise PartError unless the table is all that two texts differ in."""
        rest = _read(having)
        rest[self.within].pop(self.name, None)
        before = _read(without)
        before.setdefault(self.within, {})
        if rest != before:
            raise PartError("it is written in a way that cannot be edited safely")


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise PartError(f"it is no TOML ({error})") from error
