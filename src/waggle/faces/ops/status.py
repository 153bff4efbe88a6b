"""`status`: this replica at a glance: what is where, and who else is there."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Nothing, Operation
from waggle.faces.ops.shapes import printable, short
from waggle.store.bell import is_claimed
from waggle.store.discovery import frame_end
from waggle.store.logs import Logs
from waggle.sync import spread
from waggle.sync.receive import mirror
from waggle.sync.remotes import Remote, find_remotes
from waggle.sync.spread import Part


class RemoteShape(Struct, frozen=True, kw_only=True):
    """A remote, as it showed itself when it was last asked."""

    name: str
    own: int
    """Up to which seq it has this replica's log."""
    logs: int
    """How many logs it has."""


class StatusShape(Struct, frozen=True, kw_only=True):
    """This replica at a glance."""

    replica: str
    space: str
    entries: int
    """In this replica's log."""
    unsealed: int
    """How many of them are in no frame yet: in the journal only, durable on this disk."""
    admitted: dict[str, int]
    """Entries of each log that count here."""
    node: bool
    """Whether this replica's node runs."""
    remotes: list[RemoteShape]
    replicas: dict[str, int]
    """Up to which seq other replicas' nodes said that they have this log."""
    spread: list[Part]


def _status(ctx: Context, _request: Nothing) -> StatusShape:
    space = ctx.space
    _ = space.db
    head = space.journal.head(space.name)[0]
    logs = Logs(space.objects)
    remotes = []
    for remote in _remotes(ctx):
        theirs = mirror(space, remote)
        oid = theirs.get(space.journal.replica)
        own = frame_end(logs, oid) if oid else 0
        remotes.append(RemoteShape(name=remote.name, own=min(own, head), logs=len(theirs)))
    seen = {
        replica: min(one.seq, head)
        for replica, one in spread.load(space.store_dir, space.name).items()
    }
    return StatusShape(
        replica=space.journal.replica,
        space=space.name,
        entries=head,
        unsealed=head - space.journal.sealed(space.name),
        admitted={name: one.seq for name, one in sorted(space.view.admitted().items())},
        node=is_claimed(space.store_dir),
        remotes=remotes,
        replicas=dict(sorted(seen.items())),
        spread=spread.parts(head, [one.own for one in remotes], seen.values()),
    )


def _remotes(ctx: Context) -> list[Remote]:
    try:
        return find_remotes(ctx.space.objects.git, ctx.space.config, (), ctx.cwd)
    except WaggleError:
        return []  # a store without remotes has a status, too


def _show(result: StatusShape) -> Iterator[str]:
    node = "its node runs" if result.node else "no node runs"
    yield f"replica {short(result.replica)}, space {result.space}: {result.entries} entries, {node}"
    for part in result.spread:
        where = f"on {part.remotes} remotes and {part.replicas} other replicas"
        if not part.remotes and not part.replicas:
            where = "here only"
        yield f"  {part.first}-{part.last}: {where}"
    if result.unsealed:
        yield f"  {result.unsealed} of them are in no frame yet (`waggle sync` seals and pushes)"
    for remote in result.remotes:
        yield f"remote {printable(remote.name, 60)}: {remote.own} of ours, {remote.logs} logs"
    for replica, count in result.admitted.items():
        if replica != result.replica:
            yield f"replica {short(replica)}: {count} entries of it count here"


STATUS = Operation(
    name="status",
    request=Nothing,
    run=_status,
    show=_show,
    about="Show this replica at a glance: which entries are on how many remotes and replicas.",
    example="waggle status",
)
