"""The list of tools: few, short, well formed, and the same in the documentation."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest
from jsonschema import Draft202012Validator

from waggle.faces.mcp.schemas import ecma, input_schema, output_schema
from waggle.faces.mcp.server import tools
from waggle.faces.mcp.table import RESOURCES, TOOLS, TOOLS_MAX, TOOLS_TOKENS_MAX, Resource, Tool
from waggle.faces.ops.registry import find

ROOT = Path(__file__).parent.parent.parent


def names(tool: Tool | Resource) -> str:
    return tool.name


def test_the_list_is_short() -> None:
    assert len(TOOLS) <= TOOLS_MAX
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)


def test_the_list_costs_few_tokens() -> None:
    tokenizer = pytest.importorskip("bpe_openai", reason="bpe-openai, of the group dev, is missing")
    listed = [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools()]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    tokens = len(tokenizer.get_encoding("o200k_base").encode(text))
    print(f"{len(TOOLS)} tools: {tokens} tokens of o200k_base")  # noqa: T201
    assert tokens <= TOOLS_TOKENS_MAX


@pytest.mark.parametrize("tool", TOOLS, ids=names)
def test_schemas_are_json_schemas_of_objects_without_loose_ends(tool: Tool) -> None:
    for schema in (input_schema(tool), output_schema(tool)):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["properties"] or not tool.takes
        assert set(schema.get("required", ())) <= schema["properties"].keys()
        assert "$ref" not in json.dumps(schema)
        assert [one for one in patterns(schema) if not is_ecma(one)] == []


@pytest.mark.parametrize("tool", TOOLS, ids=names)
def test_every_tool_and_argument_is_described(tool: Tool) -> None:
    assert tool.about.endswith(".")
    for name, schema in input_schema(tool)["properties"].items():
        assert schema["description"], name


@pytest.mark.parametrize("tool", TOOLS, ids=names)
def test_a_write_takes_a_key_and_says_who_acts_and_a_read_says_that_it_is_one(tool: Tool) -> None:
    write = find(tool.operation).write
    (listed,) = [one for one in tools() if one.name == tool.name]
    assert ("key" in listed.input_schema["properties"]) == write
    assert ("as" in listed.input_schema["properties"]) == (write or tool.acts)
    assert listed.annotations is not None
    assert listed.annotations.read_only_hint is (None if write else True)
    assert listed.annotations.destructive_hint is (False if write else None)


@pytest.mark.parametrize("one", [*TOOLS, *RESOURCES], ids=names)
def test_what_is_fixed_and_hidden_is_there(one: Tool | Resource) -> None:
    operation = find(one.operation)
    result = get_type_hints(operation.run)["return"]
    fields = {field.name for field in msgspec.structs.fields(operation.request)}
    assert {name for name, _ in one.fixed} <= fields
    assert set(one.hidden) <= {field.name for field in msgspec.structs.fields(result)}


def test_a_pattern_of_python_becomes_one_of_ecma() -> None:
    assert ecma(r"\A[0-9a-f]{4,64}\Z") == "^[0-9a-f]{4,64}$"
    assert not is_ecma(r"x\Z")


def test_the_page_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("mcp_page", ROOT / "tools" / "mcp_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "MCP.md").read_text(encoding="utf-8")
    assert module.page() == written, "run `python tools/mcp_page.py > docs/MCP.md`"


def patterns(schema: object) -> Iterator[str]:
    """Give every pattern within a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for one in schema.values():
            yield from patterns(one)


def is_ecma(pattern: str) -> bool:
    """Tell whether a pattern has nothing that Python alone knows."""
    return not re.search(r"\\[AZz]|\(\?P", pattern)
