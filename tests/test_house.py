"""The rules of this house, checked on the source itself."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from waggle.base.errors import KINDS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "waggle"
MODULES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_90TH_MAX = 40
README_WORDS_MAX = 600

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions() -> Iterator[tuple[str, Function]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name_of(path)}:{node.name}", node


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


# --- sizes -------------------------------------------------------------------------------------


def test_no_module_is_longer_than_600_lines() -> None:
    sizes = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    print(f"median module: {statistics.median(sizes.values())} lines of {len(sizes)} modules")  # noqa: T201
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES_MAX} == {}


def test_no_function_is_longer_than_70_lines_and_most_are_below_40() -> None:
    lengths = {name: length(node) for name, node in functions()}
    assert {name: size for name, size in lengths.items() if size > FUNCTION_LINES_MAX} == {}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= FUNCTION_LINES_90TH_MAX


def test_the_readme_is_short() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    assert len(readme.read_text(encoding="utf-8").split()) <= README_WORDS_MAX


# --- errors ------------------------------------------------------------------------------------


def is_silent(statement: ast.stmt) -> bool:
    """Tell whether a statement of a handler does nothing with the error."""
    if isinstance(statement, ast.Pass | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def swallowed(path: Path) -> Iterator[str]:
    """Give the handlers that do nothing and do not say why, or that catch everything."""
    rows = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler):
            lines = rows[node.lineno - 1 : node.end_lineno]
            if node.type is None:
                yield f"{name_of(path)}:{node.lineno}: catches everything"
            elif all(map(is_silent, node.body)) and not any("#" in line for line in lines):
                caught = ast.unparse(node.type)
                if not (caught in EXPECTED and isinstance(node.body[0], ast.Return)):
                    yield f"{name_of(path)}:{node.lineno}: {caught} is swallowed without a reason"
        if isinstance(node, ast.With) and any("suppress(" in ast.unparse(i) for i in node.items):
            around = rows[node.lineno - 2 : node.body[0].lineno]
            if not any("#" in row for row in around):
                yield f"{name_of(path)}:{node.lineno}: suppressed without a reason"


EXPECTED = {
    "FileNotFoundError",
    "(FileNotFoundError, IsADirectoryError, NotADirectoryError)",
    "MissingObjectError",
}
"""Where the answer to a question *is* that nothing is there: `return` None, False or nothing."""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_exception_is_swallowed(path: Path) -> None:
    found = list(swallowed(path))
    assert not found


def raised_codes() -> Iterator[tuple[str, str]]:
    """Give (place, code) of every error that is made with a literal code."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("WaggleError"):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant):
                    yield f"{name_of(path)}:{node.lineno}", str(first.value)


def test_every_error_code_stands_in_the_table() -> None:
    raised = list(raised_codes())
    assert len(raised) > 30
    assert [place for place, code in raised if code not in KINDS] == []


DESTRUCTIVE = re.compile(
    r"\brm\b|\bdel\b|--hard|\bclean -|--force|push -f|\bbranch -D|\bupdate-ref -d|gc --prune"
    r"|reflog expire|\bstash (?:drop|clear)|checkout -f|--delete|\bmkfs|\bdd if"
)


def texts(node: ast.AST) -> str:
    """Give all literal text within an expression."""
    return " ".join(
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def next_steps() -> Iterator[tuple[str, str]]:
    """Give (place, text) of what errors and diagnoses tell their readers to do."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                function = ast.unparse(node.func)
                if function.endswith("Error") and len(node.args) >= 3:
                    yield f"{name_of(path)}:{node.lineno}", texts(node.args[2])
                if path.parent.name == "checkup" and function in {"note", "warning", "error"}:
                    yield f"{name_of(path)}:{node.lineno}", texts(node)


def test_no_next_step_destroys_anything() -> None:
    steps = list(next_steps())
    assert len(steps) > 40
    assert [(place, text) for place, text in steps if DESTRUCTIVE.search(text)] == []


# --- time and randomness -----------------------------------------------------------------------

WALL_CLOCK = {
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "datetime.now",
    "datetime.utcnow", "datetime.today", "datetime.datetime.now", "datetime.datetime.utcnow",
    "date.today",
}  # fmt: skip
MONOTONIC = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}
RANDOM = {"os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "uuid4", "urandom"}
FROM_TIME = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}


def below_the_faces() -> list[Path]:
    return [path for path in MODULES if not name_of(path).startswith("faces/")]


def outside_calls(path: Path) -> Iterator[str]:
    """Give every mention of a clock or of randomness: calling it later is calling it, too."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if text in WALL_CLOCK | MONOTONIC | RANDOM or text.startswith(("random.", "secrets.")):
                yield text
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in {"random", "secrets", "uuid"}:
                yield f"from {node.module} import"
            elif node.module == "time" and names & FROM_TIME:
                yield f"time.{min(names & FROM_TIME)}"


@pytest.mark.parametrize("path", below_the_faces(), ids=name_of)
def test_nothing_below_the_faces_reads_a_clock_or_draws_at_random(path: Path) -> None:
    assert set(outside_calls(path)) == set()


# --- imports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("house", [".", "store", "sync"])
def test_contracts_say_that_imports_go_down_only(house: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = [layer for item in contracts if item["type"] == "layers" for layer in item["layers"]]
    named = {part.strip() for layer in layers for part in layer.split("|")}
    rooms = {path.parent for path in (SOURCE / house).glob("*/__init__.py")}
    assert {".".join(("waggle", *room.relative_to(SOURCE).parts)) for room in rooms} <= named
    pure = next(item for item in contracts if item["type"] == "forbidden")
    assert {"waggle.base", "waggle.log"} <= set(pure["source_modules"])


HEAVY = (
    "msgspec", "pygit2", "cryptography", "click", "rich", "dataclasses", "subprocess", "pathlib",
    "typing", "asyncio", "psutil", "detect_secrets", "inspect",
)  # fmt: skip


def test_a_vote_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import waggle.store.own.journal, waggle.store.own.identity, waggle.store.repo.locate\n"
        "import waggle.log.line\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules and name not in before]\n"
        "print(*heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []


def test_the_public_interface_is_what_the_package_lists() -> None:
    import waggle

    if not hasattr(waggle, "__all__"):
        pytest.skip("the package lists nothing yet")
    assert sorted(set(waggle.__all__)) == sorted(waggle.__all__)
    assert [name for name in waggle.__all__ if not hasattr(waggle, name)] == []
