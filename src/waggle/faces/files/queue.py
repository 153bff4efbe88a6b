"""QUEUE.md: the open tasks, one line each, and what an edited one asks for. Pure.

An edited page is held against the rendering that it began as and against nothing else: a line that
was added is a task, a changed one an edit, a missing one a removal of what that rendering showed.
What happened meanwhile stands beside it, as it does with any two who write at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from waggle.faces.files import line as lines
from waggle.faces.files.line import Line, LineError
from waggle.faces.files.page import MARK

HINT = (
    "edit lines, then `waggle import QUEUE.md`: a new line is a task,"
    " a changed one an edit, a missing one a removal"
)
KEPT = "## Not understood"
_UNKNOWN = "[depends:{}] is no line of this page, or waits for this one"
EDITABLE: Final = ("title", "depends", "priority", "labels", "state")


class Row(Struct, frozen=True, kw_only=True):
    """A line as it was rendered, and what its task looked like then."""

    task: str
    line: Line
    seen: Mapping[str, tuple[str, ...]] = {}
    """For each field the ids of the writes that it showed."""
    edits: tuple[str, ...] = ()
    """All writes that stood, which a removal names."""
    claims: Mapping[str, str] = {}
    """The claims on it, and whose they are, as `replica/agent`."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """What a rendering showed."""

    state: str = ""
    """What names the state that it was made of. Another state may look the same: an empty page
    does whenever nothing is open, and the same line is then another task."""
    rows: tuple[Row, ...]
    numbers: Mapping[str, str]
    """The task of each number in it, of tasks that lines depend on, too."""


class Bad(Struct, frozen=True):
    """A line that could not be taken in, where it stood, and why."""

    number: int
    text: str
    reason: str


class New(Struct, frozen=True):
    """A line that no rendering had."""

    number: int
    line: Line
    written: str


class Edit(Struct, frozen=True, kw_only=True):
    """A line that was changed."""

    number: int
    written: str
    row: Row
    line: Line
    fields: tuple[str, ...]
    """Those of EDITABLE that differ."""
    agent: bool
    """Whether somebody else is to work on it, or nobody any more."""


class Changes(Struct, frozen=True, kw_only=True):
    """What an edited page asks for."""

    adds: tuple[New, ...]
    """New lines; each comes after those that it depends on."""
    edits: tuple[Edit, ...]
    removals: tuple[Row, ...]
    bad: tuple[Bad, ...]


def body(sections: Iterable[tuple[str, Sequence[Row]]], kept: Sequence[Bad] = ()) -> str:
    """Give the page's text below its first line; `kept` lines go last, each with its reason."""
    out = ["# Queue", ""]
    for title, rows in sections:
        if rows:
            out += [f"## {title}", "", *(lines.write(row.line) for row in rows), ""]
    if kept:
        out += [KEPT, ""]
        for one in kept:
            reason = one.reason.replace("--", "- -")
            out += [f"{MARK} {reason} -->", one.text]
        out.append("")
    return "\n".join(out)


def compare(snapshot: Snapshot, text: str) -> Changes:
    """Give what an edited page's text asks for, against the rendering that it began as."""
    rows = {row.line.seq: row for row in snapshot.rows}
    rendered = {lines.write(row.line): row.line.seq for row in snapshot.rows}
    adds: list[New] = []
    edits: list[Edit] = []
    bad: list[Bad] = []
    met: set[str] = set()
    changed: set[str] = set()
    for number, written in _content(text):
        if written in rendered:
            met.add(rendered[written])
            continue
        try:
            line = _read(written, changed, snapshot.numbers.keys() - rows.keys())
        except LineError as error:
            bad.append(Bad(number, written, str(error)))
            met |= _numbers(written)
            continue
        met.add(line.seq)
        changed.add(line.seq)
        row = rows.get(line.seq)
        if row is None:
            adds.append(New(number, line, written))
        elif (edit := _edit(number, written, row, line)) is not None:
            edits.append(edit)
    ordered, known, lost = _ordered(adds, set(snapshot.numbers))
    for edit in edits:
        if missing := set(edit.line.depends) - known:
            lost.append(Bad(edit.number, edit.written, _UNKNOWN.format(min(missing))))
    places = {one.number for one in lost}
    return Changes(
        adds=tuple(ordered),
        edits=tuple(edit for edit in edits if edit.number not in places),
        removals=tuple(row for seq, row in rows.items() if seq not in met),
        bad=tuple(sorted([*bad, *lost], key=lambda one: one.number)),
    )


def _read(written: str, changed: Collection[str], elsewhere: Collection[str]) -> Line:
    """Read a line; raise LineError also for a number that cannot be its own."""
    line = lines.read(written)
    if line.seq and line.seq in changed:
        raise LineError(f"[seq:{line.seq}] stands twice")
    if line.seq in elsewhere:
        raise LineError(f"[seq:{line.seq}] is a task that this page does not show")
    return line


def _content(text: str) -> Iterable[tuple[int, str]]:
    """Give the lines that say something: no headings, no comments of ours, nothing empty."""
    for number, written in enumerate(text.splitlines(), 2):
        words = written.strip()
        if words and not words.startswith(("#", MARK)):
            yield number, words


def _numbers(written: str) -> set[str]:
    """Give the number that a line that cannot be read still shows: it is not missing."""
    head = written.partition("[seq:")[2].partition("]")
    return {head[0]} if head[1] else set()


def _edit(number: int, written: str, row: Row, line: Line) -> Edit | None:
    # What was rendered is read back first, so that only what somebody changed is a change.
    before = lines.read(lines.write(row.line))
    fields = tuple(name for name in EDITABLE if getattr(line, name) != getattr(before, name))
    agent = line.agent != before.agent
    if not fields and not agent:
        return None
    return Edit(number=number, written=written, row=row, line=line, fields=fields, agent=agent)


def _ordered(adds: Sequence[New], known: set[str]) -> tuple[list[New], set[str], list[Bad]]:
    """Give new lines after those that they depend on, all numbers then, and what waits for ever."""
    ordered, left = [], list(adds)
    while ready := [one for one in left if known.issuperset(one.line.depends)]:
        ordered += ready
        known |= {one.line.seq for one in ready}
        left = [one for one in left if one not in ready]
    lost = [
        Bad(one.number, one.written, _UNKNOWN.format(min(set(one.line.depends) - known)))
        for one in left
    ]
    return ordered, known, lost
