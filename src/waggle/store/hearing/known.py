"""What is known of one log of another replica: verified in git first, heard live after that.

Both are asked the same question: which id does the log have at a seq, and who vouches for it?
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from waggle.base.ids import extend, genesis
from waggle.log.chain import Head
from waggle.log.entry import Id
from waggle.log.frame import ENTRIES_FILE, split_lines
from waggle.log.said import SignedHead
from waggle.store.frames.discovery import Log, Tip
from waggle.store.frames.logs import BadFrameError, Logs
from waggle.store.hearing.heard import DamagedError
from waggle.store.hearing.proofs import Proof, Side
from waggle.store.repo.git import MissingObjectError

LOOK_BACK_FRAMES = 64
"""How far back in git a head is looked up that somebody sends, perhaps again and again."""
EVERYWHERE = 2**62
"""As far back as the log goes: for what this store itself has to compare, once."""


class Run(Struct, frozen=True, array_like=True):
    """The lines that are heard of a log: those after seq `base` up to seq `seq`."""

    base: int
    seq: int
    id: Id
    """The running hash at `seq`."""
    at: int | None
    """The clock of the entry at `seq`; None where the frame there has to be asked."""
    key: bytes
    """The writer's public key, raw."""
    size: int
    """What it counts for in the limits."""


class ContradictionError(Exception):
    """Two histories of one log, with the proof."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(f"its writer signed two histories; they differ at seq {proof.seq}")
        self.proof = proof


def differ(seq: int, one: Side, other: Side) -> None:
    """Raise ContradictionError where two sides have different ids at a seq."""
    if one.id != other.id:
        raise ContradictionError(Proof(seq=seq, sides=(one, other)))


class Known:
    """What is known of one log, within a transaction on the file of what was heard."""

    def __init__(
        self, db: sqlite3.Connection, logs: Logs, log: Log, tip: Tip | None, run: Run | None = None
    ) -> None:
        self.log = log
        self.tip = tip
        self.new = run is None
        """Whether nothing of the log is stored yet."""
        seq, entry = (tip[1], tip[2]) if tip else (0, genesis(*log))
        at = None if tip else 0
        self.run = run or Run(base=seq, seq=seq, id=entry, at=at, key=b"", size=0)
        self._db = db
        self._logs = logs

    def end(self) -> Head:
        """Give the end of all that is known: what the next line has to follow."""
        at = self.run.at
        if at is None:
            at = self._logs.clock(self.tip[0]) if self.tip else 0
        return Head(self.run.seq, self.run.id, at)

    def id(self, seq: int) -> str | None:
        """Give the log's id at a seq up to the end; None where it would take too long to find.

        Raises DamagedError where it is said to have been heard and is not there.
        """
        if seq == self.run.seq:
            return self.run.id
        if seq > self.run.base:
            row = self._db.execute(
                "SELECT id FROM line WHERE replica=? AND seq=?", (self.log[1], seq)
            ).fetchone()
            if row is None:
                raise DamagedError(f"it lacks entry {seq} of {self.log[1][:12]}")
            return msgspec.convert(row[0], str)
        frame = self.frame(seq)
        return genesis(*self.log) if seq == 0 else frame and frame[1]

    def frame(self, seq: int, frames_max: int = LOOK_BACK_FRAMES) -> tuple[str, str] | None:
        """Give the frame that holds an entry, and the entry's id; None where git has it not."""
        if self.tip is None or not 0 < seq <= self.tip[1]:
            return None
        return find(self._logs, self.log, self.tip, seq, frames_max)

    def meet(self, seq: int, other: Side) -> None:
        """Hold another's word for the id at a seq up to the end against what is known.

        Raises ContradictionError where they differ. Where nothing is known, nothing is said.
        """
        entry = self.id(seq)
        if entry is None or entry == other.id:
            return
        side = self._heard(seq) if seq > self.run.base else self._framed(seq)
        if side is not None:
            differ(seq, side, other)

    def head(self, seq: int, entry: str, signature: bytes) -> SignedHead:
        """Give a signed head of this log that was taken before."""
        return SignedHead(
            space=self.log[0], replica=self.log[1], seq=seq, hash=entry, key=self.run.key,
            signature=signature,
        )  # fmt: skip

    def _heard(self, seq: int) -> Side | None:
        """Give the id at a seq that was heard, with the lines up to the next signed head."""
        rows = self._db.execute(
            "SELECT seq, id, line, signature FROM line WHERE replica=? AND seq>=? ORDER BY seq",
            (self.log[1], seq),
        )
        first, lines = "", []
        for row in rows:
            here, entry, line, signature = msgspec.convert(
                row, tuple[int, str, bytes, bytes | None]
            )
            if here == seq:
                first = entry
            else:
                lines.append(line)
            if signature is not None:
                head = self.head(here, entry, signature)
                return Side(id=first, head=head, lines=tuple(lines))
        return None

    def _framed(self, seq: int) -> Side | None:
        frame = self.frame(seq)
        return None if frame is None else Side(id=frame[1], frame=frame[0])


def ids(before: str, lines: Sequence[bytes]) -> list[str]:
    """Give the running hash at each of some lines."""
    found = []
    for line in lines:
        before = extend(before, line)
        found.append(before)
    return found


def find(
    logs: Logs, log: Log, tip: Tip, seq: int, frames_max: int = LOOK_BACK_FRAMES
) -> tuple[str, str] | None:
    """Give the frame that holds an entry of a chain that was verified, and the entry's id.

    None where it lies more than `frames_max` frames back, or its objects are gone.
    """
    oid, last, entry = tip
    if seq == last:
        return oid, entry
    found: tuple[str, int] | None = None
    before = genesis(*log)
    try:
        for number, (here, stated) in enumerate(logs.back(oid)):
            if number >= frames_max:
                return None
            if stated.last == seq:
                return here, stated.hash
            if stated.last < seq:
                before = stated.hash
                break
            if stated.first <= seq:
                found = here, stated.first
        if found is None:
            return None
        lines = split_lines(logs.objects.file(found[0], ENTRIES_FILE))
        return found[0], ids(before, lines[: seq - found[1] + 1])[-1]
    except (BadFrameError, MissingObjectError, ValueError):
        # The repository has lost what was verified: `waggle verify` says so, and where.
        return None
