"""Write docs/REFERENCE.md from the code: commands, errors, exit statuses, rules, limits.

Each fact is written once, in the code; a test holds the document against this program.

    python tools/reference.py > docs/REFERENCE.md
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from waggle.base import errors, limits
from waggle.choice.rules import DEFAULT, RULES
from waggle.faces.cli.build import parameters
from waggle.faces.ops import registry

_COMMANDS = """Every command takes `--json` and prints one object with `ok`; a race prints a line
for each event before it."""
_ERRORS = """An error says whether the operation happened, and the safe next step. The exit status
`10` of a race means that no candidate passed every test."""


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _table(*heading: str) -> Iterator[str]:
    yield _row(*heading)
    yield _row(*("---" for _ in heading))


def commands() -> Iterator[str]:
    """Give the commands with their options."""
    for name in registry.NAMES:
        operation = registry.find(name)
        yield f"### waggle {name}\n"
        yield f"{operation.about}\n"
        yield f"    {operation.example}\n"
        yield from _table("argument or option", "what it is")
        for parameter in parameters(operation):
            if isinstance(parameter, click.Option):
                value = "" if parameter.is_flag else f" {parameter.metavar or parameter.type.name}"
                many = " (may be repeated)" if parameter.multiple else ""
                yield _row(f"`{parameter.opts[0]}{value}`", f"{parameter.help}{many}")
            else:
                yield _row(f"`{parameter.metavar}`", _words(operation, parameter.name or ""))
        yield ""


def _words(operation: registry.Operation, field: str) -> str:
    from typing import get_args, get_type_hints

    meta = get_args(get_type_hints(operation.request, include_extras=True)[field])[-1]
    return str(meta.description)


def error_table() -> Iterator[str]:
    """Give the errors."""
    yield from _table("code", "exit status", "it happened", "whose fault", "meaning")
    for code, kind in errors.KINDS.items():
        happened = "no" if kind.definite else "maybe"
        yield _row(f"`{code}`", kind.status, happened, kind.fault, kind.meaning)


def rule_table() -> Iterator[str]:
    """Give the rules."""
    yield from _table("rule", "prefers", "can decide")
    for rule in RULES.values():
        name = f"{rule.name}({rule.takes})" if rule.takes else rule.name
        yield _row(f"`{name}`", rule.prefers, "yes" if rule.monotone else "no, it leads")


def limit_table() -> Iterator[str]:
    """Give the limits, with the words that stand under each in limits.py."""
    yield from _table("limit", "value", "of what")
    body = ast.parse(Path(limits.__file__).read_text(encoding="utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            words = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                words = str(after.value.value)
            yield _row(f"`{name}`", f"{getattr(limits, name):,}", words)


def reference() -> str:
    """Give the whole document."""
    parts = [
        "# Reference\n\nWritten by `python tools/reference.py` from the code; do not edit.\n",
        f"## Commands\n\n{_COMMANDS}\n",
        *commands(),
        f"## Errors\n\n{_ERRORS}\n",
        *error_table(),
        f"\n## Rules\n\nComposed with `>`; the default is `{DEFAULT}`.\n",
        *rule_table(),
        "\n## Limits\n",
        *limit_table(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
