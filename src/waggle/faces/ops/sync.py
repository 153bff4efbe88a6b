"""`sync`: exchange logs with git remotes, and say truly what became durable where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import printable, short
from waggle.store.decrees import distrusted
from waggle.sync.exchange import Exchange, Exchanged, Report
from waggle.sync.remotes import find_remotes
from waggle.sync.transport import Transport

PARTLY_STATUS = 11
TIMEOUT_S = 120


class SyncRequest(Struct, frozen=True, kw_only=True):
    """Exchange logs."""

    remotes: Annotated[
        tuple[str, ...], arg("[REMOTE]...", "git remotes or URLs; default the settings', or origin")
    ] = ()
    timeout: Annotated[
        float, opt("seconds until a remote that does not answer is given up", "S", least=1)
    ] = TIMEOUT_S


class Synced(Struct, frozen=True, kw_only=True):
    """What one sync did."""

    report: Report
    admitted: dict[str, int]
    """Entries of each log that count here now."""
    held_back: dict[str, int]
    """Entries of each log that are here and verified, but do not count (yet)."""

    @property
    def whole(self) -> bool:
        """Whether every remote did all that was asked of it."""
        return all(one.trouble is None for one in self.report.remotes)


def _sync(ctx: Context, request: SyncRequest) -> Synced:
    space = ctx.space
    found = find_remotes(space.objects.git, space.config, request.remotes, ctx.cwd)
    transport = Transport(ctx.repository.common_dir, ctx.environ, request.timeout)
    report = Exchange(space, transport, hidden=distrusted(space)).sync(found)
    if all(one.trouble is not None for one in report.remotes):
        trouble = report.remotes[0].trouble
        assert trouble is not None  # noqa: S101 - all of them are
        raise WaggleError(
            "unreachable",
            f"{report.remotes[0].remote}: {trouble.text}; {report.head} entries are safe here only",
            trouble.next_step,
        )
    _ = space.db  # folds what came
    admitted = space.view.admitted()
    held = {
        replica: ends[0][1] - admitted[replica].seq if replica in admitted else ends[0][1]
        for replica, ends in space.folding.ends().items()
    }
    return Synced(
        report=report,
        admitted={replica: head.seq for replica, head in sorted(admitted.items())},
        held_back={replica: count for replica, count in sorted(held.items()) if count > 0},
    )


def _show(result: Synced) -> Iterator[str]:
    report = result.report
    if report.was is not None:
        yield (
            f"this store is a copy: it goes on as replica {short(report.replica)}"
            f" (was {short(report.was)}); nothing is lost"
        )
    yield f"sealed {report.sealed} new entries; {report.head} in this replica's log"
    for one in report.remotes:
        yield from _show_remote(one, report)
    for replica, count in result.held_back.items():
        yield f"held back: {count} entries of {short(replica)}; see `waggle members`"


def _show_remote(one: Exchanged, report: Report) -> Iterator[str]:
    name = printable(one.remote, 80)
    if one.fetched:
        new = sum(one.received.values())
        others = len([replica for replica in one.pushed if replica != report.replica])
        carried = f", {others} other logs carried there" if others else ""
        yield (
            f"{name}: {new} new entries of {len(one.received)} replicas;"
            f" it has {one.own} of {report.head} of ours{carried}"
        )
    if one.trouble is not None:
        yield f"{name}: {one.trouble.kind}: {printable(one.trouble.text)}"
        yield f"  {one.trouble.next_step}"
    for finding in one.findings:
        where = f"{finding.replica[:12]} seq {finding.seq}"
        yield f"{finding.kind}: {where}: {printable(finding.what)}"


SYNC = Operation(
    name="sync",
    request=SyncRequest,
    run=_sync,
    show=_show,
    about="Exchange logs with git remotes: one fetch, one push of what they lack. Repeat at will.",
    example="waggle sync",
    status=lambda result: 0 if result.whole else PARTLY_STATUS,
)
