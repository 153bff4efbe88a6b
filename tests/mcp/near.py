"""The server's calls within this process: what many calls are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.race.field import Field

from waggle.faces import machine
from waggle.faces.mcp.calls import Answer, Calls, Who
from waggle.faces.ops.context import Context


class Near:
    """Calls on a field's store."""

    def __init__(self, field: Field, who: Who | None = None) -> None:
        self.field = field
        self.context = Context(cwd=str(field.top), environ=field.env, outside=machine.outside())
        self.calls = Calls(self.context, who)

    def close(self) -> None:
        """Close the store."""
        self.calls.close()

    def answer(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool with whatever arguments."""
        return self.calls.tool(tool, arguments, "client")

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, which must succeed; `as_` is `as`."""
        named = {name.rstrip("_"): value for name, value in arguments.items()}
        answer = self.answer(tool, named)
        assert answer.error is None, answer
        return answer.fields

    def read(self, uri: str) -> Answer:
        """Read a resource."""
        return self.calls.resource(uri, "client")

    def refused(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, which must refuse, and give the error."""
        answer = self.answer(tool, arguments)
        assert answer.error is not None, answer
        error: dict[str, Any] = answer.fields["error"]
        return error
