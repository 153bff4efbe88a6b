"""A part that is one member of a JSON object, such as `mcpServers.waggle` in `.mcp.json`.

The text is edited, never written anew: other members, their order, numbers, comments, trailing
commas, indentation and line ends stay as they are, byte for byte. JSON with comments and trailing
commas is read as in https://code.visualstudio.com/docs/languages/json#_json-with-comments.

How a member is laid out tells later what was there before it came, so that nothing has to be
remembered elsewhere: a file that was made here starts with a line that holds the brace alone; an
object that was made here has white space after its brace; an empty object that was the user's
has our member directly after the brace.

After each edit the text is read again, and the edit refused unless exactly our member differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from waggle.faces.onboarding.parts import Edited, PartError, line_end

_SPACE = " \t\r\n"
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=[ \t\r\n]*[}\]])', re.DOTALL)
_BOM = "\ufeff"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Numbers are kept as they are written: they are compared, never reckoned with.
_decoder = json.JSONDecoder(
    parse_int=lambda text: ("number", text),
    parse_float=lambda text: ("number", text),
    parse_constant=_no_constant,
)


class _Member(Struct, frozen=True):
    """A member of an object: where it stands in the text."""

    key: str
    start: int
    value_at: int
    end: int


class _Object(Struct, frozen=True):
    """An object: where it stands, from behind its first brace to before its last."""

    first: int
    close: int
    members: tuple[_Member, ...]

    def find(self, key: str) -> _Member | None:
        """Give a member; raise PartError where its name stands there twice."""
        found = [member for member in self.members if member.key == key]
        if len(found) > 1:
            raise PartError(f"it names {key!r} twice")
        return found[0] if found else None


class _Document:
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
        while self.strict[at] in _SPACE:
            at += 1
        return at

    def object(self, brace: int) -> _Object:
        """Give the object whose first brace stands there."""
        members = []
        at = self._skip(brace + 1)
        while self.strict[at] != "}":
            key, end = _decoder.raw_decode(self.strict, at)
            value_at = self._skip(self.strict.index(":", end) + 1)
            _, end = _decoder.raw_decode(self.strict, value_at)
            members.append(_Member(key, at, value_at, end))
            at = self._skip(end)
            if self.strict[at] == ",":
                at = self._skip(at + 1)
        return _Object(brace + 1, at, tuple(members))

    def before(self, at: int) -> int:
        """Give where the white space before a place begins."""
        return len(self.text[:at].rstrip(_SPACE))

    def in_line_comment(self, at: int) -> bool:
        """Tell whether a place is within, or at the end of, a comment that a line end ends."""
        return any(
            found[0].startswith("//") and found.start() < at <= found.end()
            for found in _COMMENT.finditer(self.text)
        )

    def lead(self, where: _Object) -> str:
        """Give the white space that stands before an object's members."""
        if not where.members:
            return ""
        at = where.members[-1].start
        space = self.text[self.before(at) : at]
        newline = max(space.rfind("\n"), space.rfind("\r"))
        if newline < 0:
            return space
        return line_end(space) + space[newline + 1 :]

    def insert(self, where: _Object, key: str, value: str) -> str:
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

    def holds_only(self, where: _Object, member: _Member) -> bool:
        """Tell whether there is nothing else in an object, no comment either."""
        around = self.text[where.first : member.start] + self.text[member.end : where.close]
        return not around.strip(_SPACE)

    def cut(self, where: _Object, member: _Member) -> str:
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


class JsonEntry(Struct, frozen=True, kw_only=True):
    """The member `name` of the object `within`, which is itself a member of the whole."""

    within: str
    name: str
    value: Mapping[str, Any]

    @property
    def by_hand(self) -> str:
        """One line that tells what to write where the file cannot be edited."""
        return json.dumps({self.within: {self.name: self.value}})

    @property
    def _made(self) -> str:
        """The whole text of a file that holds nothing else."""
        entry = f'"{self.name}": {json.dumps(self.value)}'
        return f'{{\n  "{self.within}": {{\n    {entry}\n  }}\n}}\n'

    def add(self, text: str | None) -> Edited:
        """Put the member in, at the end of its object; one of that name is left as it is."""
        if text is None:
            return Edited(self._made)
        bom, document = _open(text)
        outer = document.root.find(self.within)
        if outer is None:
            value = self._new_object(document.lead(document.root))
            return self._checked(bom, document, document.insert(document.root, self.within, value))
        inner = self._inner(document, outer)
        if inner.find(self.name) is not None:
            return Edited(text, None if self._is_ours(document) else _foreign(self.name))
        value = json.dumps(self.value)
        return self._checked(bom, document, document.insert(inner, self.name, value))

    def remove(self, text: str) -> Edited:
        """Take the member out, and what was made to hold it."""
        if text.replace("\r\n", "\n") == self._made:
            return Edited(None)
        if not self.holds(text):
            return Edited(text)
        bom, document = _open(text)
        if not self._is_ours(document):
            return Edited(text, _foreign(self.name))
        outer = document.root.find(self.within)
        assert outer is not None  # noqa: S101 - it holds our member
        inner = self._inner(document, outer)
        member = inner.find(self.name)
        assert member is not None  # noqa: S101 - the same
        made = member.start > inner.first and document.holds_only(inner, member)
        new = document.cut(document.root, outer) if made else document.cut(inner, member)
        return self._checked(bom, document, new)

    def holds(self, text: str) -> bool:
        """Tell whether there is a member of that name."""
        value = _open(text)[1].value.get(self.within)
        return isinstance(value, dict) and self.name in value

    def _is_ours(self, document: _Document) -> bool:
        return bool(document.value[self.within][self.name] == self.value)

    def _inner(self, document: _Document, outer: _Member) -> _Object:
        if document.strict[outer.value_at] != "{":
            raise PartError(f"its {self.within!r} is no object")
        return document.object(outer.value_at)

    def _new_object(self, lead: str) -> str:
        """Give an object with our member alone, laid out for a member with this white space."""
        entry = f'"{self.name}": {json.dumps(self.value)}'
        if not lead.startswith(("\r", "\n")):
            return f"{{ {entry} }}"
        return f"{{{lead}{lead.lstrip(chr(13) + chr(10))}{entry}{lead}}}"

    def _checked(self, bom: str, before: _Document, text: str) -> Edited:
        """Give the edited text; raise PartError unless exactly our member differs."""
        if self._others(before.value) != self._others(_Document(text).value):
            raise PartError("it is written in a way that cannot be edited safely")
        return Edited(bom + text)

    def _others(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Give a document without our member, and without an object that holds nothing else."""
        rest = dict(value)
        inner = {key: one for key, one in value.get(self.within, {}).items() if key != self.name}
        rest.pop(self.within, None)
        return {**rest, self.within: inner} if inner else rest


def _foreign(name: str) -> str:
    return f"its entry {name!r} is not as waggle writes it, and was left as it is"


def _open(text: str) -> tuple[str, _Document]:
    """Give the byte order mark, if there is one, and the document behind it."""
    bom = _BOM if text.startswith(_BOM) else ""
    return bom, _Document(text[len(bom) :])
