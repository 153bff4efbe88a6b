"""The MCP server: the protocol by the official SDK on standard input and output.

Clients of both eras are served, those that shake hands (`initialize`) and those that carry what
they are in every request (2026-07-28): the SDK sees to that. Schemas and results are ours, so its
low-level server is used
(https://github.com/modelcontextprotocol/python-sdk/blob/v2.3.0/docs/migration.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from itertools import count
from typing import Any, Protocol, Self

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from waggle import __version__
from waggle.agents.events import Event
from waggle.base.errors import WaggleError
from waggle.base.limits import NAME_CHARS_MAX
from waggle.faces.mcp.calls import Answer, Calls
from waggle.faces.mcp.desk import Desk
from waggle.faces.mcp.schemas import input_schema, output_schema
from waggle.faces.mcp.table import RESOURCES, TOOLS, Tool
from waggle.faces.ops.registry import find

INSTRUCTIONS = """\
waggle shares tasks, facts, candidates and votes with other agents through this git repository.
Usual course: join; tasks; task_take; work, checkpoint now and then; publish; look at candidates
and diff, vote on others' and check them; choose shows the winner; task_done. fact_get what is
known before you find it out, fact_add what others will need. Ids may be abbreviated as in git.
Give each write a `key` of its own and repeat it when you repeat the write: it is done once.
An error says what happened and the safe next step; a command `waggle X` in it is the tool X."""
_MIME = "application/json"


def tools() -> list[types.Tool]:
    """Give the whole list of tools, as clients get it."""
    return [_tool(tool) for tool in TOOLS]


@cache
def _tool(tool: Tool) -> types.Tool:
    operation = find(tool.operation)
    if operation.write:
        hints = types.ToolAnnotations(destructive_hint=False)
    else:
        hints = types.ToolAnnotations(read_only_hint=True)
    return types.Tool(
        name=tool.name,
        description=tool.about,
        input_schema=input_schema(tool),
        output_schema=output_schema(tool),
        annotations=hints,
    )


def build(desk: Desk, calls: Calls) -> Server[Any]:
    """Give a server that has its calls done at the desk."""

    async def list_tools(_context: object, _params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=await desk.ask(tools))

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        client, given = _client(context), params.arguments or {}
        listen = reporter(context)
        return _result(await desk.ask(lambda: calls.tool(params.name, given, client, listen)))

    async def list_resources(_context: object, _params: object) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=_resources())

    async def list_templates(
        _context: object, _params: object
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=_templates())

    async def read_resource(
        context: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        client = _client(context)
        answer = await desk.ask(lambda: calls.resource(params.uri, client))
        if answer.error is not None:
            raise _protocol_error(answer, answer.error)
        content = types.TextResourceContents(uri=params.uri, mime_type=_MIME, text=answer.text)
        return types.ReadResourceResult(contents=[content])

    return Server(
        "waggle",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


def _resources() -> list[types.Resource]:
    return [
        types.Resource(uri=one.uri, name=one.name, description=one.about, mime_type=_MIME)
        for one in RESOURCES
        if not one.is_template
    ]


def _templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template=one.uri, name=one.name, description=one.about, mime_type=_MIME
        )
        for one in RESOURCES
        if one.is_template
    ]


def _client(context: ServerRequestContext[Any]) -> str | None:
    """Give the client's name as an agent may have it; it is no error of the caller's if not."""
    params = context.session.client_params
    name = params.client_info.name if params else ""
    return "".join(char for char in name if char.isprintable())[:NAME_CHARS_MAX].strip() or None


def reporter(context: ServerRequestContext[Any]) -> Callable[[Event], None]:
    """Give who sends on how far a call is, from the store's thread, to a client that asked for it.

    The protocol wants numbers that rise; how many there will be nobody knows.
    """
    loop, steps = asyncio.get_running_loop(), count(1)

    def listen(event: Event) -> None:
        said = context.session.report_progress(next(steps), message=event.message)
        try:
            asyncio.run_coroutine_threadsafe(said, loop)
        except RuntimeError:  # the client has left, and the loop has ended; the call goes on
            said.close()

    return listen


def _result(answer: Answer) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=answer.text)],
        structured_content=answer.fields,
        is_error=answer.error is not None,
    )


def _protocol_error(answer: Answer, error: WaggleError) -> MCPError:
    """Give the error of a request that has no other place for one."""
    code = types.INVALID_PARAMS if error.kind.fault == "caller" else types.INTERNAL_ERROR
    return MCPError(code, answer.text, answer.fields["error"])


_Heard = SessionMessage | Exception


class _Source(Protocol):
    async def receive(self) -> _Heard: ...
    async def __anext__(self) -> _Heard: ...
    async def aclose(self) -> None: ...


class _Sink(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...


class _Readable:
    """What a client sends, without lines that are no message; those are answered here.

    The SDK drops them without a word, and a client that waits for an answer would wait for ever.
    """

    def __init__(self, source: _Source, sink: _Sink) -> None:
        self._source = source
        self._sink = sink

    async def receive(self) -> _Heard:
        return await self._next(self._source.receive)

    async def __anext__(self) -> _Heard:
        return await self._next(self._source.__anext__)

    async def _next(
        self, step: Callable[[], Awaitable[SessionMessage | Exception]]
    ) -> SessionMessage:
        while isinstance(item := await step(), Exception):
            error = types.ErrorData(code=types.PARSE_ERROR, message="this is no JSON-RPC message")
            answer = types.JSONRPCError(jsonrpc="2.0", id=None, error=error)
            await self._sink.send(SessionMessage(answer))
        return item

    async def aclose(self) -> None:
        await self._source.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def serve(desk: Desk, calls: Calls) -> None:
    """Serve the client on standard input and output until it closes them."""
    server = build(desk, calls)
    async with stdio_server() as (source, sink):
        readable = _Readable(source, sink)
        await server.run(readable, sink, server.create_initialization_options())
