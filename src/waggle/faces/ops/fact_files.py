"""`fact import` and `fact export`: facts as lines of JSON (see eventual/fact_lines.py)."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, BinaryIO

from msgspec import Struct

from waggle.base.errors import KINDS, WaggleError
from waggle.base.limits import ENTRY_BYTES_MAX
from waggle.eventual import fact_reads
from waggle.eventual.fact_lines import BadLine, FactLine, read_lines, write_line
from waggle.eventual.facts import FactAssert
from waggle.faces.ops.context import Context
from waggle.faces.ops.facts import superseded
from waggle.faces.ops.registry import Operation, arg
from waggle.faces.ops.shapes import Durable, when
from waggle.store.own.journal import Written
from waggle.store.space import Draft

BATCH_LINES = 500
"""Lines that become durable in one transaction."""
_REFUSED = frozenset({"invalid", "limit", "held"})
"""What is wrong with a line; anything else is wrong with the place, and stops the import."""


class FactImportRequest(Struct, frozen=True, kw_only=True):
    """Read facts from a file."""

    file: Annotated[str, arg("FILE", "lines of JSON, as `fact export` writes them; - reads stdin")]


class FactsImported(Struct, frozen=True, kw_only=True):
    """What became of the lines of a file."""

    added: int
    known: int
    """Lines whose value stands already, or that were imported before."""
    bad: list[BadLine]
    durable: Durable


class _Import:
    """One import: the lines of a file know nothing of one another, only of what stood before."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.writer = f"{ctx.space.replica}/{ctx.by.name}"
        self.prefix = ctx.key or "fact.import"
        self.written: set[str] = set()
        self.added = self.known = 0
        self.bad: list[BadLine] = []

    def take(self, lines: Iterable[tuple[int, FactLine | BadLine]]) -> None:
        """Import a batch of lines."""
        drafts: list[tuple[int, Draft]] = []
        for number, line in lines:
            if isinstance(line, BadLine):
                self.bad.append(line)
            elif (draft := self._draft(line)) is None:
                self.known += 1
            else:
                drafts.append((number, draft))
        try:
            self._note(self._append([draft for _, draft in drafts]))
        except WaggleError as error:
            if error.code not in _REFUSED:
                raise
            self._one_by_one(drafts)

    def _one_by_one(self, drafts: Iterable[tuple[int, Draft]]) -> None:
        for number, draft in drafts:
            try:
                self._note(self._append([draft]))
            except WaggleError as error:
                if error.code not in _REFUSED:
                    raise
                reason = f"{error.message}. {error.next_step}"
                self.bad.append(BadLine(line=number, reason=reason))

    def _append(self, drafts: list[Draft]) -> list[Written]:
        return self.ctx.space.append_all(drafts, self.ctx.by)

    def _draft(self, line: FactLine) -> Draft | None:
        """Give what a line comes to; None where its value stands already."""
        found = fact_reads.registers(self.ctx.space.view.db, line.entity, line.attribute)
        register = found[0] if found else None
        if register is not None:
            before = tuple(head for head in register.heads if head.id not in self.written)
            if line.value in {head.value for head in before}:
                return None
            register = fact_reads.Register(heads=before)
        body = FactAssert(
            entity=line.entity,
            attribute=line.attribute,
            value=line.value,
            source=line.source,
            supersedes=superseded(register, self.writer, ()),
        )
        return Draft(body=body, key=f"{self.prefix}/{line.key}")

    def _note(self, written: Iterable[Written]) -> None:
        for one in written:
            self.written.add(one.id)
            self.added += one.fresh
            self.known += not one.fresh


def _import(ctx: Context, request: FactImportRequest) -> FactsImported:
    with _reading(ctx, request.file) as file:
        _ = ctx.space.db  # the view is brought up to date once: it shows what stood before
        work = _Import(ctx)
        lines = read_lines(_lines(file))
        while batch := list(islice(lines, BATCH_LINES)):
            work.take(batch)
    bad = sorted(work.bad, key=lambda one: one.line)
    return FactsImported(added=work.added, known=work.known, bad=bad, durable=Durable())


@contextmanager
def _reading(ctx: Context, name: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input; raise `not_found` where it cannot be read."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(os.path.join(ctx.cwd, name), "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise WaggleError(
            "not_found", f"cannot read {name}: {error.strerror}", "Name a file, or - for stdin."
        ) from error
    with file:
        yield file


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Give a file's lines; of one that is too long only so much that this can be seen."""
    while line := file.readline(ENTRY_BYTES_MAX + 1):
        yield line
        while len(line) > ENTRY_BYTES_MAX and not line.endswith(b"\n"):
            line = file.readline(ENTRY_BYTES_MAX + 1)


def _show_imported(result: FactsImported) -> Iterator[str]:
    yield f"{result.added} facts added, {result.known} known before, {len(result.bad)} bad lines"
    for one in result.bad:
        yield f"line {one.line}: {one.reason}"


IMPORT = Operation(
    name="fact import",
    request=FactImportRequest,
    run=_import,
    show=_show_imported,
    about="Import facts from lines of JSON. Bad lines are told; a repeat adds nothing.",
    example="waggle fact import facts.jsonl",
    write=True,
    status=lambda result: KINDS["invalid"].status if result.bad else 0,
)


class FactExportRequest(Struct, frozen=True, kw_only=True):
    """Write facts to a file."""

    file: Annotated[str | None, arg("[FILE]", "where to; default -, standard output")] = None


class FactsExported(Struct, frozen=True, kw_only=True):
    """What was exported, and to where; without a file, the lines themselves."""

    file: str | None
    count: int
    facts: list[FactLine]


def _export(ctx: Context, request: FactExportRequest) -> FactsExported:
    lines = (
        FactLine(
            entity=fact.entity,
            attribute=fact.attribute,
            value=fact.value or "",
            source=fact.source,
            id=fact.id,
            by=fact.writer,
            at=when(fact.at),
        )
        for fact in fact_reads.values(ctx.space.db)
    )
    if request.file is None or request.file == "-":
        facts = list(lines)
        return FactsExported(file=None, count=len(facts), facts=facts)
    path = os.path.join(ctx.cwd, request.file)
    try:
        count = _replace(path, lines)
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot write {request.file}: {error.strerror}",
            "Name a file in a folder that you may write to.",
        ) from error
    return FactsExported(file=path, count=count, facts=[])


def _replace(path: str, lines: Iterable[FactLine]) -> int:
    """Write a file whole or not at all; give how many lines it has."""
    count = 0
    handle, part = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            for line in lines:
                file.write(write_line(line) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return count


def _show_exported(result: FactsExported) -> Iterator[str]:
    if result.file is not None:
        yield f"{result.count} facts written to {result.file}"
    yield from map(write_line, result.facts)


EXPORT = Operation(
    name="fact export",
    request=FactExportRequest,
    run=_export,
    show=_show_exported,
    about="Write every current value as a line of JSON; what is in conflict has a line each.",
    example="waggle fact export facts.jsonl",
)
