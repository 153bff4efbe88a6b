"""Calls of tools and reads of resources, on a store that stays open between them.

A process of the command line opens the store, does one thing and ends; a server keeps it open,
which makes a call about as cheap as what it does. So before each call it looks whether what it
holds open is still what lies on the disk: a store may be made, replaced, or rebuilt meanwhile.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from waggle.agents.events import Event
from waggle.base.errors import WaggleError
from waggle.faces.cli.output import visible
from waggle.faces.mcp import arguments
from waggle.faces.mcp.table import RESOURCES, TOOLS, Resource, Tool
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import find
from waggle.store.own.journal import JOURNAL_FILE
from waggle.store.space import Space
from waggle.store.views.view import VIEW_DIR

TEXT_CHARS_MAX = 20_000
"""The longest text in a result; the rest is cut, and said to be."""
ERROR_CHARS_MAX = 1_000
"""The longest message of an error: it may quote what was sent."""
RESULT_BYTES_MAX = 1024 * 1024
_TOOLS = {tool.name: tool for tool in TOOLS}


Listen = Callable[[Event], None]


def unheard(_event: Event) -> None:
    """Listen to nothing."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a call came to, in its two forms."""

    fields: dict[str, Any]
    text: str
    error: WaggleError | None = None


class Who(Struct, frozen=True, kw_only=True):
    """Who acts where a call does not say: what the server was started with."""

    name: str | None = None
    model: str | None = None
    vendor: str | None = None


class Call(Context):
    """One call: the server's context with the call's own key and agent, on the open space."""

    def __init__(
        self,
        server: Context,
        space: Space,
        who: Who,
        key: str | None = None,
        listen: Listen = unheard,
    ) -> None:
        self.__dict__.update(vars(server))
        self.listen = listen
        self.key = key
        self._acting = who.name
        self._model = who.model or self._model
        self._vendor = who.vendor or self._vendor
        self._space = space


class Calls:
    """Answers calls; use from one thread, and close when done."""

    def __init__(self, server: Context, who: Who | None = None) -> None:
        self._server = server
        self._who = who or Who()
        self._space: Space | None = None
        self._stamp: object = None
        self.count = 0
        """How many calls and reads were answered."""

    def close(self) -> None:
        """Close the store; what was acknowledged is durable already."""
        if self._space is not None:
            self._space.close()
            self._space = None

    def tool(
        self, name: str, given: Mapping[str, Any], client: str | None, listen: Listen = unheard
    ) -> Answer:
        """Call a tool; whatever goes wrong is an answer, too.

        `client` names who acts where neither the call, the server nor its environment does.
        `listen` is told how far long work is.
        """
        self.count += 1
        try:
            tool = _TOOLS[name]
        except KeyError:
            known = ", ".join(_TOOLS)
            return _refusal(WaggleError("usage", f"no tool {name!r}", f"There are: {known}."))
        try:
            return self._tool(tool, given, client, listen)
        except WaggleError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - a defect is told in the form of every error
            return self._defect(error)

    def _tool(
        self, tool: Tool, given: Mapping[str, Any], client: str | None, listen: Listen
    ) -> Answer:
        operation = find(tool.operation)
        asked = arguments.read(tool, given)
        acting = self._acting(client, asked.acting)
        call = Call(self._server, self._open(), acting, asked.key, listen)
        result = _hide(operation.run(call, asked.request), tool.hidden)
        text = _cut("\n".join(visible(row) for row in operation.show(result)))
        fields = _fields(result)
        # What a write did is told at any length: an error would say that it was not done.
        return Answer(fields=fields if operation.write else _bounded(fields), text=text)

    def _acting(self, client: str | None, said: str | None = None) -> Who:
        named = said or self._who.name or self._server.environ.get("WAGGLE_AGENT") or client
        return msgspec.structs.replace(self._who, name=named)

    def resource(self, uri: str, client: str | None) -> Answer:
        """Read a resource; whatever goes wrong is an answer, too."""
        self.count += 1
        try:
            resource, values = _resource(uri)
            operation = find(resource.operation)
            request = msgspec.convert({**values, **dict(resource.fixed)}, operation.request)
            call = Call(self._server, self._open(), self._acting(client))
            fields = _bounded(_fields(_hide(operation.run(call, request), resource.hidden)))
        except WaggleError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - a defect is told in the form of every error
            return self._defect(error)
        return Answer(fields=fields, text=msgspec.json.encode(fields).decode())

    def _defect(self, error: Exception) -> Answer:
        """Give the answer to a defect of ours; the next call begins with a store opened anew."""
        traceback.print_exception(error)
        self.close()
        what = f"{type(error).__name__}: {error}"
        return _refusal(
            WaggleError("internal", what, "Please report it with the server's standard error.")
        )

    def _open(self) -> Space:
        """Give the space as it lies on the disk now."""
        stamp = self._look()
        if self._space is None or stamp != self._stamp:
            self.close()
            self._space = self._server.open_space()
            _ = self._space.db  # makes the view where there is none: its file is looked at, too
            self._stamp = self._look()
        return self._space

    def _look(self) -> object:
        """Give what tells this store, its view and its settings from any other."""
        folder = self._server.repository.store_dir
        view = os.path.join(folder, VIEW_DIR, f"{self._space.name}.db") if self._space else ""
        return (
            _mark(os.path.join(folder, JOURNAL_FILE)),
            _mark(view),
            _mark(os.path.join(folder, "config.toml"), changes=True),
        )


def _resource(uri: str) -> tuple[Resource, dict[str, str]]:
    """Give the resource at an address and what the address says; raise `not_found`."""
    for resource in RESOURCES:
        before, _, field = resource.uri.rstrip("}").partition("{")
        if field and uri.startswith(before):
            return resource, {field: unquote(uri.removeprefix(before))}
        if uri == resource.uri:
            return resource, {}
    known = ", ".join(resource.uri for resource in RESOURCES)
    raise WaggleError("not_found", f"there is no resource {uri!r}", f"There are: {known}.")


def _mark(path: str, *, changes: bool = False) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    which = (found.st_dev, found.st_ino)
    return (*which, found.st_mtime_ns, found.st_size) if changes else which


def _hide(result: Struct, hidden: tuple[str, ...]) -> Struct:
    empty = {name: type(getattr(result, name))() for name in hidden}
    return msgspec.structs.replace(result, **empty)


def _fields(result: Struct) -> dict[str, Any]:
    """Give a result's structured form."""
    fields: dict[str, Any] = _plain(msgspec.to_builtins(result))
    return fields


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Give what was read back; raise `limit` where it is too long for an agent."""
    if len(msgspec.json.encode(fields)) > RESULT_BYTES_MAX:
        raise WaggleError(
            "limit",
            f"the result is longer than {RESULT_BYTES_MAX} bytes",
            "Ask for less: a limit, or one task or candidate by its id.",
        )
    return fields


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value without its nulls, which say nothing, and with long texts cut."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str, limit: int = TEXT_CHARS_MAX) -> str:
    more = len(text) - limit
    return text if more <= 0 else f"{text[:limit]}… ({more} more characters)"


def _refusal(error: WaggleError) -> Answer:
    fields = error.to_dict()
    fields["message"] = _cut(error.message, ERROR_CHARS_MAX)
    doubt = "" if error.kind.definite else " It may have happened."
    text = f"{error.code}: {fields['message']}.{doubt}\n{error.next_step}"
    return Answer(fields={"error": fields}, text=text, error=error)
