"""JSON Schemas (2020-12) of tools, derived from the types of arguments and results, kept short.

What msgspec derives is right but long: references are put in place, titles dropped, and a value
that may be absent is told by being optional. Output schemas require nothing, so that an error's
structured form fits them, too: clients made with the TypeScript SDK hold errors against them
(https://github.com/modelcontextprotocol/typescript-sdk/issues/1943).
"""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from waggle.faces.mcp.arguments import shape
from waggle.faces.mcp.table import Tool
from waggle.faces.ops.registry import find

Schema = dict[str, Any]
_KEPT = (
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minLength", "maxLength", "minItems", "maxItems",
)  # fmt: skip


def input_schema(tool: Tool) -> Schema:
    """Give the schema of a tool's arguments."""
    whole, definitions = _derive(shape(tool))
    properties = {
        name: {**_short(one, definitions, depth=1), "description": one["description"]}
        for name, one in whole["properties"].items()
    }
    made: Schema = {"type": "object", "properties": properties}
    return {**made, "required": whole["required"]} if whole.get("required") else made


def output_schema(tool: Tool) -> Schema:
    """Give the schema of a tool's structured result, `tool.depth` levels deep."""
    whole, definitions = _derive(get_type_hints(find(tool.operation).run)["return"])
    shown = {name: one for name, one in whole["properties"].items() if name not in tool.hidden}
    return _short({**whole, "properties": shown}, definitions, depth=tool.depth + 1)


def _derive(kind: type[Struct]) -> tuple[Schema, dict[str, Schema]]:
    (reference,), definitions = msgspec.json.schema_components([kind])
    return _resolved(reference, definitions), definitions


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    return definitions[name] if name else schema


def _short(schema: Schema, definitions: dict[str, Schema], depth: int) -> Schema:
    """Give a schema without what a reader can do without, `depth` levels of objects deep."""
    schema = _resolved(schema, definitions)
    if "anyOf" in schema:
        options = [one for one in schema["anyOf"] if one.get("type") != "null"]
        if len(options) > 1:
            return {"anyOf": [_short(one, definitions, depth) for one in options]}
        return _short(options[0], definitions, depth)
    made = {name: schema[name] for name in _KEPT if name in schema}
    if "pattern" in schema:
        made["pattern"] = ecma(schema["pattern"])
    if "items" in schema:
        made["items"] = _short(schema["items"], definitions, depth)
    if depth and schema.get("properties"):
        made["properties"] = {
            name: _short(one, definitions, depth - 1) for name, one in schema["properties"].items()
        }
    return made


def ecma(pattern: str) -> str:
    r"""Give a Python pattern as JSON Schema has it (ECMA 262): `\Z` and `\A` are `$` and `^`."""
    return pattern.replace(r"\Z", "$").replace(r"\A", "^")
