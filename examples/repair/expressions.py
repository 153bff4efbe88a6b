"""Operators that change expressions: wrong operators, wrong values, wrong names.

The first two kinds are the sufficient operators of A. J. Offutt et al. ("An experimental
determination of sufficient mutant operators", TOSEM 1996); the third follows what K. Pan, S. Kim
and E. J. Whitehead counted in histories of real fixes ("Toward an understanding of bug fix
patterns", EMSE 2009): changed names, arguments, their order, and sibling calls.
"""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import TYPE_CHECKING

from mutate import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutate import Source, Span

COMPARED: dict[type[ast.cmpop], tuple[str, list[tuple[str, float]]]] = {
    ast.Lt: ("<", [("<=", 1.0), (">", 0.8), (">=", 0.5), ("!=", 0.2)]),
    ast.LtE: ("<=", [("<", 1.0), (">=", 0.8), (">", 0.5), ("==", 0.2)]),
    ast.Gt: (">", [(">=", 1.0), ("<", 0.8), ("<=", 0.5), ("!=", 0.2)]),
    ast.GtE: (">=", [(">", 1.0), ("<=", 0.8), ("<", 0.5), ("==", 0.2)]),
    ast.Eq: ("==", [("!=", 0.8), ("<=", 0.4), (">=", 0.4)]),
    ast.NotEq: ("!=", [("==", 0.8), ("<", 0.4), (">", 0.4)]),
    ast.In: ("in", [("not in", 0.8)]),
    ast.NotIn: ("not in", [("in", 0.8)]),
    ast.Is: ("is", [("is not", 0.8)]),
    ast.IsNot: ("is not", [("is", 0.8)]),
}

COMPUTED: dict[type[ast.operator], tuple[str, list[tuple[str, float]]]] = {
    ast.Add: ("+", [("-", 1.0), ("*", 0.4)]),
    ast.Sub: ("-", [("+", 1.0), ("//", 0.2)]),
    ast.Mult: ("*", [("+", 0.5), ("//", 0.5), ("**", 0.4), ("/", 0.4)]),
    ast.Div: ("/", [("//", 0.8), ("*", 0.6)]),
    ast.FloorDiv: ("//", [("/", 0.6), ("%", 0.6), ("*", 0.5)]),
    ast.Mod: ("%", [("//", 0.7), ("*", 0.2)]),
    ast.Pow: ("**", [("*", 0.7)]),
    ast.BitAnd: ("&", [("|", 0.8), ("^", 0.6)]),
    ast.BitOr: ("|", [("&", 0.8), ("^", 0.6)]),
    ast.BitXor: ("^", [("&", 0.8), ("|", 0.8)]),
    ast.LShift: ("<<", [(">>", 0.8)]),
    ast.RShift: (">>", [("<<", 0.8)]),
}

SIBLINGS = [
    {"min", "max"},
    {"any", "all"},
    {"ceil", "floor"},
    {"append", "extend", "appendleft", "add"},
    {"pop", "popleft"},
    {"startswith", "endswith"},
    {"strip", "lstrip", "rstrip"},
    {"find", "rfind"},
    {"index", "rindex"},
    {"upper", "lower"},
    {"ljust", "rjust"},
    {"split", "rsplit"},
    {"keys", "values", "items"},
    {"sorted", "reversed"},
    {"bisect_left", "bisect_right"},
    {"union", "intersection", "difference"},
]


def _change(weight: float, *spans: Span | None) -> Iterator[Change]:
    found = tuple(span for span in spans if span is not None)
    if len(found) == len(spans):
        yield Change(weight, found)


def _exchange(source: Source, weight: float, a: ast.expr, b: ast.expr) -> Change:
    return Change(weight, (source.put(a, source.of(b)), source.put(b, source.of(a))))


def comparison(source: Source, node: ast.AST) -> Iterator[Change]:
    """``<`` to ``<=``, ``==`` to ``!=``, ``in`` to ``not in``."""
    if isinstance(node, ast.Compare):
        for (left, right), op in zip(
            pairwise([node.left, *node.comparators]), node.ops, strict=True
        ):
            old, others = COMPARED[type(op)]
            for new, weight in others:
                yield from _change(weight, source.between(left, right, old, new))


def arithmetic(source: Source, node: ast.AST) -> Iterator[Change]:
    """``+`` to ``-``, ``//`` to ``%``, ``+=`` to ``-=``."""
    if isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        old, others = COMPUTED[type(node.op)]
        for new, weight in others:
            yield from _change(weight, source.between(node.left, node.right, old, new))
    if isinstance(node, ast.AugAssign) and type(node.op) in COMPUTED:
        old, others = COMPUTED[type(node.op)]
        for new, weight in [*others, ("", 0.3)]:
            span = source.between(node.target, node.value, old + "=", new + "=")
            yield from _change(weight, span)


def logic(source: Source, node: ast.AST) -> Iterator[Change]:
    """``and`` to ``or``, a clause or a ``not`` left out."""
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        gaps = [source.between(a, b, old, new) for a, b in pairwise(node.values)]
        yield from _change(1.0, *gaps)
        for dropped in node.values:
            kept = [source.of(value) for value in node.values if value is not dropped]
            yield Change(0.5, (source.put(node, f"({f' {old} '.join(kept)})"),))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield Change(0.8, (source.put(node, f"({source.of(node.operand)})"),))


