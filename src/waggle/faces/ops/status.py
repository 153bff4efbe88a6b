"""`status`: this replica at a glance, on one screen of 24 lines of 80 characters.

What is where, what is to be done, who else is there; for each thing the command that shows more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.eventual import fact_reads
from waggle.faces.ops import overview
from waggle.faces.ops.context import Context
from waggle.faces.ops.overview import Tasks
from waggle.faces.ops.present import present_agents
from waggle.faces.ops.registry import Nothing, Operation
from waggle.faces.ops.shapes import printable, short, when
from waggle.faces.ops.task_shapes import writer
from waggle.store.frames.discovery import frame_end
from waggle.store.frames.logs import Logs
from waggle.store.frames.refusals import REFUSED
from waggle.store.own.bell import is_claimed
from waggle.store.own.held import HELD_REFS
from waggle.sync.git import last
from waggle.sync.git.receive import mirror
from waggle.sync.git.remotes import Remote, find_remotes
from waggle.sync.node import spread
from waggle.sync.node.spread import Part

COLUMNS = 80
ROWS_MAX = 3
"""How many remotes, and how many runs of entries, the text shows."""


class RemoteShape(Struct, frozen=True, kw_only=True):
    """A remote, as it showed itself when it was last asked."""

    name: str
    own: int
    """Up to which seq it has this replica's log."""
    logs: int
    """How many logs it has."""
    synced: str | None
    """When it last did all that was asked of it."""
    trouble: str | None
    """What kind of trouble there was at the last try."""


class CandidateCount(Struct, frozen=True, kw_only=True):
    """Candidates that wait, among the newest overview.WINDOW."""

    unvoted: int
    """Without the caller's vote, and not the caller's own."""
    open: int
    """Of open tasks on which nobody ruled."""
    tasks: int
    """How many tasks these are."""
    older: bool
    """Whether there are older candidates, which were not looked at."""


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
    held_back: dict[str, int]
    """Entries of each log that are here and verified, but do not count (yet)."""
    tasks: Tasks
    candidates: CandidateCount
    fact_conflicts: int
    agents: dict[str, int]
    """How many are alive, suspect, lapsed, left."""
    held: int
    """Drafts that look like secrets."""
    refused: int
    """Logs of which something did not verify."""


def _status(ctx: Context, _request: Nothing) -> StatusShape:
    space, db = ctx.space, ctx.space.db
    head = space.journal.head(space.name)[0]
    remotes = _remote_shapes(ctx, head)
    seen = {
        replica: min(one.seq, head)
        for replica, one in spread.load(space.store_dir, space.name).items()
    }
    admitted = {name: one.seq for name, one in sorted(space.view.admitted().items())}
    here = {replica: ends[0][1] for replica, ends in sorted(space.folding.ends().items())}
    candidates, of, older = overview.count_candidates(db)
    return StatusShape(
        replica=space.journal.replica,
        space=space.name,
        entries=head,
        unsealed=head - space.journal.sealed(space.name),
        admitted=admitted,
        node=is_claimed(space.store_dir),
        remotes=remotes,
        replicas=dict(sorted(seen.items())),
        spread=spread.parts(head, [one.own for one in remotes], seen.values()),
        held_back={
            replica: count - admitted.get(replica, 0)
            for replica, count in here.items()
            if count > admitted.get(replica, 0)
        },
        tasks=overview.count_tasks(db, ctx.outside.now_ms()),
        candidates=CandidateCount(
            unvoted=len(overview.unvoted(db, writer(ctx))), open=candidates, tasks=of, older=older
        ),
        fact_conflicts=fact_reads.count_conflicts(db),
        agents=dict(sorted(Counter(one.state for one in present_agents(ctx)).items())),
        held=len(space.objects.refs.under(f"{HELD_REFS}/{space.name}/")),
        refused=len(_refused(ctx)),
    )


