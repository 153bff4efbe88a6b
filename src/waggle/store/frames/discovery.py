"""Up to where each log is verified: the journal's table `tip`, moved by what refs bring.

A tip is the end of a chain that was verified here from its first entry. A ref that shows less than
a tip is not obeyed; one that goes on from it moves it; one that left its chain is a fork, and both
ends are kept under refs of their own, so that git keeps the proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from waggle.base.ids import is_replica
from waggle.log.chain import Head, Refusal, start
from waggle.store.frames.logs import BadFrameError, Lacking, Logs
from waggle.store.frames.sealing import REFS
from waggle.store.own.journal import Journal
from waggle.store.repo.git import MissingObjectError

FORKS = "refs/waggle-fork"
FORK_ENDS_MAX = 8
"""Ends of one forked log that are kept: two prove it, more prove nothing else."""
MOVES_MAX = 256
"""Logs whose tips are moved at once: what was verified and not noted is lost by a crash."""

Log = tuple[str, str]
"""A log's name: its space and its replica."""
Tip = tuple[str, int, str]
"""The end of a chain that was verified: newest frame, last seq, its id."""
Kind = Literal["refused", "forked", "rewound", "stray"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something about a log that a person should see: where, and what.

    `refused`: something does not verify; `forked`: two histories are proved; `rewound`: a ref
    shows less than it did; `stray`: a ref that is no log's.
    """

    replica: str
    seq: int
    what: str
    kind: Kind


class Move(Struct, frozen=True, kw_only=True):
    """A new tip of a log, in place of those that its chain goes on from."""

    log: Log
    passed: tuple[str, ...]
    end: Tip


class Step(Struct, frozen=True, kw_only=True):
    """What a frame means for its log's tips.

    `moved`: it goes on from one; `same`: it is one; `behind`: a tip goes on from it; `stopped`:
    nothing new in it verifies; `forked`: it ends another history.
    """

    how: Literal["moved", "same", "behind", "stopped", "forked"]
    move: Move | None = None
    """What is to be noted of it: of `moved` and `forked`, unless too many ends are known."""
    findings: tuple[Finding, ...] = ()
    final: bool = False
    """Whether something is refused that no object which comes later can mend."""


class Moves:
    """Moves tips, those of MOVES_MAX logs at a time: each time is a durable transaction."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._moves: list[Move] = []

    def add(self, step: Step) -> None:
        """Take what a step moves; raise what `make` does."""
        if step.move is not None:
            self._moves.append(step.move)
        if len(self._moves) >= MOVES_MAX:
            self.make()

    def make(self) -> None:
        """Make the moves that are left; raise what `Journal.transaction` does."""
        moves, self._moves = self._moves, []
        if not moves:
            return
        with self._journal.transaction() as db:
            for one in moves:
                gone = [(*one.log, tip) for tip in one.passed]
                db.executemany("DELETE FROM tip WHERE space=? AND replica=? AND oid=?", gone)
                db.execute("INSERT INTO tip VALUES(?,?,?,?,?)", (*one.log, *one.end))


class _Survey(Struct, frozen=True, kw_only=True):
    """How a chain relates to the tips that are known."""

    end: Tip | None
    """The end of what verifies; None where nothing beyond the tip does."""
    passed: list[str]
    """The tips that this chain goes on from."""
    refusal: Refusal | None


def tips_of(journal: Journal, log: Log) -> list[Tip]:
    """Give the ends of a log that were verified here; more than one where it was forked."""
    return journal.db.execute(
        "SELECT oid, seq, id FROM tip WHERE space=? AND replica=? ORDER BY oid", log
    ).fetchall()


def discover(journal: Journal, logs: Logs, space: str) -> list[Finding]:
    """Look at this repository's own refs and move the tips to what verifies."""
    findings: list[Finding] = []
    moves = Moves(journal)
    prefix = f"{REFS}/{space}/"
    for name, oid in logs.objects.refs.under(prefix).items():
        replica = name.removeprefix(prefix)
        if not is_replica(replica):
            what = f"{name} names no replica"
            findings.append(Finding(replica=replica, seq=0, what=what, kind="stray"))
            continue
        step = examine(journal, logs, (space, replica), oid)
        moves.add(step)
        findings += step.findings
        if step.how == "behind":
            what, seq = "its ref went back; ours is kept", frame_end(logs, oid)
            findings.append(Finding(replica=replica, seq=seq, what=what, kind="rewound"))
    moves.make()
    return findings


def advance(journal: Journal, logs: Logs, log: Log, oid: str) -> Step:
    """Verify the chain that ends in the frame `oid` and move its log's tips accordingly."""
    step = examine(journal, logs, log, oid)
    moves = Moves(journal)
    moves.add(step)
    moves.make()
    return step


def examine(journal: Journal, logs: Logs, log: Log, oid: str) -> Step:
    """Verify the chain that ends in the frame `oid`, and say how its log's tips are to be moved.

    What verifies before a bad frame counts, so that those who had it before it went bad and those
    who come later admit the same. Of a fork the ends get refs at once.
    """
    tips = tips_of(journal, log)
    if any(tip == oid for tip, _, _ in tips):
        return Step(how="same")
    if _passed_before(logs, tips, oid):
        return Step(how="behind")
    survey = _follow(logs, log, tips, oid)
    if survey.end is None:
        survey = _walk(logs, log, tips, oid, start(*log), [])
    findings = []
    final = survey.refusal is not None and not isinstance(survey.refusal, Lacking)
    if survey.refusal is not None:
        seq, reason = survey.refusal.seq, survey.refusal.reason
        findings.append(Finding(replica=log[1], seq=seq, what=reason, kind="refused"))
    if survey.end is None or survey.end[0] in {tip for tip, _, _ in tips}:
        return Step(how="stopped", findings=tuple(findings), final=final)
    if _known(logs, log, tips, survey.end):
        how: Literal["stopped", "behind"] = "stopped" if survey.refusal else "behind"
        return Step(how=how, findings=tuple(findings), final=final)
    new = Move(log=log, passed=tuple(survey.passed), end=survey.end)
    left = [tip for tip, _, _ in tips if tip not in survey.passed]
    if not left:
        return Step(how="moved", move=new, findings=tuple(findings), final=final)
    what = "it wrote two histories: both are kept, and it is admitted up to the fork"
    findings.append(Finding(replica=log[1], seq=survey.end[1], what=what, kind="forked"))
    room = len(left) < FORK_ENDS_MAX
    for known in (*left, survey.end[0]) if room else ():
        logs.objects.refs.point(f"{FORKS}/{log[0]}/{log[1]}/{known}", known)
    return Step(how="forked", move=new if room else None, findings=tuple(findings), final=final)


def frame_end(logs: Logs, oid: str) -> int:
    """Give the last seq that a commit states as a frame, not verified; 0 where it is none."""
    try:
        return next(logs.back(oid))[1].last
    except (BadFrameError, MissingObjectError):
        return 0  # verification says what is wrong with it


def _passed_before(logs: Logs, tips: Sequence[Tip], oid: str) -> bool:
    """Tell whether a frame is one that a tip's chain went through: then it is verified already.

    Costs a look at the frames between, so a remote that lags behind is not verified anew.
    """
    last = frame_end(logs, oid)
    try:
        for tip, seq, _ in tips:
            if not 0 < last <= seq:
                continue
            for here, stated in logs.back(tip):
                if here == oid:
                    return True
                if stated.last <= last:
                    break
    except (BadFrameError, MissingObjectError):
        return False  # walking it says what is wrong with it, and where
    return False


def _follow(logs: Logs, log: Log, tips: list[Tip], oid: str) -> _Survey:
    """Survey a chain from its only tip on: what is verified already is not read again."""
    if len(tips) != 1:
        return _Survey(end=None, passed=[], refusal=None)
    tip, seq, entry = tips[0]
    return _walk(logs, log, tips, oid, Head(seq, entry, logs.clock(tip)), [tip])


def _walk(
    logs: Logs, log: Log, tips: list[Tip], oid: str, after: Head, passed: list[str]
) -> _Survey:
    end = None
    waiting = {(seq, entry): tip for tip, seq, entry in tips if seq > after.seq}
    passed = list(passed)
    for part in logs.walk(oid, *log, after):
        if isinstance(part, Refusal):
            return _Survey(end=end, passed=passed, refusal=part)
        frame, links = part
        end = (frame, links[-1].seq, links[-1].id)
        if waiting:
            passed += [
                waiting[link.seq, link.id] for link in links if (link.seq, link.id) in waiting
            ]
    return _Survey(end=end, passed=passed, refusal=None)


def _known(logs: Logs, log: Log, tips: Sequence[Tip], end: Tip) -> bool:
    """Tell whether a tip's chain holds the very entry that another chain ends with."""
    _, seq, entry = end
    return any(known >= seq and _holds(logs, log, tip, seq, entry) for tip, known, _ in tips)


def _holds(logs: Logs, log: Log, tip: str, seq: int, entry: str) -> bool:
    for links in logs.read(tip, *log, start(*log)):
        if isinstance(links, Refusal):
            return False
        if links[-1].seq >= seq:
            return links[seq - links[0].seq].id == entry
    return False