def negation(source: Source, node: ast.AST) -> Iterator[Change]:
    """The opposite condition."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        conditions = [node.test]
    else:
        conditions = node.ifs if isinstance(node, ast.comprehension) else []
    for test in conditions:
        if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            yield Change(0.7, (source.put(test, f"not {source.of(test)}"),))
        elif not isinstance(test, ast.Compare) or len(test.ops) > 1:
            yield Change(0.4, (source.put(test, f"not ({source.of(test)})"),))


def literal(source: Source, node: ast.AST) -> Iterator[Change]:
    """A number one off, the other truth value, another text."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if any(isinstance(parent, ast.JoinedStr) for parent in source.inside(node)):
        return
    if isinstance(value, bool):
        yield Change(0.9, (source.put(node, str(not value)),))
    elif isinstance(value, int):
        for new, weight in [(value - 1, 1.0), (value + 1, 1.0), (0, 0.4), (-value, 0.3)]:
            yield Change(weight, (source.put(node, str(new)),))
    elif isinstance(value, float):
        for number in (value + 1, value - 1, value / 10, value * 10):
            yield Change(0.3, (source.put(node, repr(number)),))
    elif isinstance(value, str):
        for text in ("", " "):
            yield Change(0.4, (source.put(node, repr(text)),))


def off_by_one(source: Source, node: ast.AST) -> Iterator[Change]:
    """One more or less where it is a boundary: index, slice, range, comparison, size."""
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.Slice | ast.Tuple):
        return
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    weight = _boundary(source, node)
    if weight and isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        for more in (" + 1", " - 1"):
            yield Change(weight, (source.put(node, source.of(node) + more),))
    elif weight and isinstance(node, ast.BinOp | ast.IfExp):
        for more in (" + 1", " - 1"):
            yield Change(weight, (source.put(node, f"({source.of(node)}){more}"),))
    if isinstance(node, ast.BinOp):
        heavy = 0.8 if isinstance(node.right, ast.Constant) else 0.4
        yield Change(heavy, (source.put(node, source.of(node.left)),))
        yield Change(0.3, (source.put(node, source.of(node.right)),))


def _boundary(source: Source, node: ast.expr) -> float:
    parent = source.parents[node]
    if isinstance(parent, ast.Slice):
        return 0.9
    if isinstance(parent, ast.Subscript):
        return 0.9 if parent.slice is node else 0
    if isinstance(parent, ast.Call):
        name = getattr(parent.func, "id", "")
        return 0 if node is parent.func else 0.9 if name == "range" else 0.4
    if isinstance(parent, ast.Compare):
        ordered = any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in parent.ops)
        return 0.7 if ordered else 0.4
    numeric = ast.Return | ast.Assign | ast.AugAssign | ast.BinOp | ast.Tuple
    return 0.4 if isinstance(parent, numeric) and not isinstance(node, ast.Tuple) else 0


def extent(source: Source, node: ast.AST) -> Iterator[Change]:
    """The first or last element left out of, or let into, a slice, a range, a ``pop``."""
    if isinstance(node, ast.Slice) and isinstance(parent := source.parents[node], ast.Subscript):
        at = source.end(parent.value) + 1
        if node.lower is None:
            yield Change(0.6, ((at, at, "1"),))
        elif node.step is None:
            yield Change(0.5, (source.put(node.lower, ""),))
        if node.upper is None and node.step is None:
            yield Change(0.6, ((source.end(parent) - 1, source.end(parent) - 1, "-1"),))
        elif node.upper is not None:
            yield Change(0.5, (source.put(node.upper, ""),))
    if isinstance(node, ast.Call) and not node.keywords:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        inside = source.end(node.func) + 1
        if name == "range" and len(node.args) == 1:
            yield Change(0.7, ((inside, inside, "1, "),))
        if name == "pop" and not node.args:
            yield Change(0.7, ((inside, inside, "0"),))
        if name == "popitem" and not node.args:
            yield Change(0.7, ((inside, inside, "last=False"),))


def variable(source: Source, node: ast.AST) -> Iterator[Change]:
    """Another variable of the same function, or another attribute of the same object."""
    parent = source.parents.get(node)
    if isinstance(node, ast.Name):
        called = isinstance(parent, ast.Call) and parent.func is node
        names = source.names(source.function(node))
        if not called and (node.id in names or node.id == "self"):
            weight = 0.7 if isinstance(node.ctx, ast.Load) else 0.2
            for name in names:
                yield Change(weight, (source.put(node, name),))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        called = isinstance(parent, ast.Call) and parent.func is node
        for other in source.attributes[node.value.id]:
            new = f"{node.value.id}.{other}"
            yield Change(0.3 if called else 0.8, (source.put(node, new),))
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        for name in source.names(source.function(node)):
            yield Change(0.25, (source.put(node, name),))


def call(source: Source, node: ast.AST) -> Iterator[Change]:
    """A sibling of the function that is called: ``min`` for ``max``; or no call at all."""
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    end = source.end(node.func)
    for other in sorted({other for group in SIBLINGS if name in group for other in group}):
        yield Change(0.9, ((end - len(name), end, other),))
    if isinstance(node.func, ast.Name):
        defined = [n.name for n in source.tree.body if isinstance(n, ast.FunctionDef)]
        for other in defined if name in defined else []:
            yield Change(0.4, (source.put(node.func, other),))
        if len(node.args) == 1:
            yield Change(0.4, (source.put(node, source.of(node.args[0])),))


def order(source: Source, node: ast.AST) -> Iterator[Change]:
    """Two arguments, operands or elements in the other order."""
    if isinstance(node, ast.Call):
        for a, b in pairwise(node.args):
            yield _exchange(source, 0.9, a, b)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        for a, b in pairwise(node.elts):
            yield _exchange(source, 0.7, a, b)
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mult):
        weight = 0.3 if isinstance(node.op, ast.Add) else 0.6  # of texts and lists, + has an order
        yield _exchange(source, weight, node.left, node.right)
    if isinstance(node, ast.IfExp):
        yield _exchange(source, 0.5, node.body, node.orelse)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript):
        yield _exchange(source, 0.4, node.slice, node.value.slice)
