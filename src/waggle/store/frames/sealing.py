"""Sealing: journalled entries become one signed git commit, whatever kills us in between.

1. plan     the frame's boundary and parent are journalled (its time is its last entry's clock)
2. objects  blob, tree and commit are written and synced
3. ref      the replica's own ref is moved by compare-and-swap and synced
4. sealed   the journal notes the frame's id
5. trim     frames sealed earlier are read back whole while no `git gc` is at work, which might not
            have seen their ref; only then do their entries leave the journal

A crash before 4 leaves the plan, and the same plan gives the same bytes, so doing it again is
harmless. The newest frame always stays in the journal: if `git gc --prune=now` removes objects
between 2 and 3, or a disk loses them or the ref after 3, they are written again from there, by
the next sealing, be there anything new or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from waggle.base.clock import millis
from waggle.base.errors import WaggleError
from waggle.base.limits import FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.frame import (
    CONTENT_DIR,
    ENTRIES_FILE,
    Statement,
    commit_bytes,
    identity,
    message,
    signed_bytes,
)
from waggle.log.sshsig import sign
from waggle.store.own.identity import Identity
from waggle.store.own.journal import Journal
from waggle.store.repo.git import GitFailedError
from waggle.store.repo.keeping import let_go
from waggle.store.repo.leftovers import collecting

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects

REFS = "refs/waggle"
PHASES = ("plan", "planned", "objects", "ref", "sealed", "trim", "trimmed")
"""Where a crash can strike, in order; tests strike in each."""


class _Marks(Struct, frozen=True):
    at: int
    kind: str


_marks = msgspec.json.Decoder(_Marks).decode
"""What a frame's message needs of lines that this replica checked when it wrote them."""


class Plan(Struct, frozen=True):
    """A frame's boundary and parent, as journalled before any object is written."""

    space: str
    first: int
    last: int
    parent: str | None
    oid: str | None
    missing: tuple[str, ...] = ()
    """Commits that were to be carried but are gone; known only to the process that planned."""


class Sealed(Struct, frozen=True):
    """A frame that is in git: its commit and its first and last seq."""

    oid: str
    first: int
    last: int
    missing: tuple[str, ...] = ()
    """Commits that its entries carry but git had lost before the frame was planned."""


def ref_name(space: str, replica: str) -> str:
    """Give the ref of a replica's log."""
    return f"{REFS}/{space}/{replica}"


