"""An agent at a stock client: the official SDK's, with `waggle mcp` as a process behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from tests.race.field import PATIENCE_S, Field

Era = Literal["legacy", "auto"]
ERAS: tuple[Era, ...] = ("legacy", "auto")
"""A client that shakes hands, and one that speaks the protocol of 2026-07-28."""


class Agent:
    """A connected client, without its event loop."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal = portal
        self.client = client

    def result(self, tool: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Call a tool; the client itself holds what comes against the tool's output schema."""
        result = self._portal.call(self.client.call_tool, tool, dict(arguments))
        assert isinstance(result, types.CallToolResult)
        return result

    def watched(
        self, tool: str, **arguments: object
    ) -> list[tuple[float, float | None, str | None]]:
        """Call a tool, which must succeed, and give what was told of its progress meanwhile."""
        heard: list[tuple[float, float | None, str | None]] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, total, message))

        call = partial(self.client.call_tool, progress_callback=hear)
        result = self._portal.call(call, tool, _named(arguments))
        assert isinstance(result, types.CallToolResult)
        assert not result.is_error, result
        return heard

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, which must succeed; `as_` is `as`."""
        result = self.result(tool, _named(arguments))
        assert not result.is_error, result
        assert text(result) or tool == "diff", result
        found: dict[str, Any] = result.structured_content
        return found

    def refused(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool, which must refuse, and give the error."""
        result = self.result(tool, _named(arguments))
        assert result.is_error, result
        error: dict[str, Any] = result.structured_content["error"]
        assert error["code"] in text(result)
        assert error["next"] in text(result)
        assert "Traceback" not in text(result)
        return error

    def tools(self) -> list[types.Tool]:
        """List the tools."""
        return self._portal.call(self.client.list_tools).tools

    def read(self, uri: str) -> str:
        """Read a resource."""
        (content,) = self._portal.call(self.client.read_resource, uri).contents
        assert isinstance(content, types.TextResourceContents)
        return content.text

    def addresses(self) -> set[str]:
        """Give the addresses of all resources."""
        listed = self._portal.call(self.client.list_resources).resources
        templates = self._portal.call(self.client.list_resource_templates).resource_templates
        return {one.uri for one in listed} | {one.uri_template for one in templates}


def _named(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in arguments.items()}


def text(result: types.CallToolResult) -> str:
    """Give the text of a result."""
    return "\n".join(one.text for one in result.content if isinstance(one, types.TextContent))


def parameters(field: Field, *options: str, cwd: Path | None = None) -> StdioServerParameters:
    """Give how the server is started in a field."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "waggle", "mcp", *options],
        cwd=cwd or field.top,
        env={**field.env, "PYTHONUNBUFFERED": ""},
    )


@contextmanager
def agent(
    field: Field, *options: str, era: Era = "auto", name: str = "client", cwd: Path | None = None
) -> Iterator[Agent]:
    """Connect a client called `name`; what the server says on standard error must be nothing."""
    failure = None
    said = field.folder / f"stderr-{os.urandom(4).hex()}"
    with said.open("w+") as errors:
        transport = stdio_client(parameters(field, *options, cwd=cwd), errlog=errors)
        client = Client(
            transport,
            mode=era,
            client_info=types.Implementation(name=name, version="1"),
            read_timeout_seconds=PATIENCE_S,
            raise_exceptions=True,
        )
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(client) as connected,
        ):
            try:
                yield Agent(portal, connected)
            except Exception as error:  # noqa: BLE001 - raised again, out of the SDK's groups
                failure = error
    if failure is not None:
        failure.add_note(f"the server said: {said.read_text()}")
        raise failure
    assert not said.read_text()
