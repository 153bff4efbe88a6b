"""`up`: run this replica's node in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.agents.events import Event
from waggle.faces.live import open_node
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import printable
from waggle.faces.ops.sync import TIMEOUT_S
from waggle.faces.signals import ending, heeded
from waggle.sync.node.plan import Happened


class UpRequest(Struct, frozen=True, kw_only=True):
    """Run the node."""

    remotes: Annotated[
        tuple[str, ...], arg("[REMOTE]...", "git remotes or URLs; default the settings', or origin")
    ] = ()
    offline: Annotated[bool, opt("use the live path only, and no git remote")] = False
    timeout: Annotated[
        float, opt("seconds until a remote that does not answer is given up", "S", least=1)
    ] = TIMEOUT_S


class WentDown(Struct, frozen=True, kw_only=True):
    """The node has stopped."""

    stopped: bool = True
    entries: int = 0
    """Entries that counted here in the end."""


def _up(ctx: Context, request: UpRequest) -> WentDown:
    return asyncio.run(_run(ctx, request))


async def _run(ctx: Context, request: UpRequest) -> WentDown:
    stop, spaces = asyncio.Event(), ctx.carried

    def tell(happened: Happened) -> None:
        where = f"{happened.space}: " if len(spaces) > 1 and happened.space else ""
        ctx.listen(Event(event=happened.what, task="", message=where + _words(happened)))

    node = open_node(
        ctx.open_space,
        spaces,
        ctx.cwd,
        ctx.environ,
        named=request.remotes,
        offline=request.offline,
        timeout_s=request.timeout,
        tell=tell,
    )
    with heeded((signal.SIGINT, *ending()), stop.set):
        async with node.running():
            await stop.wait()
            views = [one.space.view for one in node.conversations.values()]
            entries = sum(head.seq for view in views for head in view.admitted().values())
    return WentDown(entries=entries)


def _words(happened: Happened) -> str:
    if happened.report is None:
        return printable(happened.text)
    parts = []
    for one in happened.report.remotes:
        if one.trouble is not None:
            parts.append(f"{one.remote}: {one.trouble.kind}: {one.trouble.text}")
        elif one.fetched:
            new = sum(one.received.values())
            parts.append(f"{one.remote}: {new} new, it has {one.own} of {happened.report.head}")
        parts += [f"{found.kind}: {found.replica[:12]}: {found.what}" for found in one.findings]
    return printable("; ".join(parts), 400)


def _show(result: WentDown) -> Iterator[str]:
    yield f"stopped; {result.entries} entries here. Every command goes on working without the node."


UP = Operation(
    name="up",
    request=UpRequest,
    run=_up,
    show=_show,
    about="Run this replica's node: entries go out at once, others' come in, git syncs beside.",
    example="waggle up",
)
