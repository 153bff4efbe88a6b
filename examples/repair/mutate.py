"""What can be changed: small edits of source text, found in the syntax tree.

An edit replaces only the characters that it must, at the places that the tree names, so that
comments and formatting around it stay as their author left them.  Unparsing a changed tree, as
most mutation tools do, would rewrite the whole file for one wrong ``<``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

Span = tuple[int, int, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Change:
    """Replacements in one file, and how likely such a change is to be a repair.

    Invariant: the spans do not overlap.
    """

    weight: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change at a place, by an operator."""

    path: str
    scope: str
    first: int
    last: int
    operator: str
    change: Change

    def apply(self, text: str) -> str:
        """The text after the edit."""
        for start, end, new in sorted(self.change.spans, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def __str__(self) -> str:
        return f"{self.operator} at {self.path}:{self.first}"


class Source:
    """A file's text and tree, with the questions that operators ask about them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._lines = text.split("\n")  # not splitlines: to Python, a form feed ends no line
        self._starts = [0]
        for line in self._lines:
            self._starts.append(min(self._starts[-1] + len(line) + 1, len(text)))
        self.parents = {
            child: parent
            for parent in ast.walk(self.tree)
            for child in ast.iter_child_nodes(parent)
        }

    def _offset(self, line: int, column: int) -> int:
        """Where a tree position is in the text: the tree counts bytes, Python counts characters."""
        if line > len(self._lines):
            return len(self.text)
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Where the node begins, without decorators."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where the node ends."""
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """The node's own text."""
        return self.text[self.start(node) : self.end(node)]

    def put(self, node: ast.expr | ast.stmt, new: str) -> Span:
        """Replace the node by this text."""
        return self.start(node), self.end(node), new

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Span | None:
        """Replace the operator that stands between two operands."""
        pattern = re.escape(old).replace(r"\ ", r"\s+")
        gap = self.end(left)
        found = re.search(pattern, self.text[gap : self.start(right)])
        return (gap + found.start(), gap + found.end(), new) if found else None

    def indent(self, node: ast.stmt) -> str | None:
        """The blanks before a statement, or nothing if it does not begin its line."""
        line = self._starts[node.lineno - 1]
        before = self.text[line : self.start(node)]
        return before if not before.strip() else None

    def whole_lines(self, node: ast.stmt) -> tuple[int, int]:
        """From the start of the statement's first line to the end of its last."""
        return self._starts[node.lineno - 1], self._starts[node.end_lineno or node.lineno]

    def inside(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node's parents, innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def function(self, node: ast.AST) -> Function | None:
        """The innermost function around the node."""
        return next((p for p in self.inside(node) if isinstance(p, Function)), None)

    def owner(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around the node."""
        return next((p for p in self.inside(node) if isinstance(p, ast.ClassDef)), None)

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement that the node is or belongs to."""
        if isinstance(node, ast.stmt):
            return node
        return next((p for p in self.inside(node) if isinstance(p, ast.stmt)), None)

    def names(self, function: Function | None) -> list[str]:
        """The names that a function binds, its arguments first."""
        if function is None:
            return []
        return self._names[function]

    @cached_property
    def _names(self) -> dict[Function, list[str]]:
        found = {}
        for function in ast.walk(self.tree):
            if isinstance(function, Function):
                inner = list(ast.walk(function))
                names = [node.arg for node in inner if isinstance(node, ast.arg)]
                names += [
                    node.id
                    for node in inner
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                ]
                found[function] = list(dict.fromkeys(n for n in names if n != "self"))
        return found

    @cached_property
    def attributes(self) -> dict[str, list[str]]:
        """The attributes that the file uses of each name, such as ``self``."""
        found: dict[str, list[str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used = found.setdefault(node.value.id, [])
                if node.attr not in used:
                    used.append(node.attr)
        return found


Operator = Callable[[Source, ast.AST], Iterator[Change]]


def edits(path: str, text: str, operators: dict[Operator, float]) -> Iterator[Edit]:
    """Every edit that these operators know for a file, weighted by the strategy as well."""
    source = Source(text)
    for node in ast.walk(source.tree):
        statement = source.statement(node)
        if statement is None or _is_docstring(statement):
            continue
        first, last = _lines(node, statement)
        around = source.function(node) or (statement if isinstance(statement, Function) else None)
        scope = f"{path}:{around.lineno}" if around is not None else path
        for operator, liking in operators.items():
            for change in operator(source, node):
                edit = Edit(
                    path=path,
                    scope=scope,
                    first=first,
                    last=last,
                    operator=operator.__name__,
                    change=Change(change.weight * liking, change.spans),
                )
                if edit.apply(text) != text:
                    yield edit


def _lines(node: ast.AST, statement: ast.stmt) -> tuple[int, int]:
    """The lines whose execution shows that the node may have run.

    A compound statement spans its whole body, so only its first line speaks for it.
    """
    if not isinstance(statement, Function | ast.ClassDef) and not hasattr(statement, "body"):
        return statement.lineno, statement.end_lineno or statement.lineno
    if isinstance(node, ast.expr):
        return node.lineno, node.end_lineno or node.lineno
    return statement.lineno, statement.lineno


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
