"""Taking what other replicas say: verified, in order, within limits, held against all before.

A message is taken when its lines, put after what is known of their log, give the running hash that
its writer signed. Then it agrees with all that is known, whatever it claims about the part that
both have. Anything else that is validly signed is a gap or the sign of two histories. Lines that do
not give the signed hash prove nothing, because whoever passes a message on can put other lines
under the writer's head. So the head is kept, and the log has to pass through it.

Only the node listens, one process at a time (bell.claim); all others read (heard.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from waggle.log.chain import Link, follow
from waggle.log.said import Said, SignedHead, check_head, check_run
from waggle.store.frames.discovery import Log, Tip, tips_of
from waggle.store.frames.logs import Logs
from waggle.store.hearing import proofs
from waggle.store.hearing.known import EVERYWHERE, ContradictionError, Known, Run, differ, find, ids
from waggle.store.hearing.proofs import Side
from waggle.store.hearing.recording import Recorder
from waggle.store.own.journal import Journal

RUN_LINES_MAX = 65_536
"""Lines of one log that git has not brought yet. What goes beyond comes by git."""
RUN_BYTES_MAX = 32 * 1024 * 1024
"""The same in bytes, with LINE_BYTES for each line."""
LINE_BYTES = 256
"""What a line costs on disk besides its own bytes."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a message.

    `appended`: its new lines are held. `duplicate`: nothing in it is new. `gap`: lines before it
    are missing. `full`: its log is at a limit and waits for git. `refused`: it is not what its
    writer signed, or breaks the rules of logs. `forked`: its log has two histories, which is proved
    (proofs.py), and nothing is heard of it any more. `copied`: it is signed by this store's own key
    and this store never wrote it: a new identity has to be minted before the next append.
    """

    how: Literal["appended", "duplicate", "gap", "full", "refused", "forked", "copied"]
    count: int = 0
    """Lines that were appended."""
    ask: int | None = None
    """Where there is a number, the lines after this seq should be asked for."""
    reason: str = ""


class Listener(Recorder):
    """What was heard in one space, for the node, which adds to it. Use from one thread."""

    def __init__(self, store_dir: str, space: str, journal: Journal, logs: Logs) -> None:
        """Open the file, made anew where it is missing or damaged; raise `environment`."""
        super().__init__(store_dir, space, journal)
        self._logs = logs
        self._proved = set(proofs.proved(journal, space))
        for replica in self._proved & self.ends().keys():
            self.forget(replica)  # a crash came between keeping the proof and this

    def take(self, said: Said) -> Outcome:
        """Take a message, of whatever origin, and say what became of it.

        Raises `environment` where the disk is full or fails, `busy` where another process blocks
        the file or, for a proof, the journal.
        """
        head = said.head
        try:
            check_run(said)
        except ValueError as error:
            return _refused(str(error))
        if head.space != self.space:
            return _refused("it is of another space")
        self.journal.refresh()
        if head.replica == self.journal.replica:
            return self._own(head)
        log = (head.space, head.replica)
        tips = tips_of(self.journal, log)
        if len(tips) > 1 or head.replica in self._proved:
            return Outcome(how="forked", reason="its writer signed two histories before")
        tip = tips[0] if tips else None
        try:
            return self.guarded(lambda: self._hear(said, log, tip))
        except ContradictionError as found:
            return self._prove(log, found)

    def trim(self, replica: str) -> Outcome | None:
        """Drop what git has brought of a log by now; None where that agrees with what was heard.

        Call it after tips have moved. Raises what `take` does.
        """
        log = (self.space, replica)
        tips = tips_of(self.journal, log)
        if len(tips) > 1:
            self.forget(replica)
            return Outcome(how="forked", reason="git has two histories of it")

        def settle() -> None:
            with self.transaction() as db:
                self._known(db, log, tips[0] if tips else None)

        try:
            self.guarded(settle)
        except ContradictionError as found:
            return self._prove(log, found)
        return None

    def forget(self, replica: str) -> None:
        """Drop all that was heard of a log; raise what `take` does."""

        def drop() -> None:
            with self.transaction() as db:
                self.drop(db, replica)

        self.guarded(drop)

    # --- a message -------------------------------------------------------------------------

    def _own(self, head: SignedHead) -> Outcome:
        """Take an echo of this store's own words, or find that another speaks with its voice."""
        row = self.journal.db.execute(
            "SELECT id FROM entry WHERE space=? AND seq=?", (self.space, head.seq)
        ).fetchone()
        entry = row[0] if row else None
        if entry is None and head.seq <= self.journal.head(self.space)[0]:
            log = (self.space, head.replica)
            tips = tips_of(self.journal, log)
            frame = find(self._logs, log, tips[0], head.seq) if tips else None
            entry = frame[1] if frame else head.hash  # too old to be looked up: nothing is proved
        if entry == head.hash:
            return Outcome(how="duplicate")
        try:
            check_head(head)
        except ValueError as error:
            return _refused(str(error))
        proofs.note_copy(self.journal)
        return Outcome(how="copied", reason=f"another store wrote entry {head.seq} under our key")

    def _hear(self, said: Said, log: Log, tip: Tip | None) -> Outcome:
        head = said.head
        with self.transaction() as db:
            known = self._known(db, log, tip)
            base, end = known.run.base, known.run.seq
            if base <= head.seq <= end and known.id(head.seq) == head.hash:
                return Outcome(how="duplicate")
            try:
                check_head(head)
            except ValueError as error:
                return _refused(str(error))
            side = Side(id=head.hash, head=head)
            if head.seq <= end:
                known.meet(head.seq, side)
                return Outcome(how="duplicate")
            passed = self.ahead(db, known, end + 1, head.seq)
            if passed and passed[-1][0] == head.seq:
                differ(head.seq, passed[-1][1], side)
            if said.first > end + 1:
                self.keep_ahead(db, known, head)
                return Outcome(how="gap", ask=end)
            return self._continue(db, known, said, passed)

    def _continue(
        self, db: sqlite3.Connection, known: Known, said: Said, passed: Sequence[tuple[int, Side]]
    ) -> Outcome:
        """Take a message that starts no later than what is known ends, and goes on beyond it.

        `passed` are the heads that are kept of its log up to where it ends.
        """
        run, head = known.run, said.head
        rest = said.lines[run.seq + 1 - said.first :]
        links, refusal = follow(known.end(), rest)
        if refusal is None and links[-1].id == head.hash:
            for seq, kept in passed:
                after = tuple(link.line for link in links[seq - run.seq :])
                differ(seq, kept, Side(id=links[seq - run.seq - 1].id, head=head, lines=after))
            return self._append(db, known, head, links)
        _other_history(known, said)
        if refusal is not None and ids(run.id, rest)[-1] == head.hash:
            return _refused(f"entry {refusal.seq}: {refusal.reason}")
        self.keep_ahead(db, known, head)
        what = "its lines do not give the running hash that its writer signed"
        return Outcome(how="refused", ask=run.base, reason=what)

    def _append(
        self, db: sqlite3.Connection, known: Known, head: SignedHead, links: Sequence[Link]
    ) -> Outcome:
        run, replica = known.run, known.log[1]
        size = run.size + sum(len(link.line) + LINE_BYTES for link in links)
        if head.seq - run.base > RUN_LINES_MAX or size > RUN_BYTES_MAX:
            return Outcome(how="full", reason="so much of its log has to come by git first")
        self.make_room(db, known, size - run.size)
        signed = {head.seq: head.signature}
        db.executemany(
            "INSERT INTO line VALUES(?,?,?,?,?)",
            ((replica, link.seq, link.id, link.line, signed.get(link.seq)) for link in links),
        )
        db.execute("DELETE FROM ahead WHERE replica=? AND seq<=?", (replica, head.seq))
        at = links[-1].envelope.at
        self.save(db, known, Run(run.base, head.seq, head.hash, at, head.key, size))
        return Outcome(how="appended", count=len(links))

    # --- meeting git -----------------------------------------------------------------------

    def _known(self, db: sqlite3.Connection, log: Log, tip: Tip | None) -> Known:
        """Give what is known of a log. Invariant: what is heard begins where git ends."""
        run = self.run(db, log[1])
        known = Known(db, self._logs, log, tip, run)
        seq = tip[1] if tip else 0
        if run is None or run.base == seq:
            return known
        if run.base < seq:
            self._meet_git(db, known, seq)
            return self._rebase(db, known, seq)
        # The journal knows less of git than it did: it was restored from a backup.
        self.drop(db, log[1])
        return Known(db, self._logs, log, tip)

    def _meet_git(self, db: sqlite3.Connection, known: Known, seq: int) -> None:
        """Hold what was heard against what git has up to a seq; raise ContradictionError."""
        shared = min(seq, known.run.seq)
        frame = known.frame(shared, EVERYWHERE)
        if frame is not None:
            known.meet(shared, Side(id=frame[1], frame=frame[0]))
        for place, kept in self.ahead(db, known, 0, seq):
            frame = known.frame(place, EVERYWHERE)
            if frame is not None:
                differ(place, kept, Side(id=frame[1], frame=frame[0]))

    def _rebase(self, db: sqlite3.Connection, known: Known, seq: int) -> Known:
        """Let what is heard begin where git ends by now, at a seq."""
        run, log = known.run, known.log
        for table in ("line", "ahead"):
            db.execute(f"DELETE FROM {table} WHERE replica=? AND seq<=?", (log[1], seq))  # noqa: S608
        fresh = Known(db, self._logs, log, known.tip)
        if run.seq > seq:
            (size,) = db.execute(
                "SELECT sum(length(line) + ?) FROM line WHERE replica=?", (LINE_BYTES, log[1])
            ).fetchone()
            rest = replace(run, base=seq, size=size or 0)
        elif db.execute("SELECT 1 FROM ahead WHERE replica=?", log[1:]).fetchone():
            rest = replace(fresh.run, key=run.key)
        else:
            self.drop(db, log[1])
            return fresh
        self.save(db, known, rest)
        return Known(db, self._logs, log, known.tip, rest)

    def _prove(self, log: Log, found: ContradictionError) -> Outcome:
        """Keep the proof, and hear nothing of that log any more."""
        try:
            proofs.check(log, found.proof)
        except ValueError:
            # The file was damaged without SQLite's noticing: no honest writer pays for that.
            self.forget(log[1])
            return _refused("what was heard of its log before was damaged and is dropped")
        proofs.keep(self.journal, log, found.proof)
        self._proved = set(proofs.proved(self.journal, self.space))
        self.forget(log[1])
        return Outcome(how="forked", reason=str(found))


def _other_history(known: Known, said: Said) -> None:
    """Raise ContradictionError where a message's lines part from what is known and are signed.

    They are its writer's if they give the signed hash from where they start.
    """
    end = known.run.seq
    before = known.id(said.first - 1) if said.first <= end else None
    if before is None:
        return
    theirs = ids(before, said.lines)
    if theirs[-1] == said.head.hash:
        lines = said.lines[end + 1 - said.first :]
        known.meet(end, Side(id=theirs[end - said.first], head=said.head, lines=lines))


def _refused(reason: str) -> Outcome:
    return Outcome(how="refused", reason=reason)
