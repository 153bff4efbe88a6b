"""`mcp`: serve agents over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct, defstruct

from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, opt

_WHO = {
    "as": "who acts where a call does not say; default WAGGLE_AGENT, or the client's name",
    "model": "the agent's model; default WAGGLE_MODEL",
    "vendor": "the model's vendor; default WAGGLE_VENDOR",
}
# `as` is a word of Python's, so no class body can have it as a field.
McpRequest = defstruct(
    "McpRequest",
    [(name, Annotated[str | None, opt(words, "NAME")], None) for name, words in _WHO.items()],
    namespace={"__doc__": "Serve an agent."},
    module=__name__,
    frozen=True,
    kw_only=True,
)


class Served(Struct, frozen=True, kw_only=True):
    """The client has left, or a signal ended the server."""

    calls: int
    """How many calls and reads were answered."""


def _serve(ctx: Context, request: Struct) -> Served:
    from waggle.faces.mcp import running  # it loads the SDK
    from waggle.faces.mcp.calls import Calls, Who

    given = msgspec.structs.asdict(request)
    calls = Calls(ctx, Who(name=given["as"], model=given["model"], vendor=given["vendor"]))
    running.run(calls)
    return Served(calls=calls.count)


def _show(_result: Served) -> Iterator[str]:
    yield from ()  # standard output belongs to the protocol


MCP = Operation(
    name="mcp",
    request=McpRequest,
    run=_serve,
    show=_show,
    about="Serve an agent over MCP (stdio): the same operations as tools, the state as resources.",
    example="waggle mcp --as ann --model m1",
)
