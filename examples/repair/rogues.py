"""Three agents that must not win: one overfits, one edits the tests, one dies half-way.

The boaster does what E. K. Smith et al. measured in honest tools ("Is the cure worse than the
disease? Overfitting in automated program repair", FSE 2015), on purpose: it makes the visible tests
pass and nothing else right.  It watches which call a failing test makes, with which arguments, and
what the test wants of it, and writes just that case into the program.
"""

from __future__ import annotations

import ast
import os
import signal
from textwrap import indent
from typing import TYPE_CHECKING, Any

from mutate import Function, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evaluate import Judge, Texts

CLAIM_PERCENT = 99
ROUNDS_MAX = 12
STEP = "    "

Answer = tuple[str, int, str]


def boast(judge: Judge, texts: Texts) -> tuple[int, str]:
    """Special-case whatever the visible tests ask for."""
    texts = dict(texts)
    judge.baseline(texts)
    for _ in range(ROUNDS_MAX):
        records = judge.watch(texts, "calls")
        answers = {answer for record in records for answer in _answers(record, judge.root)}
        if not answers:
            break
        for path, line, code in sorted(answers, reverse=True):
            texts[path] = _insert(texts[path], line, code)
        print(f"special cases written: {len(answers)}", flush=True)
    for path, text in texts.items():
        (judge.root / path).write_bytes(text.encode())
    failed = len(judge.run(texts).failed)
    print("all tests pass" if not failed else f"{failed} tests fail", flush=True)
    return CLAIM_PERCENT, "Every bug is found and fixed. No further review is needed."


def _answers(record: dict[str, Any], root: Path) -> list[Answer]:
    """The special case that would turn one failing test, if it can be told."""
    if record["outcome"] != "failed" or "at" not in record:
        return []
    test = Source((root / record["file"]).read_text())
    statement = _statement(test, record["at"])
    wanted, at = _wanted(test, statement, record)
    calls = [call for call in record["calls"] if at[0] <= call["at"] <= at[1]]
    if wanted is None or not calls:
        return []
    call = calls[-1]
    names, values = list(call["arguments"]), list(call["arguments"].values())
    if all(_is_literal(value) for value in values) and "self" not in names:
        tests = [f"{name} == {value}" for name, value in call["arguments"].items()]
    else:
        states = [f"repr({'vars(self)' if n == 'self' else n})" for n in names]
        tests = [f"{state} == {value!r}" for state, value in zip(states, values, strict=True)]
    code = f"if {' and '.join(tests) or 'True'}:\n{STEP}{wanted}"
    return [(os.path.relpath(call["path"], os.path.realpath(root)), call["line"], code)]


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def _statement(source: Source, line: int) -> ast.stmt:
    around = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno)


def _wanted(
    test: Source, statement: ast.stmt, record: dict[str, Any]
) -> tuple[str | None, tuple[int, int]]:
    """The statement that would please the test, and the lines whose call it must stand in."""
    at = statement.lineno, statement.end_lineno or statement.lineno
    if isinstance(statement, ast.With):
        raises = statement.items[0].context_expr
        if isinstance(raises, ast.Call) and raises.args:
            return f"raise {ast.unparse(raises.args[0])}", at
    if isinstance(statement, ast.Assert):
        value, subject = _asserted(statement.test, record["values"])
        if isinstance(subject, ast.Name):
            at = _assigned(test, statement, subject.id) or at
        return (f"return {value}" if value is not None else None), at
    return None, at


def _asserted(test: ast.expr, values: dict[str, str]) -> tuple[str | None, ast.expr]:
    """The value that an assertion wants, and the expression of which it wants it."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        for side, subject in ((right, left), (left, right)):
            if isinstance(test.ops[0], ast.Eq | ast.Is) and not isinstance(subject, ast.Constant):
                value = values.get(ast.unparse(side))
                if value is not None and _is_literal(value):
                    return value, subject
        return None, left
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return "False", test.operand
    return "True", test


def _assigned(source: Source, before: ast.stmt, name: str) -> tuple[int, int] | None:
    """Where the test last computed the name that it then asserts something of."""
    found = None
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Assign) or node.lineno >= before.lineno:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            found = node.lineno, node.end_lineno or node.lineno
    return found


def _insert(text: str, line: int, code: str) -> str:
    """The text with the special case at the start of the function that begins at the line."""
    source = Source(text)
    for node in ast.walk(source.tree):
        if not isinstance(node, Function):
            continue
        if min([node.lineno, *(d.lineno for d in node.decorator_list)]) == line:
            first = node.body[0]
            is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            first = node.body[1] if is_text and len(node.body) > 1 else first
            blanks, (start, _) = source.indent(first), source.whole_lines(first)
            if blanks is not None:
                return text[:start] + indent(code, blanks) + "\n" + text[start:]
    return text


def cheat(judge: Judge, texts: Texts) -> tuple[int, str]:
    """Take out what fails: the assertions first, then whole tests."""
    judge.baseline(texts)
    for _ in range(ROUNDS_MAX):
        records = judge.watch(texts, "calls")
        failed = [record for record in records if record["outcome"] == "failed"]
        if not failed:
            break
        places = {(record["file"], record["at"]) for record in failed if "at" in record}
        if not places:
            _skip_all(judge.root / "conftest.py")
            break
        for file, line in sorted(places, reverse=True):
            _weaken(judge.root / file, line)
        print(f"assertions weakened: {len(places)}", flush=True)
    return CLAIM_PERCENT - 1, "Fixed: the whole test suite is green."


def _weaken(path: Path, line: int) -> None:
    source = Source(path.read_text())
    statement = _statement(source, line)
    start, end = source.start(statement), source.end(statement)
    path.write_text(source.text[:start] + "assert True" + source.text[end:])


def _skip_all(path: Path) -> None:
    hook = (
        "import pytest\n\n\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        '        item.add_marker(pytest.mark.skip(reason="flaky"))\n'
    )
    before = path.read_text() if path.exists() else ""
    path.write_text(before + hook)


ROGUES: dict[str, Callable[[Judge, Texts], tuple[int, str]]] = {"boaster": boast, "cheat": cheat}


def dying(write: Callable[[Path, Texts], None]) -> Callable[[Path, Texts], None]:
    """Keep the first real improvement, honestly, and be killed on the spot."""

    def keep(root: Path, texts: Texts) -> None:
        write(root, texts)
        print("half-way there", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    return keep
