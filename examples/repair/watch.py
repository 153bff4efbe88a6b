"""What a test does while it runs: the lines it executes, or the calls it makes.

Loaded by the worker only for the few runs that are watched.  ``sys.settrace`` is slow and works in
every supported version; mutants are run without it.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    import pytest

REPR_CHARACTERS_MAX = 2000


class Lines:
    """The spectrum of each test: which lines of which source it executed.

    The first line of a function counts as executed when the function is entered, because its
    defaults are evaluated there, once, before any test runs.
    """

    def __init__(self, sources: list[str]) -> None:
        self.sources = frozenset(sources)
        self.hits: dict[CodeType, set[int]] = {}

    def _enter(self, frame: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401
        code = frame.f_code
        if code.co_filename not in self.sources:
            return None
        hits = self.hits.setdefault(code, {code.co_firstlineno})

        def line(frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401
            if event == "line":
                hits.add(frame.f_lineno)
            return line

        return line

    @contextlib.contextmanager
    def test(self) -> Iterator[None]:
        """Trace one test."""
        self.hits = {}
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def seen(self, _item: pytest.Item, _call: pytest.CallInfo[None]) -> dict[str, object]:
        """The lines executed, by file."""
        lines: dict[str, list[int]] = {}
        for code, hits in self.hits.items():
            lines.setdefault(code.co_filename, []).extend(sorted(hits))
        return {"lines": lines}


class Calls:
    """The calls that a test makes into the sources, and the statement at which it failed.

    Only the boaster wants to know.
    """

    def __init__(self, sources: list[str]) -> None:
        self.sources = frozenset(sources)
        self.calls: list[dict[str, object]] = []

    def _enter(self, frame: FrameType, _event: str, _arg: object) -> None:
        code, caller = frame.f_code, frame.f_back
        if code.co_filename not in self.sources or caller is None:
            return
        if caller.f_code.co_filename in self.sources:
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        arguments = {
            name: _state(frame.f_locals[name]) if name == "self" else repr(frame.f_locals[name])
            for name in names
        }
        self.calls.append(
            {
                "path": code.co_filename,
                "line": code.co_firstlineno,
                "arguments": arguments,
                "at": caller.f_lineno,
            }
        )

    @contextlib.contextmanager
    def test(self) -> Iterator[None]:
        """Trace the calls of one test."""
        self.calls = []
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def seen(self, item: pytest.Item, call: pytest.CallInfo[None]) -> dict[str, object]:
        """The calls, and of a failure the line in the test and what its expressions were worth."""
        if call.excinfo is None:
            return {}
        path = str(item.path)
        entries = [entry for entry in call.excinfo.traceback if str(entry.path) == path]
        if not entries:
            return {}
        frame, line = entries[-1].frame.raw, entries[-1].lineno + 1
        return {
            "file": path,
            "at": line,
            "calls": self.calls,
            "values": _values(Path(path).read_text(), frame),
        }


def _state(value: object) -> str:
    return repr(vars(value)) if hasattr(value, "__dict__") else repr(value)


def _values(source: str, frame: FrameType) -> dict[str, str]:
    """What each literal or plain name compared in the test is worth, by its text."""
    values = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        for side in (node.left, *node.comparators):
            if any(isinstance(part, ast.Call) for part in ast.walk(side)):
                continue
            text = ast.unparse(side)
            with contextlib.suppress(Exception):  # a name that this frame does not know
                value = eval(text, frame.f_globals, frame.f_locals)  # noqa: S307 - the test's own
                values[text] = repr(value)[:REPR_CHARACTERS_MAX]
    return values


def make(kind: str, sources: list[str]) -> Lines | Calls:
    """The watcher of that kind."""
    return Lines(sources) if kind == "lines" else Calls(sources)