def _remote_shapes(ctx: Context, head: int) -> list[RemoteShape]:
    space, logs, found = ctx.space, Logs(ctx.space.objects), []
    synced = last.load(space.store_dir, space.name)
    for remote in _remotes(ctx):
        theirs = mirror(space, remote)
        oid = theirs.get(space.journal.replica)
        own = frame_end(logs, oid) if oid else 0
        before = synced.get(remote.name)
        found.append(
            RemoteShape(
                name=remote.name,
                own=min(own, head),
                logs=len(theirs),
                synced=when(before.done_ms << 16) if before and before.done_ms else None,
                trouble=before.trouble if before else None,
            )
        )
    return found


def _refused(ctx: Context) -> set[str]:
    """Give the logs of which something was refused."""
    prefix = f"{REFUSED}/{ctx.space.name}/"
    return {
        name.removeprefix(prefix).partition("/")[0] for name in ctx.space.objects.refs.under(prefix)
    }


def _remotes(ctx: Context) -> list[Remote]:
    try:
        return find_remotes(ctx.space.objects.git, ctx.space.config, (), ctx.cwd)
    except WaggleError:
        return []  # a store without remotes has a status, too


def _show(result: StatusShape) -> Iterator[str]:
    for line in (*_show_logs(result), *_show_remotes(result.remotes), *_show_work(result)):
        yield line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…"


def _show_logs(result: StatusShape) -> Iterator[str]:
    node = "its node runs" if result.node else "no node runs (`waggle up`)"
    yield f"replica {short(result.replica)}, space {result.space}: {result.entries} entries, {node}"
    if len(result.spread) > ROWS_MAX:
        yield f"  … {len(result.spread) - ROWS_MAX} older runs: `waggle status --json`"
    for part in result.spread[-ROWS_MAX:]:
        where = f"on {part.remotes} remotes and {part.replicas} other replicas"
        if not part.remotes and not part.replicas:
            where = "here only"
        yield f"  {part.first}-{part.last}: {where}"
    if result.unsealed:
        yield f"  {result.unsealed} of them are in no frame yet (`waggle sync` seals and pushes)"
    others = [count for replica, count in result.admitted.items() if replica != result.replica]
    if others:
        yield f"others: {sum(others)} entries of {len(others)} replicas: `waggle members`"
    if result.held_back:
        late = sum(result.held_back.values())
        yield f"held back: {late} entries of {len(result.held_back)} logs: `waggle members`"


def _show_remotes(remotes: Sequence[RemoteShape]) -> Iterator[str]:
    for one in remotes[:ROWS_MAX]:
        state = f", synced {one.synced}" if one.synced else ""
        trouble = f", then {one.trouble}: `waggle sync`" if one.trouble else ""
        yield f"remote {printable(one.name, 24)}: {one.own} of ours{state}{trouble}"
    if len(remotes) > ROWS_MAX:
        yield f"… {len(remotes) - ROWS_MAX} more remotes: `waggle status --json`"


def _show_work(result: StatusShape) -> Iterator[str]:
    """Give what there is to do, each with the command that shows more."""
    tasks, candidates = result.tasks, result.candidates
    counts = f"{tasks.open} open, {tasks.ready} ready, {tasks.claimed} claimed, {tasks.done} done"
    yield f"tasks: {counts}: `waggle task list`"
    newest = f" (of the newest {overview.WINDOW})" if candidates.older else ""
    if candidates.open:
        of = f"{candidates.open} for {candidates.tasks} open tasks{newest}"
        yield f"candidates: {of}: `waggle choose TASK`"
    if candidates.unvoted:
        of = f"{candidates.unvoted} candidates without yours"
        yield f"votes: {of}: `waggle show TASK --blind`"
    if tasks.conflicts:
        yield f"conflicts: {tasks.conflicts} tasks: `waggle task list --conflicts`"
    if result.fact_conflicts:
        yield f"conflicts: {result.fact_conflicts} facts: `waggle fact conflicts`"
    if result.agents:
        counts = ", ".join(f"{count} {state}" for state, count in result.agents.items())
        yield f"agents: {counts}: `waggle members`"
    if result.held:
        yield f"held: {result.held} drafts look like secrets: `waggle held`"
    if result.refused:
        yield f"refused: {result.refused} logs do not verify: `waggle verify`"


STATUS = Operation(
    name="status",
    request=Nothing,
    run=_status,
    show=_show,
    about="Show on one screen where entries are, what is to be done, and who is there.",
    example="waggle status",
)
