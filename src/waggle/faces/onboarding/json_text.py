"""A JSON text with the places of what stands in it, so that it can be edited and not written anew.

JSON with comments and trailing commas is read, too, as in
https://code.visualstudio.com/docs/languages/json#_json-with-comments. An edit keeps everything else
as it is, byte for byte: members, their order, numbers, comments, indentation and line ends.
"""

from __future__ import annotations

import json
import re

from msgspec import Struct

from waggle.faces.onboarding.parts import PartError, line_end

SPACE = " \t\r\n"
# What is not closed reaches to the end: searched from there on again, it would cost the square.
_STRING = r'("(?:[^"\\]|\\.)*(?:"|\Z))'
_COMMENT = re.compile(_STRING + r"|//[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING = re.compile(_STRING + r"|,(?=[ \t\r\n]*[}\]])", re.DOTALL)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Numbers are kept as they are written: they are compared, never reckoned with.
_decoder = json.JSONDecoder(
    parse_int=lambda text: ("number", text),
    parse_float=lambda text: ("number", text),
    parse_constant=_no_constant,
)


class Member(Struct, frozen=True):
    """A member of an object: where it stands in the text."""

    key: str
    start: int
    value_at: int
    end: int


class Object(Struct, frozen=True):
    """An object: where it stands, from behind its first brace to before its last."""

    first: int
    close: int
    members: tuple[Member, ...]

    def find(self, key: str) -> Member | None:
        """Give a member; raise PartError where its name stands there twice."""
        found = [member for member in self.members if member.key == key]
        if len(found) > 1:
            raise PartError(f"it names {key!r} twice")
        return found[0] if found else None


class Document:
    """A JSON text with the places of what stands in it; comments and commas are blanked."""

    def __init__(self, text: str) -> None:
        """Read; raise PartError where this is no JSON object."""
        self.text = text
        self.plain = _COMMENT.sub(lambda found: found[1] or " " * len(found[0]), text)
        """Without comments; every character stands where it stood."""
        self.strict = _TRAILING.sub(lambda found: found[1] or " ", self.plain)
        """Without trailing commas, too: JSON."""
        try:
            self.value = _decoder.decode(self.strict)
        except (ValueError, RecursionError) as error:
            raise PartError(f"it is no JSON ({error})") from error
        if not isinstance(self.value, dict):
            raise PartError("it holds no JSON object")
        self.root = self.object(self._skip(0))

    def _skip(self, at: int) -> int:
        while self.strict[at] in SPACE:
            at += 1
        return at

    def object(self, brace: int) -> Object:
        """Give the object whose first brace stands there."""
        members = []
        at = self._skip(brace + 1)
        while self.strict[at] != "}":
            key, end = _decoder.raw_decode(self.strict, at)
            value_at = self._skip(self.strict.index(":", end) + 1)
            _, end = _decoder.raw_decode(self.strict, value_at)
            members.append(Member(key, at, value_at, end))
            at = self._skip(end)
            if self.strict[at] == ",":
                at = self._skip(at + 1)
        return Object(brace + 1, at, tuple(members))

    def before(self, at: int) -> int:
        """Give where the white space before a place begins."""
        return len(self.text[:at].rstrip(SPACE))

    def in_line_comment(self, at: int) -> bool:
        """Tell whether a place is within, or at the end of, a comment that a line end ends."""
        return any(
            found[0].startswith("//") and found.start() < at <= found.end()
            for found in _COMMENT.finditer(self.text)
        )

    def lead(self, where: Object) -> str:
        """Give the white space that stands before an object's members."""
        if not where.members:
            return ""
        at = where.members[-1].start
        space = self.text[self.before(at) : at]
        newline = max(space.rfind("\n"), space.rfind("\r"))
        if newline < 0:
            return space
        return line_end(space) + space[newline + 1 :]

    def insert(self, where: Object, key: str, value: str) -> str:
        """Give the text with one more member at an object's end."""
        at, lead = self.before(where.close), self.lead(where)
        if self.in_line_comment(at) and not lead.startswith(("\r", "\n")):
            lead = line_end(self.text)
        last = where.members[-1].end if where.members else where.first
        entry = f"{lead}{json.dumps(key)}: {value}"
        if "," in self.plain[last : where.close]:
            return f"{self.text[:at]}{entry},{self.text[at:]}"
        comma = "," if where.members else ""
        return f"{self.text[:last]}{comma}{self.text[last:at]}{entry}{self.text[at:]}"

    def holds_only(self, where: Object, member: Member) -> bool:
        """Tell whether there is nothing else in an object, no comment either."""
        around = self.text[where.first : member.start] + self.text[member.end : where.close]
        return not around.strip(SPACE)

    def cut(self, where: Object, member: Member) -> str:
        """Give the text without a member of an object, and without one comma beside it."""
        n = where.members.index(member)
        start = self.before(member.start)
        if self.in_line_comment(start) and self.text[member.end :].lstrip(" \t,")[:1] not in {
            "\r",
            "\n",
        }:
            start = member.start  # or else what follows would become part of a comment
        cuts = [(start, member.end)]
        after = member.end + len(self.plain[member.end :]) - len(self.plain[member.end :].lstrip())
        if self.plain[after] == ",":
            cuts.append((after, after + 1))
        elif n:
            comma = self.plain.index(",", where.members[n - 1].end)
            cuts.insert(0, (comma, comma + 1))
        kept, at = [], 0
        for begin, end in cuts:
            kept.append(self.text[at:begin])
            at = end
        return "".join(kept) + self.text[at:]
