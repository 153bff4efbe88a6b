"""Operations are declared once: documented, with an example, and every face can serve them."""

from __future__ import annotations

import shlex
from typing import get_args, get_type_hints

import click
import msgspec
import pytest
from msgspec import Meta, Struct
from tests.race.field import Field

from waggle.faces import machine
from waggle.faces.cli import build
from waggle.faces.cli.main import Operations, main
from waggle.faces.ops import registry
from waggle.faces.ops.context import Context

ISSUE = (
    "init", "race", "task add", "tasks", "publish", "vote", "check", "choose", "ruling", "show",
    "diff", "apply", "checkpoint", "log", "verify", "rebuild", "digest", "doctor", "seal",
)  # fmt: skip
WRITES = (
    "race", "task add", "task edit", "task take", "task release", "task done", "task remove",
    "publish", "vote", "check", "ruling", "checkpoint", "release",
    "members trust", "members distrust", "members admit", "join", "beat", "leave",
    "fact add", "fact retract", "fact import", "import",
)  # fmt: skip


def test_every_promised_command_is_there() -> None:
    assert set(ISSUE) <= set(registry.NAMES)


def test_every_write_takes_a_key_and_no_read_does() -> None:
    for name in registry.NAMES:
        flags = {flag for one in build.parameters(registry.find(name)) for flag in one.opts}
        assert "--json" in flags, name
        assert ("--key" in flags) == (name in WRITES), name


@pytest.mark.parametrize("name", registry.NAMES)
def test_an_operation_is_documented(name: str) -> None:
    operation = registry.find(name)
    assert operation.name == name
    assert operation.about.endswith(".")
    assert operation.example.startswith(f"waggle {name}")
    assert operation.request.__doc__
    hints = get_type_hints(operation.request, include_extras=True)
    for field in msgspec.structs.fields(operation.request):
        metas = [one for one in get_args(hints[field.name]) if isinstance(one, Meta)]
        assert metas, f"{name}: {field.name} is not documented"
        assert metas[-1].description, f"{name}: {field.name} is not documented"


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_number_has_two_bounds(name: str) -> None:
    hints = get_type_hints(registry.find(name).request, include_extras=True)
    for field, hint in hints.items():
        base = get_args(hint)[0]
        if {int, float}.intersection([base, *get_args(base)]):
            (meta,) = (one for one in get_args(hint) if isinstance(one, Meta))
            assert meta.ge is not None, f"{name}: {field} has no lower bound"
            assert meta.le is not None, f"{name}: {field} has no upper bound"
            assert meta.le <= registry.NUMBER_MAX


@pytest.mark.parametrize("words", [("log", "--limit"), ("fact", "conflicts", "--limit")])
def test_a_number_that_no_table_holds_is_refused(field: Field, words: tuple[str, ...]) -> None:
    field.json("init")
    ran = field.waggle(*words, str(2**63))
    assert ran.status == 2
    assert "out of bounds" in ran.err


@pytest.mark.parametrize("name", registry.NAMES)
def test_an_example_is_a_command_that_the_parser_takes(name: str) -> None:
    operation = registry.find(name)
    words = shlex.split(operation.example)[1 + len(name.split()) :]
    build.command(operation).make_context(name, words)


@pytest.mark.parametrize("name", registry.NAMES)
def test_help_shows_the_example_and_every_option(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert registry.find(name).example in shown
    for parameter in build.parameters(registry.find(name)):
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in shown
            assert parameter.help, f"{name} {parameter.opts[0]}"


def test_the_first_page_lists_commands_and_exit_statuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in registry.NAMES:
        assert name.split()[0] in shown
    for status in ("0", "2", "3", "5", "6", "7", "130"):
        assert f"\n  {status} " in shown
    assert main(["task", "--help"]) == 0
    assert "add" in capsys.readouterr().out


def test_commands_stand_in_the_order_of_the_registry() -> None:
    group = Operations("waggle", "", "")
    listed = group.list_commands(click.Context(group))
    assert listed[:3] == ["init", "race", "demo"]
    assert "task" in listed
    assert len(listed) == len(set(listed))


def test_an_operation_runs_without_any_face(field: Field) -> None:
    """The same functions, without a terminal or a process: results are structs that serialise."""
    context = Context(cwd=str(field.top), environ=field.env, outside=machine.outside())
    try:
        for name in ("init", "tasks", "seal", "log", "digest", "verify", "rebuild", "held"):
            operation = registry.find(name)
            result = operation.run(context, operation.request())
            assert isinstance(result, Struct), name
            shown = msgspec.json.decode(registry.to_json(result))
            assert shown["ok"] is True, name
            assert set(shown) - {"ok"} == set(result.__struct_fields__), name
            assert all(isinstance(row, str) for row in operation.show(result)), name
            assert operation.status(result) == 0, name
    finally:
        context.close()
