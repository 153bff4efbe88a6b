"""`render`: QUEUE.md, FACTS.md and HEARTBEAT.md from what is here.

A page depends on what is here alone (and on the moment, where leases are shown), so where nothing
changed the file is not touched. Nothing that anybody wrote into a file is ever written over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces.files import page, queue, snapshots
from waggle.faces.files.queue import Bad, Row, Snapshot
from waggle.faces.ops.context import Context
from waggle.faces.ops.pages import FACTS_HINT, HEARTBEAT_HINT, facts_body, heartbeat_body
from waggle.faces.ops.present import present_agents
from waggle.faces.ops.queue_rows import gather
from waggle.faces.ops.registry import Operation, arg

QUEUE_FILE = "QUEUE.md"
FACTS_FILE = "FACTS.md"
HEARTBEAT_FILE = "HEARTBEAT.md"


class RenderRequest(Struct, frozen=True, kw_only=True):
    """Write the pages."""

    folder: Annotated[str, arg("[DIR]", "where; default the current folder")] = "."


class PageShape(Struct, frozen=True, kw_only=True):
    """A page, and whether its file is different now."""

    path: str
    written: bool


class Rendered(Struct, frozen=True, kw_only=True):
    """The pages."""

    pages: list[PageShape]


def _render(ctx: Context, request: RenderRequest) -> Rendered:
    folder = os.path.join(ctx.cwd, request.folder)
    paths = [os.path.join(folder, name) for name in (QUEUE_FILE, FACTS_FILE, HEARTBEAT_FILE)]
    for path in paths:
        check_unedited(path)
    _make(folder)
    texts = (
        queue_text(ctx),
        page.write("facts", facts_body(ctx.space.db), FACTS_HINT),
        page.write("heartbeat", heartbeat_body(present_agents(ctx)), HEARTBEAT_HINT),
    )
    pages = [
        PageShape(path=path, written=page.save(path, text))
        for path, text in zip(paths, texts, strict=True)
    ]
    return Rendered(pages=pages)


def queue_text(ctx: Context, kept: Sequence[Bad] = ()) -> str:
    """Give QUEUE.md as it is now, and keep what it shows; `kept` lines could not be read."""
    sections, numbers = gather(ctx)
    body = queue.body(sections, kept)
    rows: tuple[Row, ...] = tuple(row for _, found in sections for row in found)
    admitted = sorted((replica, head.id) for replica, head in ctx.space.view.admitted().items())
    snapshot = Snapshot(state=page.digest("state", repr(admitted)), rows=rows, numbers=numbers)
    digest = page.digest("queue", body)
    snapshots.save(ctx.space.store_dir, ctx.space.name, digest, snapshot)
    return page.write("queue", body, queue.HINT)


def check_unedited(path: str) -> None:
    """Raise `would_lose` where a file holds what nobody rendered."""
    text = page.load(path)
    if text is None:
        return
    found = page.read(text)
    name = os.path.basename(path)
    if found is None:
        raise WaggleError(
            "would_lose",
            f"{path} is no page of waggle's",
            f"Render into another folder, or move that file: `waggle render DIR` writes {name}.",
        )
    if found.edited:
        what = (
            f"Take the edits in first: `waggle import {path}`."
            if found.name == "queue"
            else "Move it to another name, then render again; only QUEUE.md can be imported."
        )
        raise WaggleError("would_lose", f"{path} was edited since it was rendered", what)


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise WaggleError(
            "environment", f"cannot make {folder}: {error.strerror}", "Name another folder."
        ) from error


def _show(result: Rendered) -> Iterator[str]:
    for one in result.pages:
        yield f"{'wrote' if one.written else 'unchanged'}  {one.path}"


RENDER = Operation(
    name="render",
    request=RenderRequest,
    run=_render,
    show=_show,
    about="Write QUEUE.md, FACTS.md and HEARTBEAT.md, for agents that work with files.",
    example="waggle render notes",
)
