"""`log`, `seal`, `verify`, `rebuild` and `digest`: the log itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Struct

from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Nothing, Operation, opt
from waggle.faces.ops.shapes import printable, short, when
from waggle.store.checkup.report import Report
from waggle.store.checkup.verify import verify as verify_space
from waggle.store.frames.sealing import ref_name
from waggle.store.views.members import members

DAMAGED_STATUS = 8


class LogRequest(Struct, frozen=True, kw_only=True):
    """Show entries."""

    limit: Annotated[int, opt("how many, newest first; 0 for all", "N", least=0)] = 20
    raw: Annotated[bool, opt("print the lines as they are stored")] = False


class EntryShape(Struct, frozen=True, kw_only=True):
    """One entry."""

    id: str
    replica: str
    seq: int
    at: str
    by: str
    kind: str
    line: str


class EntryList(Struct, frozen=True, kw_only=True):
    """Entries, newest first."""

    entries: list[EntryShape]
    raw: bool = False


def _log(ctx: Context, request: LogRequest) -> EntryList:
    counted = ctx.space.counted
    found = [
        (link.envelope.at, replica, link)
        for replica in ctx.space.folding.ends()
        for link in (
            counted.newest(replica, request.limit) if request.limit else counted.every(replica)
        )
    ]
    found.sort(key=lambda one: one[:2], reverse=True)
    shapes = [
        EntryShape(
            id=link.id,
            replica=replica,
            seq=link.seq,
            at=when(at),
            by=link.envelope.by.name,
            kind=link.envelope.kind,
            line=link.line.decode(errors="replace"),
        )
        for at, replica, link in (found[: request.limit] if request.limit else found)
    ]
    return EntryList(entries=shapes, raw=request.raw)


def _show_log(result: EntryList) -> Iterator[str]:
    for one in result.entries:
        if result.raw:
            yield printable(one.line, 1 << 20)
            continue
        fields = msgspec.json.decode(one.line)
        for name in ("at", "by", "kind", "key", "was"):
            fields.pop(name, None)
        words = ", ".join(
            f"{name}={short(value) if len(str(value)) == 64 else value}"
            for name, value in fields.items()
        )
        who = f"{one.replica[:8]}/{printable(one.by, 20)}"
        yield f"{short(one.id)}  {one.at}  {who:<26} {one.kind:<18} {printable(words, 90)}"


LOG = Operation(
    name="log",
    request=LogRequest,
    run=_log,
    show=_show_log,
    about="Show the entries of all logs of the space, newest first.",
    example="waggle log --limit 50",
)


class SealResult(Struct, frozen=True, kw_only=True):
    """The frames that were made."""

    frames: list[str]
    entries: int
    ref: str


def _seal(ctx: Context, _request: Nothing) -> SealResult:
    space = ctx.space
    sealed = space.seal()
    return SealResult(
        frames=[one.oid for one in sealed],
        entries=sum(one.last - one.first + 1 for one in sealed),
        ref=ref_name(space.name, space.replica),
    )


def _show_seal(result: SealResult) -> Iterator[str]:
    yield f"sealed {result.entries} entries in {len(result.frames)} frames"
    yield f"read them: git log --first-parent -p {result.ref}"


SEAL = Operation(
    name="seal",
    request=Nothing,
    run=_seal,
    show=_show_seal,
    about="Turn what is journalled into signed frames in git.",
    example="waggle seal",
)


class Verified(Struct, frozen=True, kw_only=True):
    """What verification found."""

    verified: bool
    """Nothing is lost, forged or broken, and no fork is left that the operator has not settled."""
    settled: tuple[str, ...]
    """Replicas that wrote two histories of which the operator admitted one."""
    report: Report


def _verify(ctx: Context, _request: Nothing) -> Verified:
    ctx.space.find_logs()
    report = verify_space(ctx.space)
    settled: tuple[str, ...] = ()
    if report.forks and report.whole:  # what is not whole cannot be folded to tell
        settled = tuple(one.replica for one in members(ctx.space) if one.forked == "settled")
    odds = {fork.replica for fork in report.forks}.difference(settled)
    return Verified(verified=report.whole and not odds, settled=settled, report=report)


def _show_verify(result: Verified) -> Iterator[str]:
    report = result.report
    yield (
        f"{report.entries} entries in {report.frames} frames of {report.logs} logs"
        f" ({report.bytes} bytes), {report.unsealed} not sealed yet"
    )
    for one in report.problems:
        yield f"{one.harm}: {one.replica[:12]} seq {one.seq}: {printable(one.reason)}"
    for fork in report.forks:
        ids = " and ".join(fork.ids)
        after = "; the operator has settled it" if fork.replica in result.settled else ""
        yield f"fork: {fork.replica[:12]} wrote two entries {fork.seq}: {ids}{after}"
    yield "everything verifies" if result.verified else "NOT everything verifies"


VERIFY = Operation(
    name="verify",
    request=Nothing,
    run=_verify,
    show=_show_verify,
    about="Verify every log from its first entry: signatures, hashes, order, content.",
    example="waggle verify",
    status=lambda result: 0 if result.verified else DAMAGED_STATUS,
)


class Rebuilt(Struct, frozen=True, kw_only=True):
    """The view was folded anew."""

    entries: int
    digest: str


def _rebuild(ctx: Context, _request: Nothing) -> Rebuilt:
    entries = ctx.space.rebuild()
    return Rebuilt(entries=entries, digest=ctx.space.digest()[2])


def _show_rebuilt(result: Rebuilt) -> Iterator[str]:
    yield f"folded {result.entries} entries; digest {result.digest}"


REBUILD = Operation(
    name="rebuild",
    request=Nothing,
    run=_rebuild,
    show=_show_rebuilt,
    about="Fold the view anew from logs and journal. It is disposable; nothing is lost.",
    example="waggle rebuild",
)


class Digest(Struct, frozen=True, kw_only=True):
    """The view's version, the admitted vector, and the digest of its rows."""

    version: str
    admitted: dict[str, int]
    digest: str


def _digest(ctx: Context, _request: Nothing) -> Digest:
    version, admitted, digest = ctx.space.digest()
    return Digest(
        version=version,
        admitted={replica: head.seq for replica, head in sorted(admitted.items())},
        digest=digest,
    )


def _show_digest(result: Digest) -> Iterator[str]:
    yield f"version {result.version}"
    yield from (f"{replica} {seq}" for replica, seq in result.admitted.items())
    yield result.digest


DIGEST = Operation(
    name="digest",
    request=Nothing,
    run=_digest,
    show=_show_digest,
    about="Print the admitted vector and the view's digest: equal vectors, equal digests.",
    example="waggle digest",
)
