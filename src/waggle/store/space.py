"""A space of a store: append, seal, read. What every layer above uses.

Reads fold first (see folding.py), so an append costs its durable write and nothing else, and
every read sees the process's own writes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from waggle.base.clock import from_the_future
from waggle.base.errors import WaggleError
from waggle.base.ids import check_space
from waggle.base.limits import SEAL_ENTRIES
from waggle.log.chain import Head
from waggle.log.entry import Agent, Body, canonical, fields_of, validate
from waggle.log.line import body as encode_body
from waggle.log.line import check_key
from waggle.store import config
from waggle.store.frames.discovery import Finding as LogFinding
from waggle.store.frames.discovery import discover
from waggle.store.frames.logs import Logs
from waggle.store.frames.sealing import Sealed, Sealer
from waggle.store.frames.signers import refresh_signers
from waggle.store.hearing.heard import Heard
from waggle.store.outside import Outside
from waggle.store.own import held, minting
from waggle.store.own.identity import Identity
from waggle.store.own.journal import ClockAheadError, Journal, Pending, Written
from waggle.store.own.lock import locked
from waggle.store.own.secrets import Finding, scan_diff, scan_text
from waggle.store.repo.keeping import keep
from waggle.store.repo.locate import Repository
from waggle.store.views.admission import Policy
from waggle.store.views.counted import Counted
from waggle.store.views.folding import Folding
from waggle.store.views.reading import Reading
from waggle.store.views.view import Fold, View

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """Something to append: a body, its idempotency key, and what it carries into git."""

    body: Body
    key: str | None = None
    content: Mapping[str, bytes] = {}
    commits: Sequence[str] = ()
    diff: str = ""
    """What is new in the commits against their base; scanned, not stored."""


class Space:
    """One space of one store, open in this process. Use from one thread; close when done."""

    def __init__(
        self, repository: Repository, name: str, folds: Sequence[Fold], outside: Outside
    ) -> None:
        self.repository = repository
        self.name = check_space(name)
        self.outside = outside
        self.store_dir = repository.store_dir
        if not os.path.exists(os.path.join(self.store_dir, "journal.db")):
            raise WaggleError(
                "not_initialised",
                f"{repository.common_dir} has no waggle store yet",
                "Run `waggle init` once in this repository.",
            )
        self.config = config.load(self.store_dir)
        self.journal = Journal(self.store_dir)
        policy = Policy(
            listed=self.config.trust == "listed", trusted=frozenset(self.config.trusted)
        )
        operators = frozenset(self.config.operators)
        self.view = View(self.store_dir, name, folds, operators, policy)
        self.heard = Heard(self.store_dir, name)
        reading = Reading(name, self.journal, self.heard, lambda: self.objects)
        self.folding = Folding(reading, self.view, outside.now_ms)
        self._objects: Objects | None = None
        self._owner: Identity | None = None

    def close(self) -> None:
        """Close the files; what was acknowledged is durable already."""
        self.journal.close()
        self.heard.close()
        self.view.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def objects(self) -> Objects:
        """The git objects and refs; opening them imports libgit2, which plain reads need not."""
        if self._objects is None:
            from waggle.store.repo.objects import Objects

            self._objects = Objects(self.repository.common_dir)
        return self._objects

    @property
    def replica(self) -> str:
        """The replica that writes here."""
        return self.owner.replica

    @property
    def owner(self) -> Identity:
        """The identity that may write here, minted anew where this store is a copy."""
        if self._owner is None or self._owner.replica != self.journal.replica:
            self._owner = minting.current(self.store_dir, self.journal) or self._mint()
        return self._owner

    def _mint(self) -> Identity:
        with locked(self.store_dir, "seal"):
            self.journal.refresh()
            owner = minting.current(self.store_dir, self.journal)
            if owner is not None:
                return owner
            from waggle.store.frames.reclaim import reclaim  # it loads libgit2

            outside, journal = self.outside, self.journal
            sealed = {name: reclaim(self.objects, journal, name) for name in journal.spaces()}
            return minting.mint(self.store_dir, journal, outside.entropy, outside.now_ms(), sealed)

    # --- writing ---------------------------------------------------------------------------

    def append(self, draft: Draft, by: Agent) -> Written:
        """Append one entry durably; see `append_all`."""
        return self.append_all([draft], by)[0]

    def append_all(self, drafts: Sequence[Draft], by: Agent) -> list[Written]:
        """Append entries durably in one transaction: all of them, or none and an error.

        Raises `invalid`, `limit`, `held` (a secret is suspected), `environment`, `busy`: nothing
        was appended; `in_doubt`: it may have been.
        """
        who = by.fields()
        pending = [self._pending(draft, who) for draft in drafts]
        for draft, item in zip(drafts, pending, strict=True):
            self._hold_suspect(draft, item)
        return self.write(pending)

    def write(self, pending: Sequence[Pending]) -> list[Written]:
        """Append encoded lines; callers have validated and scanned them."""
        _ = self.owner
        carried = [oid for item in pending for oid in item.commits]
        if carried:
            keep(self.objects, carried)
        try:
            written = self._append(pending)
        except ClockAheadError:
            self._leave_the_future()
            written = self._append(pending)
        if written and written[-1].seq - self.journal.sealed(self.name) >= SEAL_ENTRIES:
            self.seal()
        return written

    def _append(self, pending: Sequence[Pending]) -> list[Written]:
        # What is written comes after all that this view has shown, on whatever device it was made.
        now_ms, seen_at = self.outside.now_ms(), self.view.latest()
        return self.journal.append(self.name, pending, now_ms, seen_at)

    def _pending(self, draft: Draft, who: Mapping[str, str]) -> Pending:
        for path, data in draft.content.items():
            _check_content(path, data, self.config.content_bytes_max)
        kind, key = draft.body.KIND, check_key(draft.key)
        encoded = encode_body(kind, who, fields_of(draft.body), key=key, encode=canonical)
        validate(self.folding.decoders[kind], encoded)
        return Pending(encoded, key, draft.content, draft.commits)

    def _hold_suspect(self, draft: Draft, item: Pending) -> None:
        findings = _scan_body(draft.body)
        if draft.diff:
            findings += scan_diff(draft.diff)
        for path, data in draft.content.items():
            findings += scan_text(data.decode(errors="replace"), place=path)
        if findings:
            oid = held.hold(
                self.objects, self.name, item, findings, self.replica, self.outside.now_ms()
            )
            raise held.error(oid, findings)

    def release(self, prefix: str) -> Written:
        """Append a held draft as it is: the operator has looked at it."""
        oid, pending = held.take(self.objects, self.name, prefix)
        written = self.write([pending])[0]
        held.drop(self.objects, self.name, oid)
        return written

    def _leave_the_future(self) -> None:
        """Go on as a new replica: this log is further ahead than clocks may drift."""
        with locked(self.store_dir, "seal"):
            head = self.journal.head(self.name)
            if not from_the_future(head[2], self.outside.now_ms()):
                return
            sealer = self._sealer()
            for (space,) in self.journal.db.execute("SELECT DISTINCT space FROM entry").fetchall():
                sealer.close(space)
            self._owner = minting.mint(
                self.store_dir, self.journal, self.outside.entropy, self.outside.now_ms()
            )

    def _sealer(self) -> Sealer:
        return Sealer(self.journal, self.objects, self.owner, self.outside.reached)

    def seal(self) -> list[Sealed]:
        """Turn what is journalled into signed frames in git; give the new frames."""
        _ = self.owner
        with locked(self.store_dir, "seal"):
            self.journal.refresh()
            return self._sealer().seal(self.name)

    # --- reading ---------------------------------------------------------------------------

    @property
    def db(self) -> sqlite3.Connection:
        """The view's tables, caught up: what queries of the layers above read."""
        self.folding.catch_up()
        return self.view.db

    @property
    def counted(self) -> Counted:
        """The entries of each log that count, caught up."""
        self.folding.catch_up()
        return self.folding.counted

    def find_logs(self) -> list[LogFinding]:
        """Look at the refs for logs and frames that came by themselves; give what is wrong."""
        with locked(self.store_dir, "seal"):
            logs = Logs(self.objects)
            findings = discover(self.journal, logs, self.name)
            refresh_signers(self.journal, logs)
        self.doubt_owner()
        return findings

    def doubt_owner(self) -> None:
        """Look again who writes here: what came may show that this store went back (minting)."""
        self._owner = None

    def rebuild(self) -> int:
        """Fold everything again from logs and journal; give how many entries were admitted."""
        self.find_logs()
        return self.folding.rebuild()

    def digest(self) -> tuple[str, dict[str, Head], str]:
        """Give the view's version, the admitted vector and the digest, caught up first."""
        self.folding.catch_up()
        return self.view.version, self.view.admitted(), self.view.digest()


def _scan_body(value: Body) -> list[Finding]:
    findings: list[Finding] = []
    for name in value.TEXTS:
        text = getattr(value, name)
        if not text:
            continue
        for part in text if isinstance(text, (list, tuple)) else (text,):
            if isinstance(part, str) and part:
                findings += scan_text(part, place=name)
    return findings


def _check_content(path: str, data: bytes, limit: int) -> None:
    parts = path.split("/")
    if not path or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise WaggleError(
            "invalid",
            f"{path!r} is no path within a candidate",
            "Use a relative path without `..`.",
        )
    if ".git" in {part.lower() for part in parts}:
        raise WaggleError("invalid", f"{path!r} lies in a .git folder", "Leave that file out.")
    if len(data) > limit:
        raise WaggleError(
            "limit",
            f"{path} has {len(data)} bytes; the limit is {limit}",
            "Leave the file out, or raise content_bytes_max in .git/waggle/config.toml.",
        )
