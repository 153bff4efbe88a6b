"""Whatever a client sends is answered with an error, and the server goes on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mcp.near import Near
from tests.mcp.wire import Wire
from tests.race.field import Field

from waggle.base.errors import KINDS
from waggle.faces.mcp.arguments import shape
from waggle.faces.mcp.table import TOOLS, Tool

LINES = {
    "no JSON": "hello",
    "half of it": '{"jsonrpc": "2.0", "id": 1, "meth',
    "a list": "[]",
    "no message": "{}",
    "a number": "7",
    "too deep to read": "[" * 100_000,
    "deep and whole": '{"jsonrpc":"2.0","id":9,"method":"ping","params":{"a":' + "[" * 5000
    + "]" * 5000 + "}}",
    "half a surrogate": '{"jsonrpc":"2.0","id":9,"method":"ping","params":{"a":"\\ud800"}}',
    "long": '"' + "x" * 3_000_000 + '"',
    "a control character": "\x00\x1b[2J",
}  # fmt: skip
REQUESTS: dict[str, tuple[str, object]] = {
    "an unknown method": ("tools/sing", {}),
    "no name": ("tools/call", {}),
    "a name that is no text": ("tools/call", {"name": 7}),
    "arguments that are a list": ("tools/call", {"name": "tasks", "arguments": [1]}),
    "arguments that are a text": ("tools/call", {"name": "tasks", "arguments": "{}"}),
    "an unknown resource": ("resources/read", {"uri": "waggle://nothing"}),
    "a resource of another kind": ("resources/read", {"uri": "file:///etc/passwd"}),
    "no such task": ("resources/read", {"uri": "waggle://task/abcd"}),
    "a climbing address": ("resources/read", {"uri": "waggle://task/../../x"}),
    "an unknown prompt": ("prompts/get", {"name": "x"}),
}
CALLS: dict[str, tuple[str, dict[str, object]]] = {
    "an unknown tool": ("sing", {}),
    "a tool's name with a NUL": ("tasks\0", {}),
    "an unknown argument": ("tasks", {"colour": "red"}),
    "a missing argument": ("vote", {"score": 3}),
    "a text for a number": ("vote", {"candidate": "abcd", "score": "high"}),
    "a number out of bounds": ("task_add", {"title": "x", "priority": 10}),
    "a number without end": ("vote", {"candidate": "abcd", "score": 10**400}),
    "no number at all": ("check", {"candidate": "abcd", "timeout": float("nan")}),
    "a NUL": ("task_add", {"title": "a\0b"}),
    "a text too long for an entry": ("task_add", {"title": "x", "prompt": "x" * 70_000}),
    "a huge text": ("fact_add", {"entity": "e", "attribute": "a", "value": "x" * 3_000_000}),
    "deep arguments": ("task_add", {"title": [[[[[["x"]]]]]]}),
    "a name that is none": ("task_add", {"title": "x", "as": "\n"}),
    "a key that is none": ("task_add", {"title": "x", "key": "k" * 300}),
    "an option for an id": ("task_show", {"task": "--help"}),
    "an option for a commit": ("publish", {"commit": "--output=x"}),
}


@pytest.fixture(autouse=True)
def task(field: Field) -> None:
    """Give the store one task."""
    field.json("task", "add", "the one")


def assert_unharmed(wire: Wire) -> None:
    """The server answers, holds what it held, ends well, and had nothing to complain of."""
    assert [one["title"] for one in wire.call("tasks")["tasks"]] == ["the one"]
    assert wire.leave() == (0, "", "")


def test_lines_that_are_no_message_are_answered_as_such(wire: Wire) -> None:
    for what, line in LINES.items():
        wire.send(line)
        answer = wire.receive()
        assert answer["error"]["code"] in {-32700, -32602}, what
    assert_unharmed(wire)


def test_requests_that_make_no_sense_are_errors_of_the_protocol(wire: Wire) -> None:
    for what, (method, params) in REQUESTS.items():
        answer = wire.ask(method, params)
        assert answer["error"]["message"], what
        assert "Traceback" not in json.dumps(answer), what
    assert_unharmed(wire)


def test_calls_that_make_no_sense_are_results_that_say_what_to_do(wire: Wire) -> None:
    for what, (tool, arguments) in CALLS.items():
        result = wire.ask("tools/call", {"name": tool, "arguments": arguments})["result"]
        assert result["isError"] is True, what
        error = result["structuredContent"]["error"]
        assert KINDS[error["code"]].fault == "caller", (what, error)
        assert error["next"] in result["content"][0]["text"], what
    assert_unharmed(wire)


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
LIKELY = st.sampled_from(
    ["", " ", "\0", "all", "none", "0000", "../x", "--help", "HEAD", "🐝", "x" * 70_000, -1, 0, 101,
     2**63, 1e308, float("nan"), float("inf"), [], [""], ["0000"], ["\n"] * 20]
)  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_arguments_make_a_defect(near: Near, tool: Tool) -> None:
    names = st.sampled_from(shape(tool).__struct_fields__ or ("x",)) | st.text(max_size=5)

    @given(st.dictionaries(names, LIKELY | odd, max_size=6))
    def hold(arguments: dict[str, object]) -> None:
        answer = near.answer(tool.name, arguments)
        assert answer.error is None or answer.error.code not in {"internal", "in_doubt"}, answer
        assert json.loads(json.dumps(answer.fields)) == answer.fields

    hold()
    assert near.call("task_add", title="still here")["task"]
