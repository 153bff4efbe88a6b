"""What looks like a secret: kept under a local ref that is never pushed, and shown.

A secret that reached an append-only log would stay there. So a suspect draft is not appended but
held as a commit under refs/waggle-held, with what was found; only the operator releases it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import unique
from waggle.log.frame import CONTENT_DIR, commit_bytes, identity
from waggle.store.own.journal import Pending
from waggle.store.own.secrets import Finding

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects

HELD_REFS = "refs/waggle-held"
_DRAFT_FILE = "draft.json"


class Draft(Struct, frozen=True, kw_only=True):
    """A held draft: the line without its clock, its key, what it carries, what was found."""

    encoded: str
    key: str | None
    paths: list[str]
    commits: list[str]
    findings: list[Finding]


class Held(Struct, frozen=True, kw_only=True):
    """A draft with the commit that keeps it."""

    id: str
    draft: Draft


def hold(
    objects: Objects,
    space: str,
    pending: Pending,
    findings: Sequence[Finding],
    replica: str,
    wall_ms: int,
) -> str:
    """Keep a draft under a local ref and give its id (a commit)."""
    draft = Draft(
        encoded=pending.encoded.decode(),
        key=pending.key,
        paths=[*pending.content],
        commits=list(pending.commits),
        findings=list(findings),
    )
    files = {f"{CONTENT_DIR}/{path}": data for path, data in pending.content.items()}
    files[_DRAFT_FILE] = msgspec.json.encode(draft)
    commit = commit_bytes(
        tree=objects.tree(files),
        parents=pending.commits,
        who=identity(replica, wall_ms // 1000),
        text="waggle: held, it looks like a secret\n",
    )
    oid = objects.commit(commit)
    objects.sync()
    objects.refs.point(f"{HELD_REFS}/{space}/{oid}", oid)
    return oid


def listing(objects: Objects, space: str) -> list[Held]:
    """Give what is held, in the order of ids."""
    found = objects.refs.under(f"{HELD_REFS}/{space}/").values()
    return [
        Held(id=oid, draft=msgspec.json.decode(objects.file(oid, _DRAFT_FILE), type=Draft))
        for oid in sorted(found)
    ]


def take(objects: Objects, space: str, prefix: str) -> tuple[str, Pending]:
    """Give a held draft as it would have been appended; raise `not_found` or `ambiguous`."""
    drafts = {held.id: held.draft for held in listing(objects, space)}
    oid = unique(prefix, [oid for oid in drafts if oid.startswith(prefix)], "held draft")
    draft = drafts[oid]
    content = {path: objects.file(oid, f"{CONTENT_DIR}/{path}") for path in draft.paths}
    pending = Pending(
        draft.encoded.encode(),
        key=draft.key or f"released/{oid}",
        content=content,
        commits=draft.commits,
    )
    return oid, pending


def drop(objects: Objects, space: str, oid: str) -> None:
    """Let go of a draft that was released; its commit stays until git's own garbage collection."""
    objects.refs.drop([f"{HELD_REFS}/{space}/{oid}"])


def error(oid: str, findings: Sequence[Finding]) -> WaggleError:
    """Give the error that tells where the suspects are, never what they are."""
    places = "; ".join(f"{f.place}:{f.line} looks like {f.rule}" for f in findings[:5])
    more = f" and {len(findings) - 5} more" if len(findings) > 5 else ""
    return WaggleError(
        "held",
        f"{places}{more}; kept locally as {oid[:12]}, not in the log",
        "Take the secret out and repeat; if it is none, the operator runs "
        f"`waggle release {oid[:12]}`.",
    )
