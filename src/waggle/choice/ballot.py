"""The ballot: what a read needs of one task. Five queries, none of which scans votes."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from waggle.base.ids import unique
from waggle.choice.weights import approval, authorship, rejection


class FamilyVotes(Struct, frozen=True):
    """What one family's voters said of a candidate, and what its record makes of it."""

    family: int
    n: int
    total: int
    ups: int
    downs: int
    approve: int
    reject: int


class Standing(Struct, frozen=True, kw_only=True):
    """A candidate with all that rules look at."""

    id: str
    author: str
    family: int
    at: int
    commit: str | None
    base: str | None
    result: str
    size: int
    tokens: int | None
    confidence: int | None
    supersedes: str | None
    flags: tuple[str, ...]
    summary: str | None
    content: str
    ruled: int
    verdict: int
    authorship: int
    """Log-odds that this author's candidate is right, in units of 2**-16 bits."""
    votes: tuple[FamilyVotes, ...] = ()
    passed: int = 0
    failed: int = 0
    flaky: int = 0
    passed_at: int = 0
    """When its last check first passed; 0 while one fails or none ran."""

    @property
    def n_votes(self) -> int:
        """How many voters it has."""
        return sum(votes.n for votes in self.votes)


class Ruled(Struct, frozen=True):
    """A ruling that counts: which candidate (None: none is good enough), why, by whom, when."""

    candidate: str | None
    reason: str
    operator: str
    made: int


class Ballot(Struct, frozen=True):
    """All candidates of a task and its rulings, the latest first."""

    task: str
    standings: tuple[Standing, ...]
    rulings: tuple[Ruled, ...] = ()

    @property
    def current(self) -> tuple[Standing, ...]:
        """The candidates that their own authors have not superseded."""
        authors = {standing.id: standing.author for standing in self.standings}
        gone = {
            standing.supersedes
            for standing in self.standings
            if standing.supersedes and authors.get(standing.supersedes) == standing.author
        }
        return tuple(standing for standing in self.standings if standing.id not in gone)


_CANDIDATES = """SELECT c.n, c.id, a.text, c.family, c.at, c.commit_id, c.base, c.result, c.size,
  c.tokens, c.confidence, c.supersedes, c.flags, c.summary, c.content, c.ruled, c.verdict, c.bin
  FROM candidate c JOIN name a ON a.n = c.author WHERE c.task = ?"""
_VOTES = """SELECT t.candidate, t.family, t.n, t.total, t.ups, t.downs,
  coalesce(r.tp, 0), coalesce(r.fp, 0), coalesce(r.tn, 0), coalesce(r.fn, 0)
  FROM candidate c JOIN tally t ON t.candidate = c.n LEFT JOIN voter_record r ON r.who = t.family
  WHERE c.task = ? AND t.n > 0 ORDER BY t.candidate, t.family"""
_CHECKS = """SELECT r.candidate, max(r.passed), max(r.failed), min(r.first_pass)
  FROM candidate c JOIN run r ON r.candidate = c.n AND r.checker <> c.author
  WHERE c.task = ? GROUP BY r.candidate, r.command, r.environment"""
_AUTHORS = """SELECT who, bin, right, wrong FROM author_record
  WHERE who IN (SELECT family FROM candidate WHERE task = ?)"""
_RULINGS = """SELECT candidate, reason, operator, made FROM ruling WHERE task = ?
  ORDER BY made DESC, operator DESC"""


def read(db: sqlite3.Connection, task: str) -> Ballot:
    """Read a task's ballot from a view that is caught up."""
    votes: dict[int, list[FamilyVotes]] = {}
    for number, family, n, total, ups, downs, *record in db.execute(_VOTES, (task,)):
        votes.setdefault(number, []).append(
            FamilyVotes(family, n, total, ups, downs, approval(*record), rejection(*record))
        )
    checks: dict[int, list[tuple[int, int, int]]] = {}
    for number, passed, failed, first in db.execute(_CHECKS, (task,)):
        checks.setdefault(number, []).append((passed, failed, first))
    records: dict[int, dict[int, tuple[int, int]]] = {}
    for who, decile, right, wrong in db.execute(_AUTHORS, (task,)):
        records.setdefault(who, {})[decile] = (right, wrong)
    standings = tuple(
        _standing(row, votes.get(row[0], ()), checks.get(row[0], ()), records.get(row[3], {}))
        for row in db.execute(_CANDIDATES, (task,))
    )
    rulings = tuple(Ruled(*row) for row in db.execute(_RULINGS, (task,)))
    return Ballot(task, tuple(sorted(standings, key=lambda standing: standing.id)), rulings)


def _standing(
    row: tuple[int, str, str, int, int, str | None, str | None, str, int, int | None, int | None,
               str | None, str, str | None, str, int, int, int],
    votes: Sequence[FamilyVotes],
    checks: Sequence[tuple[int, int, int]],
    record: Mapping[int, tuple[int, int]],
) -> Standing:  # fmt: skip
    (_, entry, author, family, at, commit, base, result, size, tokens, confidence, supersedes,
     flags, summary, content, ruled, verdict, decile) = row  # fmt: skip
    right = sum(pair[0] for pair in record.values())
    wrong = sum(pair[1] for pair in record.values())
    failed = sum(1 for _, bad, _ in checks if bad)
    return Standing(
        id=entry,
        author=author,
        family=family,
        at=at,
        commit=commit,
        base=base,
        result=result,
        size=size,
        tokens=tokens,
        confidence=confidence,
        supersedes=supersedes,
        flags=() if flags == "[]" else tuple(msgspec.json.decode(flags)),
        summary=summary,
        content=content,
        ruled=ruled,
        verdict=verdict,
        authorship=authorship(*record.get(decile, (0, 0)), right, wrong),
        votes=tuple(votes),
        passed=sum(1 for good, bad, _ in checks if good and not bad),
        failed=failed,
        flaky=sum(1 for good, bad, _ in checks if good and bad),
        passed_at=max((first for _, _, first in checks), default=0) if not failed else 0,
    )


def first_approvals(db: sqlite3.Connection, task: str, electorate: Sequence[str]) -> dict[str, int]:
    """Give how many of the electorate approved each candidate in their first vote."""
    rows = db.execute(
        "SELECT c.id, count(*) FROM candidate c JOIN vote v ON v.candidate = c.n AND v.counted"
        " JOIN name n ON n.n = v.voter WHERE c.task = ? AND v.first_score > 50"
        " AND n.text IN (SELECT value FROM json_each(?)) GROUP BY c.id",
        (task, msgspec.json.encode(list(electorate)).decode()),
    )
    return dict(rows.fetchall())


def find_candidate(db: sqlite3.Connection, prefix: str) -> str:
    """Give the whole id of a candidate; raise `not_found` or `ambiguous`."""
    rows = db.execute(
        "SELECT id FROM candidate WHERE id >= ? AND id < ?", (prefix, prefix + "g")
    ).fetchall()
    return unique(prefix, [row[0] for row in rows], "candidate")


def task_of(db: sqlite3.Connection, candidate: str) -> str:
    """Give the task that a known candidate was proposed for."""
    return str(db.execute("SELECT task FROM candidate WHERE id=?", (candidate,)).fetchone()[0])
