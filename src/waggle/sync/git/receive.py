"""Receiving: what a remote showed is verified, and only then becomes ours.

A fetch mirrors the remote in tracking refs. Each is held against the tips that are verified here:
one that goes on from a tip moves it and the replica's ref; one that lags behind is a remote that
has not got everything yet; one that went back since the last look is a remote that was reset or
restored, and is not obeyed; what does not verify is kept under refs of its own and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from msgspec import Struct

from waggle.base.ids import is_replica
from waggle.store.frames.discovery import Finding, Kind, Moves, Step, examine, tips_of
from waggle.store.frames.logs import Logs
from waggle.store.frames.refusals import Refusals
from waggle.store.frames.sealing import ref_name
from waggle.store.frames.signers import refresh_signers
from waggle.store.own.lock import locked
from waggle.sync.git.remotes import Remote
from waggle.sync.git.trouble import Trouble

if TYPE_CHECKING:
    from waggle.store.space import Space

FINDINGS_MAX = 100
"""Findings of one kind about one remote that are shown: whoever pushes refs could make any number.
"""
KINDS = get_args(Kind)


class Received(Struct, frozen=True, kw_only=True):
    """What one look at a remote's mirror brought."""

    entries: Mapping[str, int]
    """How many entries of each replica are new here and verified."""
    findings: tuple[Finding, ...]
    """What a person should see: refused, forked, rewound, stray."""
    theirs: Mapping[str, str]
    """The mirror as it is now: name of each log to its newest frame there."""
    off: frozenset[str]
    """Replicas whose log the remote has with another end than ours: nothing can be pushed there."""


def mirror(space: Space, remote: Remote) -> dict[str, str]:
    """Give what the remote had when it was last fetched: its name of each log to the newest frame.

    A name is the replica's id, or anything else that a stranger pushed.
    """
    prefix = remote.tracking(space.name)
    return below(prefix, space.objects.refs.under(prefix))


def below(prefix: str, refs: Mapping[str, str]) -> dict[str, str]:
    """Give the refs under a prefix, named without it."""
    return {name.removeprefix(prefix): oid for name, oid in refs.items() if name.startswith(prefix)}


def receive(
    space: Space,
    remote: Remote,
    refs: Mapping[str, str],
    before: Mapping[str, str],
    bad: Mapping[str, Trouble],
) -> Received:
    """Verify what a fetch brought into a remote's mirror, and make ours what verifies.

    `refs` are this repository's, name to object id: the mirror after the fetch, and the logs'.
    `before` is the mirror before it: that tells a remote that lags from one that went back.
    `bad` names what git itself refused to take, and why.
    """
    entries: dict[str, int] = {}
    findings = [_untaken(remote, name, trouble) for name, trouble in bad.items()]
    off = {one.replica for one in findings}
    theirs = below(remote.tracking(space.name), refs)
    with locked(space.store_dir, "seal"):
        logs = Logs(space.objects)
        judged = Refusals(space.journal, space.objects, space.name)
        moves = Moves(space.journal)
        for name, oid in theirs.items():
            if not is_replica(name):
                what = f"{remote.name}: {remote.prefix}/{space.name}/{name[:80]} names no replica"
                findings.append(Finding(replica=name[:80], seq=0, what=what, kind="stray"))
                continue
            seq = _verified(space, name)
            step = _judge(space, logs, judged, name, oid)
            if step.move is not None and step.move.end[1] > seq:
                entries[name] = step.move.end[1] - seq
            moves.add(step)
            findings += step.findings
            if step.how in {"stopped", "forked"}:
                off.add(name)
            findings += _rewound(space, remote, name, step, (before.get(name), oid))
        moves.make()
        judged.keep()
        _adopt(space, refs)
        space.doubt_owner()
        if entries:
            refresh_signers(space.journal, logs)
    return Received(
        entries=entries,
        findings=_bounded(remote, findings),
        theirs=theirs,
        off=frozenset(off),
    )


def _untaken(remote: Remote, name: str, trouble: Trouble) -> Finding:
    replica = name.rsplit("/", 1)[-1][:80]
    what = f"{remote.name}: git does not take it: {trouble.text}"
    return Finding(replica=replica, seq=0, what=what, kind="refused")


def _verified(space: Space, replica: str) -> int:
    return max((seq for _, seq, _ in tips_of(space.journal, (space.name, replica))), default=0)


def _rewound(
    space: Space, remote: Remote, replica: str, step: Step, refs: tuple[str | None, str]
) -> list[Finding]:
    """Give the finding that a remote shows less of a log than it did, if it does."""
    was, now = refs
    if step.how != "behind" or was is None or was == now:
        return []
    status, _ = space.objects.git.call("merge-base", "--is-ancestor", was, now, ok=(0, 1, 128))
    if status == 0:
        return []
    what = f"{remote.name} went back to an older frame of this log; ours is kept"
    seq = _verified(space, replica)
    return [Finding(replica=replica, seq=seq, what=what, kind="rewound")]


def _judge(space: Space, logs: Logs, judged: Refusals, replica: str, oid: str) -> Step:
    """Verify a log's chain, unless it was refused before and nothing changed."""
    before = judged.find(replica, oid)
    if before is not None:
        return Step(how="stopped", findings=(before,), final=True)
    step = examine(space.journal, logs, (space.name, replica), oid)
    for one in step.findings:
        if one.kind == "refused":
            judged.note(oid, one, final=step.final)
    return step


def _adopt(space: Space, here: Mapping[str, str]) -> None:
    """Let each foreign replica's ref follow its tip, in one transaction of git's.

    It holds the objects when a remote drops them. A crash between tip and ref is mended here too.
    """
    rows: list[tuple[str, str]] = space.journal.db.execute(
        "SELECT replica, max(oid) FROM tip WHERE space=? AND replica<>? GROUP BY replica"
        " HAVING count(*)=1",
        (space.name, space.journal.replica),
    ).fetchall()
    moves = [
        (name, tip, here.get(name))
        for name, tip in ((ref_name(space.name, replica), tip) for replica, tip in rows)
        if here.get(name) != tip
    ]
    space.objects.refs.move_all(moves)


def _bounded(remote: Remote, findings: list[Finding]) -> tuple[Finding, ...]:
    """Leave out what a remote shows too many of, and say how many that were."""
    shown: list[Finding] = []
    for kind in KINDS:
        these = [one for one in findings if one.kind == kind]
        shown += these[:FINDINGS_MAX]
        if (more := len(these) - FINDINGS_MAX) > 0:
            what = f"{remote.name}: {more} more are {kind}"
            shown.append(Finding(replica="", seq=0, what=what, kind=kind))
    return tuple(shown)
