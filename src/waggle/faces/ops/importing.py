"""`import`: an edited QUEUE.md becomes entries, over what its rendering showed and nothing else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Annotated, Any

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.eventual.task_kinds import (
    OVER_MAX,
    PRIORITY,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
)
from waggle.faces.files import page, queue, snapshots
from waggle.faces.files.line import Line
from waggle.faces.files.queue import Bad, Changes, Edit, Row
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg
from waggle.faces.ops.render import QUEUE_FILE, queue_text
from waggle.faces.ops.shapes import Durable, printable
from waggle.faces.ops.task_claim import LEASE_S
from waggle.faces.ops.tasks import TaskAddRequest, task_body
from waggle.log.entry import Agent, Body
from waggle.log.line import check_name
from waggle.store.own.journal import Written
from waggle.store.space import Draft

PARTLY_STATUS = 11
REFUSED = frozenset({"invalid", "limit", "held", "not_found", "ambiguous", "not_allowed"})
"""Errors that concern one line and leave the others be."""


class ImportRequest(Struct, frozen=True, kw_only=True):
    """Take an edited page in."""

    path: Annotated[str, arg("[QUEUE.md]", "the edited page; default QUEUE.md here")] = QUEUE_FILE


class NotRead(Struct, frozen=True, kw_only=True):
    """A line that was not taken in; it is kept on the page, with the reason."""

    line: int
    text: str
    reason: str


class Imported(Struct, frozen=True, kw_only=True):
    """What became of the edits."""

    added: list[str]
    """Ids of new tasks, in the order in which they were added."""
    edited: list[str]
    """Tasks of lines that were changed."""
    removed: list[str]
    """Tasks whose lines were taken away."""
    not_read: list[NotRead]
    rendered: bool
    """Whether the page shows the state now; not where somebody went on editing it."""
    durable: Durable


def _import(ctx: Context, request: ImportRequest) -> Imported:
    path = os.path.join(ctx.cwd, request.path)
    text = page.load(path)
    found = page.read(text) if text is not None else None
    if text is None or found is None or found.name != "queue":
        raise WaggleError(
            "not_found" if text is None else "invalid",
            f"{path} is no queue that waggle rendered",
            "Begin with one: `waggle render DIR` writes DIR/QUEUE.md; edit that.",
        )
    space = ctx.space
    snapshot = snapshots.load(space.store_dir, space.name, found.digest)
    if snapshot is None:
        raise WaggleError(
            "not_found",
            f"what {path} showed when it was rendered is not known here",
            "Render a fresh one into another folder and copy your edits there.",
        )
    changes = queue.compare(snapshot, found.body)
    done = _Import(ctx, f"{found.digest} {snapshot.state}", snapshot.numbers)
    done.take(changes)
    bad = sorted([*changes.bad, *done.bad], key=lambda one: one.number)
    rendered = page.load(path) == text
    if rendered:
        page.save(path, queue_text(ctx, bad))
    return Imported(
        added=done.added,
        edited=[edit.row.task for edit in changes.edits],
        removed=[row.task for row in changes.removals],
        not_read=[NotRead(line=one.number, text=one.text, reason=one.reason) for one in bad],
        rendered=rendered,
        durable=Durable(),
    )


class _Import:
    """The entries of one import. The page gives each its idempotency key: twice does it once."""

    def __init__(self, ctx: Context, rendering: str, numbers: Mapping[str, str]) -> None:
        self.ctx = ctx
        self.rendering = rendering
        self.tasks = dict(numbers)
        """The task of each number."""
        self.added: list[str] = []
        self.bad: list[Bad] = []
        self._met: Counter[str] = Counter()

    def take(self, changes: Changes) -> None:
        """Append what the edits ask for; what an append refuses is a line that was not read."""
        for new in changes.adds:
            with self._line(new.number, new.written):
                self._add(new.line, new.written)
        for edit in changes.edits:
            with self._line(edit.number, edit.written):
                self._edit(edit)
        for row in changes.removals:
            self._append(TaskRemove(task=row.task, over=row.edits[:OVER_MAX]), f"remove {row.task}")

    @contextmanager
    def _line(self, number: int, written: str) -> Iterator[None]:
        try:
            yield
        except WaggleError as error:
            if error.code not in REFUSED:
                raise
            self.bad.append(Bad(number, written, error.message))

    def _append(self, body: Body, what: str, by: Agent | None = None) -> Written:
        draft = Draft(body=body, key=f"page {self.rendering} {what}")
        return self.ctx.space.append(draft, by or self.ctx.by)

    def _depends(self, line: Line) -> tuple[str, ...]:
        """Give the tasks that a line depends on; a line that was refused has none."""
        try:
            return tuple(self.tasks[number] for number in line.depends)
        except KeyError as error:
            raise WaggleError(
                "not_found", f"[depends:{error.args[0]}] was not taken in", "Correct that line."
            ) from error

    def _add(self, line: Line, written: str) -> None:
        self._met[written] += 1
        what = f"{_digest(written)} {self._met[written]}"
        request = TaskAddRequest(
            title=line.title,
            depends=self._depends(line),
            priority=PRIORITY if line.priority is None else line.priority,
            label=line.labels,
        )
        task = self._append(task_body(self.ctx, request), f"add {what}").id
        self.tasks[line.seq] = task
        self.added.append(task)
        if line.state != "open":
            self._append(TaskEdit(task=task, over=(task,), state=line.state), f"state {what}")
        if line.agent:
            self._claim(task, line.agent, (), what)

    def _edit(self, edit: Edit) -> None:
        row, line, what = edit.row, edit.line, f"{edit.row.task} {_digest(edit.written)}"
        given: dict[str, Any] = {
            "title": line.title,
            "depends": self._depends(line),
            "priority": PRIORITY if line.priority is None else line.priority,
            "labels": line.labels,
            "state": line.state,
        }
        values = {name: given[name] for name in edit.fields}
        if values:
            seen = dict.fromkeys(one for name in edit.fields for one in row.seen[name])
            body = TaskEdit(task=row.task, over=tuple(seen)[:OVER_MAX], **values)
            self._append(body, f"edit {what}")
        if edit.agent and line.agent:
            self._claim(row.task, line.agent, tuple(row.claims), what)
        elif edit.agent:
            self._release(row, what)

    def _claim(self, task: str, agent: str, over: tuple[str, ...], what: str) -> None:
        by = Agent(name=check_name("agent's name", agent))
        body = TaskClaim(task=task, lease_s=LEASE_S, over=over[:OVER_MAX])
        self._append(body, f"claim {what}", by)

    def _release(self, row: Row, what: str) -> None:
        """Give up the claims of this replica's agents; nobody gives up another replica's."""
        own = f"{self.ctx.space.replica}/"
        held: dict[str, list[str]] = {}
        for claim, writer in row.claims.items():
            if writer.startswith(own):
                held.setdefault(writer.removeprefix(own), []).append(claim)
        if len(held) < len(set(row.claims.values())):
            raise WaggleError(
                "not_allowed",
                "a claim of another replica's agent is theirs to give up",
                "Put [agent:NAME] there to take over.",
            )
        for number, (name, claims) in enumerate(sorted(held.items())):
            body = TaskRelease(claims=tuple(claims[:OVER_MAX]))
            self._append(body, f"release {number} {what}", Agent(name=name))


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _show(result: Imported) -> Iterator[str]:
    yield (f"{len(result.added)} added, {len(result.edited)} edited, {len(result.removed)} removed")
    for one in result.not_read:
        yield f"line {one.line} was not read: {one.reason}"
        yield f"  {printable(one.text, 100)}"
    if result.not_read and result.rendered:
        yield "those lines are kept at the end of the page; correct them there and import again"
    if not result.rendered:
        yield "the page was edited meanwhile and left as it is: import it again"


IMPORT = Operation(
    name="import",
    request=ImportRequest,
    run=_import,
    show=_show,
    about="Take an edited QUEUE.md in: new lines are tasks, changed ones edits, missing ones gone.",
    example="waggle import QUEUE.md",
    write=True,
    status=lambda result: PARTLY_STATUS if result.not_read else 0,
)
