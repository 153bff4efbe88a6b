"""Publishing: a commit, files or a text becomes a candidate, scanned, sized and sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from msgspec import Struct

from waggle.agents import worktree
from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import Task
from waggle.log.entry import Agent
from waggle.store.own.journal import Written
from waggle.store.space import Draft, Space


class Claims(Struct, frozen=True, kw_only=True):
    """What an author says of its candidate; an agent may write it as JSON to WAGGLE_REPORT."""

    confidence: int | None = None
    tokens: int | None = None
    summary: str | None = None


def _previous(space: Space, task: str, writer: str) -> tuple[str, str] | None:
    """Give (id, result) of this author's latest candidate for the task."""
    row = space.db.execute(
        "SELECT c.id, c.result FROM candidate c JOIN name n ON n.n = c.author"
        " WHERE c.task = ? AND n.text = ? ORDER BY c.at DESC LIMIT 1",
        (task, writer),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def publish_commit(
    space: Space,
    task: Task,
    commit: str,
    by: Agent,
    *,
    claims: Claims,
    flags: Sequence[str] = (),
    key: str | None = None,
) -> Written | None:
    """Publish a commit as a candidate; None where this author published the same result before.

    Raises `limit` (a file is too large), `held` (a secret is suspected), `invalid` (no change).
    """
    repository = space.repository
    base = task.body.base
    tree = worktree.tree_of(repository, commit)
    if base is not None:
        if tree == worktree.tree_of(repository, base):
            raise WaggleError(
                "invalid",
                "the candidate changes nothing against the task's base",
                "Change something, or vote for another candidate.",
            )
        large = worktree.oversized(repository, base, commit, space.config.content_bytes_max)
        if large:
            raise WaggleError(
                "limit",
                f"too large for a candidate: {', '.join(large[:5])}",
                "Leave these files out (.gitignore), or raise content_bytes_max in config.toml.",
            )
    previous = _previous(space, task.id, f"{space.replica}/{by.name}")
    if previous is not None and previous[1] == tree:
        return None
    diff = worktree.difference(repository, base, commit)
    body = Candidate(
        task=task.id,
        commit=commit,
        base=base,
        result=tree,
        size=len(diff.encode()),
        tokens=claims.tokens,
        confidence=claims.confidence,
        supersedes=previous[0] if previous else None,
        flags=tuple(flags),
        summary=claims.summary,
    )
    written = space.append(Draft(body=body, key=key, commits=(commit,), diff=diff), by)
    space.seal()
    return written


def publish_content(
    space: Space,
    task: Task,
    by: Agent,
    *,
    text: str | None,
    files: Mapping[str, bytes],
    claims: Claims,
    key: str | None = None,
) -> Written:
    """Publish a text, or files by their paths, as a candidate."""
    hasher = blake2b(digest_size=20)
    for path, data in sorted(files.items()):
        hasher.update(f"{path}\0{len(data)}\0".encode())
        hasher.update(data)
    hasher.update((text or "").encode(errors="surrogatepass"))
    previous = _previous(space, task.id, f"{space.replica}/{by.name}")
    body = Candidate(
        task=task.id,
        files=tuple(sorted(files)),
        text=text,
        result=hasher.hexdigest(),
        size=sum(map(len, files.values())) + len((text or "").encode(errors="surrogatepass")),
        tokens=claims.tokens,
        confidence=claims.confidence,
        supersedes=previous[0] if previous else None,
        summary=claims.summary,
    )
    written = space.append(Draft(body=body, key=key, content=dict(files)), by)
    space.seal()
    return written