class Sealer:
    """Seals the log of one replica; the caller holds the store's sealing lock."""

    def __init__(
        self,
        journal: Journal,
        objects: Objects,
        owner: Identity,
        reached: Callable[[str], None],
    ) -> None:
        self.journal = journal
        self.objects = objects
        self.owner = owner
        self.reached = reached

    def seal(self, space: str) -> list[Sealed]:
        """Seal all that is journalled by now; give the new frames.

        What comes meanwhile waits for the next time: writers that do not pause would hold it up.
        """
        sealed: list[Sealed] = []
        end = self.journal.head(space)[0]
        while (plan := self._plan(space)) is not None:
            self.reached("planned")
            sealed.append(self._carry_out(plan))
            self.reached("sealed")
            self._trim(space, keep_from=plan.first)
            if plan.last >= end:
                break
        if not sealed:
            self._mend(space)
        return sealed

    def _mend(self, space: str) -> None:
        """Write again what git lost since: the frames that are still here, the newest one's ref."""
        row = self.journal.db.execute(
            "SELECT space, first, last, parent, oid FROM frame"
            " WHERE space=? AND oid IS NOT NULL ORDER BY first DESC LIMIT 1",
            (space,),
        ).fetchone()
        if row:
            plan = Plan(*row)
            self._trim(space, keep_from=plan.first)
            oid = self._read_back(plan)
            if self.objects.refs.get(ref_name(space, self.journal.replica)) != oid:
                self._point(plan, oid)

    def _plan(self, space: str) -> Plan | None:
        row = self.journal.db.execute(
            "SELECT space, first, last, parent, oid FROM frame WHERE space=? AND oid IS NULL",
            (space,),
        ).fetchone()
        if row:
            return Plan(*row)
        tip = self.journal.db.execute(
            "SELECT oid, seq FROM tip WHERE space=? AND replica=? ORDER BY seq DESC LIMIT 1",
            (space, self.journal.replica),
        ).fetchone()
        parent, after = tip or (None, 0)
        size, last = 0, after
        for seq, _, line in self.journal.read(space, after, FRAME_ENTRIES_MAX):
            size += len(line) + 1
            if last > after and size > FRAME_BYTES_MAX:
                break
            last = seq
        if last == after:
            return None
        carried = self._carried(space, after + 1, last)
        missing = tuple(commit for commit in carried if not self.objects.readable(commit))
        self.reached("plan")
        with self.journal.transaction() as db:
            db.execute("INSERT INTO frame VALUES(?,?,?,?,NULL)", (space, after + 1, last, parent))
            # A frame with a parent that nobody has could never be pushed, nor any frame after it.
            for commit in missing:
                db.execute(
                    "DELETE FROM carried WHERE space=? AND seq BETWEEN ? AND ? AND oid=?",
                    (space, after + 1, last, commit),
                )
        return Plan(space, after + 1, last, parent, None, missing)

    def _carried(self, space: str, first: int, last: int) -> list[str]:
        rows = self.journal.db.execute(
            "SELECT oid FROM carried WHERE space=? AND seq BETWEEN ? AND ? ORDER BY seq, oid",
            (space, first, last),
        ).fetchall()
        return list(dict.fromkeys(oid for (oid,) in rows))

    def _rows(self, plan: Plan) -> list[tuple[int, str, bytes]]:
        rows = self.journal.read(plan.space, plan.first - 1, plan.last - plan.first + 1)
        if [row[0] for row in rows] != list(range(plan.first, plan.last + 1)):
            raise WaggleError(
                "damaged",
                f"the journal lacks entries of {plan.first}-{plan.last} that are in no frame",
                "Keep journal.db as it is and run `waggle doctor`.",
            )
        return rows

    def _write(self, plan: Plan) -> str:
        """Write what is not there of a frame's objects; give its id, which is always the same."""
        rows = self._rows(plan)
        span = (plan.space, plan.first, plan.last)
        content = self.journal.db.execute(
            "SELECT seq, path, data FROM content WHERE space=? AND seq BETWEEN ? AND ?", span
        ).fetchall()
        files = {f"{CONTENT_DIR}/{seq}/{path}": data for seq, path, data in content}
        files[ENTRIES_FILE] = b"".join(line + b"\n" for _, _, line in rows)
        marks = [_marks(line) for _, _, line in rows]
        statement = Statement(
            space=plan.space,
            replica=self.journal.replica,
            first=plan.first,
            last=plan.last,
            hash=rows[-1][1],
        )
        parents = [plan.parent] if plan.parent else []
        parents += [oid for oid in self._carried(*span) if oid != plan.parent]
        unsigned = commit_bytes(
            tree=self.objects.tree(files),
            parents=parents,
            who=identity(self.journal.replica, millis(marks[-1].at) // 1000),
            text=message(statement, [mark.kind for mark in marks]),
        )
        signature = sign(self.owner.private_key(), unsigned)
        return self.objects.commit(signed_bytes(unsigned, signature))

    def _carry_out(self, plan: Plan) -> Sealed:
        oid = self._write(plan)
        self.objects.sync()
        self.reached("objects")
        self._point(plan, oid)
        self.reached("ref")
        own = (plan.space, self.journal.replica)
        with self.journal.transaction() as db:
            (last,) = db.execute(
                "SELECT id FROM entry WHERE space=? AND seq=?", (plan.space, plan.last)
            ).fetchone()
            db.execute(
                "UPDATE frame SET oid=? WHERE space=? AND first=?", (oid, plan.space, plan.first)
            )
            db.execute("DELETE FROM tip WHERE space=? AND replica=?", own)
            db.execute("INSERT INTO tip VALUES(?,?,?,?,?)", (*own, oid, plan.last, last))
        let_go(self.objects, self._carried(plan.space, plan.first, plan.last))
        return Sealed(oid, plan.first, plan.last, plan.missing)

    def _point(self, plan: Plan, oid: str) -> None:
        """Let the replica's ref point at a written frame, durably."""
        name = ref_name(plan.space, self.journal.replica)
        self.objects.refs.mend(name)
        try:
            self._move(name, oid, plan, self.objects.refs.get(name))
        except GitFailedError:
            # A concurrent `git gc --prune=now` may have removed what no ref held yet, and the
            # update-ref of a process that was killed may have come in between.
            self._write(plan)
            self.objects.sync()
            self._move(name, oid, plan, self.objects.refs.get(name))

    def _move(self, name: str, oid: str, plan: Plan, current: str | None) -> None:
        if current == oid:
            self.objects.refs.sync(name)
            return
        if current is not None and current != plan.parent and not self._behind(current, plan):
            raise WaggleError(
                "damaged",
                f"{name} points at {current[:12]}, which this journal did not write",
                "Run `waggle doctor`; it tells a restored backup from a damaged ref.",
            )
        self.objects.refs.move(name, oid, current)

    def _behind(self, current: str, plan: Plan) -> bool:
        # Somebody moved the ref back; what it lost is still an ancestor of our parent.
        if plan.parent is None:
            return False
        status, _ = self.objects.git.call(
            "merge-base", "--is-ancestor", current, plan.parent, ok=(0, 1, 128)
        )
        return status == 0

    def _trim(self, space: str, keep_from: int) -> None:
        """Let entries of older frames go, each after its frame was read back whole.

        A `git gc --prune=now` that looked at the refs before the frame's moved can still take it,
        so they stay while one is at work; one that starts later sees the ref.
        """
        if collecting(self.objects.common_dir):
            return
        rows = self.journal.db.execute(
            "SELECT space, first, last, parent, oid FROM frame"
            " WHERE space=? AND oid IS NOT NULL AND first<? ORDER BY first",
            (space, keep_from),
        ).fetchall()
        for row in rows:
            plan = Plan(*row)
            self._read_back(plan)
            self.reached("trim")
            span = (space, plan.last)
            with self.journal.transaction() as db:
                db.execute(
                    "DELETE FROM entry WHERE space=?1 AND seq<=?2"
                    " AND seq<(SELECT max(seq) FROM entry WHERE space=?1)",
                    span,
                )
                db.execute("DELETE FROM content WHERE space=? AND seq<=?", span)
                db.execute("DELETE FROM carried WHERE space=? AND seq<=?", span)
                db.execute("DELETE FROM frame WHERE space=? AND last<=?", span)
            self.reached("trimmed")

    def _read_back(self, plan: Plan) -> str:
        """Make sure that all of a sealed frame is in git as it was written; give its id.

        Writing it again compares every object with what it has to be, and mends what is not.
        """
        oid = plan.oid or ""
        if self._write(plan) != oid:
            raise WaggleError(
                "damaged",
                f"frame {oid[:12]} cannot be written the same again",
                "Keep the repository as it is and run `waggle verify`.",
            )
        self.objects.sync(reused=False)
        return oid

    def close(self, space: str) -> None:
        """Seal everything and read the last frame back too, so that the journal can be left.

        Raises `busy` while `git gc` is at work.
        """
        self.seal(space)
        if collecting(self.objects.common_dir):
            raise WaggleError(
                "busy",
                "`git gc` is at work, so frames cannot be known to be safe yet",
                "Repeat the command when it has ended; nothing is lost.",
            )
        self._trim(space, keep_from=2**62)
