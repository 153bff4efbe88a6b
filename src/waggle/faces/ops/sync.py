"""`sync`: exchange logs with git remotes, and say truly what became durable where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Struct

from waggle.agents.events import Event
from waggle.base.errors import WaggleError
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation, arg, opt
from waggle.faces.ops.shapes import printable, short
from waggle.store.space import Space
from waggle.store.views.decrees import distrusted
from waggle.sync.git.exchange import Exchange, Exchanged, Report
from waggle.sync.git.remotes import Remote, find_remotes
from waggle.sync.git.transport import Transport

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


class SpaceSynced(Struct, frozen=True, kw_only=True):
    """What one sync did in one space."""

    report: Report
    admitted: dict[str, int]
    """Entries of each log that count here now."""
    held_back: dict[str, int]
    """Entries of each log that are here and verified, but do not count (yet)."""


class Synced(Struct, frozen=True, kw_only=True):
    """What one sync did, space by space."""

    spaces: list[SpaceSynced]

    @property
    def whole(self) -> bool:
        """Whether every remote did all that was asked of it."""
        return not any(one.trouble for space in self.spaces for one in space.report.remotes)


def _sync(ctx: Context, request: SyncRequest) -> Synced:
    remotes = find_remotes(ctx.space.objects.git, ctx.space.config, request.remotes, ctx.cwd)
    done: list[SpaceSynced] = []
    for name in ctx.carried:
        with ctx.open_space(name) as space:
            one = _sync_space(ctx, space, remotes, request.timeout)
        done.append(one)
        # A remote that cannot be reached is asked once, not once for each space.
        down = {each.remote for each in one.report.remotes if each.trouble and not each.fetched}
        remotes = [remote for remote in remotes if remote.name not in down]
        if not remotes:
            raise _unreachable(done)
    return Synced(spaces=done)


def _sync_space(
    ctx: Context, space: Space, remotes: Sequence[Remote], timeout_s: float
) -> SpaceSynced:
    transport = Transport(ctx.repository.common_dir, ctx.environ, timeout_s)
    exchange = Exchange(space, transport, hidden=distrusted(space))

    def tell(one: Exchanged) -> None:
        words = one.trouble.text if one.trouble else f"{sum(one.received.values())} new entries"
        ctx.listen(Event(event="remote", task="", message=f"{space.name}: {one.remote}: {words}"))

    report = exchange.sync(remotes, tell)
    _ = space.db  # folds what came
    admitted = space.view.admitted()
    held = {
        replica: ends[0][1] - admitted[replica].seq if replica in admitted else ends[0][1]
        for replica, ends in space.folding.ends().items()
    }
    return SpaceSynced(
        report=report,
        admitted={replica: head.seq for replica, head in sorted(admitted.items())},
        held_back={replica: count for replica, count in sorted(held.items()) if count > 0},
    )


def _unreachable(done: Sequence[SpaceSynced]) -> WaggleError:
    """Give the error where no remote is left; a sync with none of several is no sync."""
    report = done[-1].report
    one, trouble = next((one, one.trouble) for one in report.remotes if one.trouble is not None)
    return WaggleError(
        "unreachable",
        f"{one.remote}: {trouble.text}; {report.head} entries are safe here only",
        trouble.next_step,
    )


def _show(result: Synced) -> Iterator[str]:
    for one in result.spaces:
        if len(result.spaces) > 1:
            yield f"space {one.report.space}"
        yield from _show_space(one)


def _show_space(result: SpaceSynced) -> Iterator[str]:
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
    for replica, why in one.beats.refused.items():
        yield f"beats refused: {printable(replica, 12)}: {printable(why)}"
    if one.beats.trouble is not None:
        yield f"{name}: beats: {one.beats.trouble.kind}: {printable(one.beats.trouble.text)}"
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
