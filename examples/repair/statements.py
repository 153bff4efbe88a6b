"""Operators that change statements: deleted, moved, returned, guarded, and the traps of Python.

Insertions are taken from the program itself where possible.  That a program already holds what its
repair needs is the plastic surgery hypothesis, on which GenProg rests (C. Le Goues et al., TSE
2012) and which E. T. Barr et al. measured (FSE 2014).  Guards follow the templates of D. Kim et al.
("Automatic patch generation learned from human-written patches", ICSE 2013).
"""

from __future__ import annotations

import ast
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from mutate import Change, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutate import Source

STEP = "    "
ENDINGS = ast.Return | ast.Raise | ast.Continue | ast.Break
COMPOUND = ast.If | ast.For | ast.While | ast.With | ast.Try


def _siblings(source: Source, node: ast.stmt) -> list[ast.stmt]:
    """The block that the statement stands in."""
    parent = source.parents[node]
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        if isinstance(block, list) and node in block:
            return block
    return [node]


def _insert(source: Source, before: ast.stmt, text: str, weight: float) -> Iterator[Change]:
    blanks = source.indent(before)
    if blanks is not None and not isinstance(before, ast.ClassDef | Function):
        start, _ = source.whole_lines(before)
        yield Change(weight, ((start, start, indent(text, blanks) + "\n"),))


def delete(source: Source, node: ast.AST) -> Iterator[Change]:
    """The statement left out, or its body without its condition."""
    if not isinstance(node, ast.stmt) or isinstance(node, Function | ast.ClassDef | ast.Import):
        return
    if source.function(node) is None or source.indent(node) is None:
        return
    if len(_siblings(source, node)) > 1:
        yield Change(0.6, ((*source.whole_lines(node), ""),))
    elif not isinstance(node, ast.Pass):
        yield Change(0.4, (source.put(node, "pass"),))
    if isinstance(node, ast.If) and not node.orelse and source.indent(node.body[0]) is not None:
        body = source.text[source.whole_lines(node.body[0])[0] : source.whole_lines(node)[1]]
        bare = indent(dedent(body), source.indent(node) or "")
        yield Change(0.3, ((*source.whole_lines(node), bare),))


def move(source: Source, node: ast.AST) -> Iterator[Change]:
    """The statement after the next one, behind the block it ends, or into the block before it."""
    if not isinstance(node, ast.stmt) or isinstance(node, Function | ast.ClassDef):
        return
    blanks, block = source.indent(node), _siblings(source, node)
    if blanks is None or source.function(node) is None:
        return
    start, end = source.whole_lines(node)
    own = source.text[start:end]
    place = block.index(node)
    if place + 1 < len(block) and source.indent(block[place + 1]) is not None:
        last = source.whole_lines(block[place + 1])[1]
        yield Change(0.7, ((start, end, ""), (last, last, own)))
    parent = source.parents[node]
    if place and node is block[-1] and isinstance(parent, COMPOUND):
        last = source.whole_lines(parent)[1]
        outer = indent(dedent(own), source.indent(parent) or "")
        yield Change(0.6, ((start, end, ""), (last, last, outer)))
    if place and isinstance(block[place - 1], COMPOUND):
        yield Change(0.5, ((start, end, indent(own, STEP)),))


def duplicate(source: Source, node: ast.AST) -> Iterator[Change]:
    """A simple statement of the same function repeated before this one."""
    if not isinstance(node, ast.stmt) or isinstance(node, Function | ast.ClassDef):
        return
    function = source.function(node)
    if function is None:
        return
    for other in ast.walk(function):
        simple = isinstance(other, ast.Assign | ast.AugAssign | ast.Expr | ENDINGS)
        if simple and isinstance(other, ast.stmt) and other is not node:
            if isinstance(other, ast.Expr) and not isinstance(other.value, ast.Call):
                continue
            yield from _insert(source, node, source.of(other), 0.2)


