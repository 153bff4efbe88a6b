"""A part that is one member of a JSON object, such as `mcpServers.waggle` in `.mcp.json`.

How a member is laid out tells later what was there before it came, so that nothing has to be
remembered elsewhere: a file that was made here starts with a line that holds the brace alone; an
object that was made here has white space after its brace; an empty object that was the user's
has our member directly after the brace.

After each edit the text is read again, and the edit refused unless exactly our member differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from waggle.faces.onboarding.json_text import Document, Member, Object
from waggle.faces.onboarding.parts import Edited, PartError

_BOM = "\ufeff"


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

    def _is_ours(self, document: Document) -> bool:
        return bool(document.value[self.within][self.name] == self.value)

    def _inner(self, document: Document, outer: Member) -> Object:
        if document.strict[outer.value_at] != "{":
            raise PartError(f"its {self.within!r} is no object")
        return document.object(outer.value_at)

    def _new_object(self, lead: str) -> str:
        """Give an object with our member alone, laid out for a member with this white space."""
        entry = f'"{self.name}": {json.dumps(self.value)}'
        if not lead.startswith(("\r", "\n")):
            return f"{{ {entry} }}"
        return f"{{{lead}{lead.lstrip(chr(13) + chr(10))}{entry}{lead}}}"

    def _checked(self, bom: str, before: Document, text: str) -> Edited:
        """Give the edited text; raise PartError unless exactly our member differs."""
        if self._others(before.value) != self._others(Document(text).value):
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


def _open(text: str) -> tuple[str, Document]:
    """Give the byte order mark, if there is one, and the document behind it."""
    bom = _BOM if text.startswith(_BOM) else ""
    return bom, Document(text[len(bom) :])
