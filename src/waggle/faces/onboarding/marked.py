"""A part that is a run of lines between two markers, in a text of lines such as `AGENTS.md`.

It stands at the end, after one empty line. Whether the text before it ended with a line end is
kept in whether the part does: so taking it out gives back the same bytes. (Only a file that was
made for the part begins with it and ends with a line end.)
"""

from __future__ import annotations

import re

from msgspec import Struct

from waggle.faces.onboarding.parts import Edited, PartError, line_end


class Marked(Struct, frozen=True, kw_only=True):
    """Lines between a line that starts with `begin` and one that starts with `end`."""

    begin: str
    """How the first marker starts, and nothing else in the file does."""
    end: str
    """The whole last marker."""
    body: str
    """What stands between the markers, the rest of the first one included; without a line end
    at its end."""

    @property
    def by_hand(self) -> str:
        """One line that tells what to write where the file cannot be edited."""
        return "the lines that `waggle init` puts into a new file"

    @property
    def _block(self) -> str:
        return f"{self.begin}{self.body}\n{self.end}"

    def add(self, text: str | None) -> Edited:
        """Put the lines at the end of a text, or in the place of an older version of them."""
        if text is None:
            return Edited(f"{self._block}\n")
        span = self._find(text)
        eol = line_end(text if span is None else text[slice(*span)])
        block = self._block.replace("\n", eol)
        if span is not None:
            return Edited(text[: span[0]] + block + text[span[1] :])
        if not text:
            return Edited(block)
        if text.endswith("\n"):
            return Edited(f"{text}{eol}{block}{eol}")
        return Edited(f"{text}{eol}{eol}{block}")

    def remove(self, text: str) -> Edited:
        """Take the lines out, with the empty line before them."""
        span = self._find(text)
        if span is None:
            return Edited(text)
        start, stop = span
        eol = line_end(text[start:stop])
        before, after = text[:start], text[stop:]
        if not before and after == eol:
            return Edited(None)
        before = before.removesuffix(eol)
        if not after:
            return Edited(before.removesuffix(eol))
        return Edited(before + after.removeprefix(eol))

    def holds(self, text: str) -> bool:
        """Tell whether the lines, or an older version of them, stand there."""
        return self._find(text) is not None

    def _find(self, text: str) -> tuple[int, int] | None:
        """Give where the lines stand; raise PartError where a marker is missing or there twice."""
        begins = [found.start() for found in re.finditer(f"(?m)^{re.escape(self.begin)}", text)]
        ends = [found.end() for found in re.finditer(f"(?m)^{re.escape(self.end)}", text)]
        if not begins and not ends:
            return None
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            raise PartError(
                f"its lines {self.begin!r} and {self.end!r} do not stand there once each, in order"
            )
        return begins[0], ends[0]