def returning(source: Source, node: ast.AST) -> Iterator[Change]:
    """A value computed and not returned."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        at = source.start(node)
        if source.function(node) is not None:
            yield Change(0.6, ((at, at, "return "),))
    if isinstance(node, Function) and not isinstance(node.body[-1], ast.Return | ast.Raise):
        end = source.whole_lines(node.body[-1])[1]
        blanks = source.indent(node.body[-1])
        for name in source.names(node) if blanks is not None else []:
            yield Change(0.5, ((end, end, f"{blanks}return {name}\n"),))


def guard(source: Source, node: ast.AST) -> Iterator[Change]:
    """An edge case handled before it does harm: nothing there, nothing to do."""
    function = source.function(node)
    if function is None or not isinstance(node, ast.stmt):
        return
    if node is _first(function.body):
        arguments = [a.arg for a in function.args.args if a.arg not in {"self", "cls"}]
        values = _plain_returns(function)
        for name in arguments:
            for value in [*values, "None", "0", "[]", "True", "False", "''", name]:
                weight = 0.45 if value in values else 0.3
                text = f"if not {name}:\n{STEP}return {value}"
                yield from _insert(source, node, text, weight)
            for raised in _raised(source):
                for wrong in (f"{name} <= 0", f"{name} < 0", f"not {name}"):
                    yield from _insert(source, node, f"if {wrong}:\n{STEP}raise {raised}", 0.3)
    parent = source.parents[node]
    if isinstance(parent, ast.For | ast.While) and node is parent.body[0]:
        for name in source.names(function):
            for wrong in (f"not {name}", f"{name} is None"):
                yield from _insert(source, node, f"if {wrong}:\n{STEP}continue", 0.25)


def unless(source: Source, node: ast.AST) -> Iterator[Change]:
    """A statement that should run only if there is something to run it on."""
    if not isinstance(node, ast.Expr | ast.Assign | ast.AugAssign):
        return
    blanks, function = source.indent(node), source.function(node)
    if blanks is None or function is None:
        return
    known = source.names(function)
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in known]
    start, end = source.whole_lines(node)
    body = indent(source.text[start:end], STEP)
    for name in dict.fromkeys(used):
        for test in (name, f"{name} is not None"):
            yield Change(0.35, ((start, end, f"{blanks}if {test}:\n{body}"),))


def _first(body: list[ast.stmt]) -> ast.stmt:
    head = body[0]
    documented = isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant)
    return body[1] if documented and len(body) > 1 else head


def _plain_returns(function: Function) -> list[str]:
    """The values that the function returns in some case without computing them."""
    found = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
    plain = [v for v in found if not any(isinstance(p, ast.Name) for p in ast.walk(v))]
    return list(dict.fromkeys(ast.unparse(value) for value in plain))


def _raised(source: Source) -> list[str]:
    """The kinds of error that the file raises anywhere."""
    raised = [n.exc for n in ast.walk(source.tree) if isinstance(n, ast.Raise) and n.exc]
    names = [getattr(getattr(e, "func", e), "id", "") for e in raised]
    return list(dict.fromkeys(name for name in names if name))


def borrow(source: Source, node: ast.AST) -> Iterator[Change]:
    """A guard that another function of the file has and this one lacks."""
    function = source.function(node)
    if function is None or node is not _first(function.body) or not isinstance(node, ast.stmt):
        return
    known = {"self", *source.names(function)}
    for other in ast.walk(source.tree):
        if not isinstance(other, ast.If) or other.orelse or source.function(other) is function:
            continue
        if len(other.body) != 1 or not isinstance(other.body[0], ast.Return | ast.Raise):
            continue
        local = source.names(source.function(other))
        used = {n.id for n in ast.walk(other) if isinstance(n, ast.Name) and n.id in local}
        if used <= known:
            text = dedent((source.indent(other) or "") + source.of(other))
            yield from _insert(source, node, text, 0.5)


def condition(source: Source, node: ast.AST) -> Iterator[Change]:
    """A condition that forgot a case: also, or unless, a variable is empty."""
    if not isinstance(node, ast.If | ast.While):
        return
    test = source.of(node.test)
    test = f"({test})" if isinstance(node.test, ast.BoolOp) else test
    for name in source.names(source.function(node)):
        for new in (f"{name} and {test}", f"not {name} or {test}", f"{test} or {name}"):
            yield Change(0.2, (source.put(node.test, new),))


def leaving(source: Source, node: ast.AST) -> Iterator[Change]:
    """``break`` for ``continue``, ``while`` for ``if``, ``if`` for ``elif``."""
    if isinstance(node, ast.Break | ast.Continue):
        new = "continue" if isinstance(node, ast.Break) else "break"
        yield Change(0.7, (source.put(node, new),))
    if isinstance(node, ast.If | ast.While):
        at = source.start(node)
        for old, new in (("if", "while"), ("while", "if"), ("elif", "if")):
            if source.text[at : at + len(old) + 1] == old + " ":
                yield Change(0.4, ((at, at + len(old), new),))


def default(source: Source, node: ast.AST) -> Iterator[Change]:
    """A mutable default, which all calls share, made afresh for each call."""
    if not isinstance(node, Function):
        return
    named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
    pairs = list(zip(named, node.args.defaults, strict=True))
    pairs += [(a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d]
    first = _first(node.body)
    for argument, value in pairs:
        if isinstance(value, ast.List | ast.Dict | ast.Set | ast.Call):
            name = argument.arg
            text = f"if {name} is None:\n{STEP}{name} = {source.of(value)}"
            for inserted in _insert(source, first, text, 1.0):
                yield Change(1.0, (source.put(value, "None"), *inserted.spans))


def copied(source: Source, node: ast.AST) -> Iterator[Change]:
    """A copy where the same object was handed on: what is returned, kept or appended."""
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    parent = source.parents[node]
    kept = isinstance(parent, ast.Return | ast.Assign)
    if isinstance(parent, ast.Call) and node in parent.args:
        kept = getattr(parent.func, "attr", "") in {"append", "add"}
    if kept:
        for kind in ("list", "dict"):
            yield Change(0.4, (source.put(node, f"{kind}({source.of(node)})"),))
