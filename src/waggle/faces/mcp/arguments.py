"""A tool's arguments: their type, made from the request's, and reading what a client sends.

Whatever a client sends becomes a request, or an error that says what was wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct, ValidationError

from waggle.base.errors import WaggleError
from waggle.faces.mcp.table import Arg, Tool
from waggle.faces.ops.registry import Operation, find

DEPTH_MAX = 4
"""How deep arguments may be nested; none of ours is deeper than a list of texts."""
VALUES_MAX = 10_000
"""How many values one call may carry."""
KEY = Arg("key", "repeats with one key do it once")
AS = Arg("as", "your name")


class Asked(Struct, frozen=True, kw_only=True):
    """A call as an operation takes it."""

    request: Struct
    key: str | None = None
    acting: str | None = None


@cache
def shape(tool: Tool) -> type[Struct]:
    """Give the type of a tool's arguments, `key` and `as` among them where it takes them."""
    operation = find(tool.operation)
    hints = get_type_hints(operation.request, include_extras=True)
    needed = {one.name for one in msgspec.structs.fields(operation.request) if one.required}
    fields = [_field(arg, hints[arg.field], needed=arg.field in needed) for arg in tool.takes]
    fields += [_field(arg, str, needed=False) for arg in common(tool, operation)]
    return msgspec.defstruct(tool.name, fields, forbid_unknown_fields=True, kw_only=True)


def common(tool: Tool, operation: Operation) -> tuple[Arg, ...]:
    """Give what a tool takes besides its own arguments: who acts, and for a write a key."""
    return (KEY, AS) if operation.write else (AS,) if tool.acts else ()


def _field(arg: Arg, hint: Any, *, needed: bool) -> tuple[str, Any, Any]:  # noqa: ANN401 - a type
    """Give name, type and default of an argument; a null says nothing, as leaving it out does."""
    base, meta = hint, Meta()
    if get_origin(hint) is Annotated:
        base, meta = get_args(hint)[0], get_args(hint)[-1]
    if NoneType in get_args(base):
        base = reduce(or_, (one for one in get_args(base) if one is not NoneType))
    # msgspec takes bounds on a number only, not on a number that may be absent.
    bounded: Any = Annotated[base, Meta(ge=meta.ge, le=meta.le)]
    words = Meta(description=arg.words or meta.description)
    if needed or arg.required:
        return arg.shown, Annotated[bounded, words], NODEFAULT
    return arg.shown, Annotated[bounded | None, words], None


def read(tool: Tool, arguments: Mapping[str, Any]) -> Asked:
    """Give the request that arguments make; raise `invalid` where they make none."""
    _refuse_odd(arguments)
    try:
        given = msgspec.structs.asdict(msgspec.convert(arguments, shape(tool)))
    except ValidationError as error:
        known = ", ".join(one.name for one in msgspec.structs.fields(shape(tool)))
        raise WaggleError(
            "invalid", f"{tool.name}: {error}", f"It takes: {known or 'no arguments'}."
        ) from error
    said = {arg.field: given[arg.shown] for arg in tool.takes if given[arg.shown] is not None}
    request = find(tool.operation).request(**said, **dict(tool.fixed))
    return Asked(request=request, key=given.get(KEY.field), acting=given.get(AS.field))


def _refuse_odd(arguments: Mapping[str, Any]) -> None:
    """Raise `invalid` for what no operation can take: a NUL, endless nesting, too much at all."""
    waiting: list[tuple[Any, int]] = [(arguments, 0)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > DEPTH_MAX or seen > VALUES_MAX:
            raise WaggleError(
                "invalid",
                f"the arguments are deeper than {DEPTH_MAX} or more than {VALUES_MAX} values",
                "Give the arguments that the tool's input schema names.",
            )
        if isinstance(value, str) and "\0" in value:
            raise WaggleError("invalid", "an argument holds a NUL character", "Leave it out.")
        if isinstance(value, Mapping):
            waiting += [(one, depth + 1) for pair in value.items() for one in pair]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]
