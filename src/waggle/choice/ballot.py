"""The ballot: what a read needs of one task, in five queries, none of which scans votes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from waggle.base.ids import unique
from waggle.choice.weights import FamilyVotes, approval, authorship, rejection


class Standing(Struct, frozen=True):
    """A candidate with all that rules look at."""

    # The first fields are columns of `_CANDIDATES`, in its order.
    id: str
    author: str
    at: int
    commit: str | None
    base: str | None
    result: str
    size: int
    tokens: int | None
    confidence: int | None
    supersedes: str | None
    summary: str | None
    content: str
    ruled: int
    verdict: int
    flags: tuple[str, ...]
    family: str
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
        """The candidates that their own authors have not superseded, or that a ruling is for."""
        authors = {standing.id: standing.author for standing in self.standings}
        ruled_for = {ruling.candidate for ruling in self.rulings[:1]}
        gone = {
            standing.supersedes
            for standing in self.standings
            if standing.supersedes and authors.get(standing.supersedes) == standing.author
        }
        gone -= ruled_for
        return tuple(standing for standing in self.standings if standing.id not in gone)


_CANDIDATES = """SELECT c.n, c.family, c.bin, c.flags, c.id, a.text, c.at, c.commit_id, c.base,
  c.result, c.size, c.tokens, c.confidence, c.supersedes, c.summary, c.content, c.ruled, c.verdict
  FROM candidate c JOIN name a ON a.n = c.author WHERE c.task = ?"""
_TALLY = ("candidate", "family", "n", "ups", "downs", "pro", "con")
_VOTES = f"""SELECT {", ".join(f"json_group_array(t.{column})" for column in _TALLY)}
  FROM candidate c JOIN tally t ON t.candidate = c.n WHERE c.task = ? AND t.n > 0"""  # noqa: S608
"""One row, an array for each column: a thousand rows cost more to hand over than to find."""
_CHECKS = """SELECT r.candidate, max(r.passed), max(r.failed), min(r.first_pass)
  FROM candidate c JOIN run r ON r.candidate = c.n AND r.checker <> c.author
  WHERE c.task = ? GROUP BY r.candidate, r.command, r.environment"""
_FAMILIES = """SELECT n, text, coalesce(tp, 0), coalesce(fp, 0), coalesce(tn, 0), coalesce(fn, 0),
  bin, right, wrong FROM json_each(?) JOIN name ON n = value LEFT JOIN voter_record v ON v.who = n
  LEFT JOIN author_record a ON a.who = n"""
_RULINGS = """SELECT candidate, reason, operator, made FROM ruling WHERE task = ?
  ORDER BY made DESC, operator DESC"""


_numbers = msgspec.json.Decoder(list[int]).decode


class _Family:
    """A family's name and records, read once for all that it voted on and brought."""

    __slots__ = ("approve", "bins", "name", "reject", "right", "voter", "wrong")

    def __init__(self, name: str, record: Sequence[int]) -> None:
        self.name = name
        self.approve, self.reject = approval(*record), rejection(*record)
        self.voter = (name, self.approve, self.reject)
        self.bins: dict[int, tuple[int, int]] = {}
        self.right = self.wrong = 0

    def authorship(self, decile: int) -> int:
        """Give the log-odds of a candidate whose author stated a confidence in this decile."""
        return authorship(*self.bins.get(decile, (0, 0)), self.right, self.wrong)


def _families(db: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, _Family]:
    """Give the families that a ballot meets, by number, in one query."""
    families: dict[int, _Family] = {}
    asked = f"[{','.join(map(str, numbers))}]"
    for number, name, *record, decile, right, wrong in db.execute(_FAMILIES, (asked,)):
        family = families.get(number)
        if family is None:
            family = families[number] = _Family(name, record)
        if decile is not None:
            family.bins[decile] = (right, wrong)
            family.right += right
            family.wrong += wrong
    return families


def read(db: sqlite3.Connection, task: str) -> Ballot:
    """Read a task's ballot from a view that is caught up; equal entries give equal ballots."""
    if db.in_transaction:
        return _read(db, task)
    # One snapshot: another process may fold, or fold anew, between two of our queries.
    db.execute("BEGIN")
    try:
        return _read(db, task)
    finally:
        db.execute("COMMIT")


def _read(db: sqlite3.Connection, task: str) -> Ballot:
    tally = [_numbers(column) for column in db.execute(_VOTES, (task,)).fetchone()]
    candidates = db.execute(_CANDIDATES, (task,)).fetchall()
    families = _families(db, {*tally[1], *(row[1] for row in candidates)})
    votes: dict[int, list[FamilyVotes]] = {}
    last, cells = -1, []
    for number, voters, n, ups, downs, pro, con in zip(*tally, strict=True):
        name, approve, reject = families[voters].voter
        row = FamilyVotes(name, n, ups, downs, pro, con, approve, reject)
        if number != last:
            last, cells = number, votes.setdefault(number, [])
        cells.append(row)
    for cells in votes.values():
        cells.sort(key=_family_name)
    checks: dict[int, list[tuple[int, int, int]]] = {}
    for number, passed, failed, first in db.execute(_CHECKS, (task,)):
        checks.setdefault(number, []).append((passed, failed, first))
    standings = [
        _standing(row, families[family], decile, votes.get(number, ()), checks.get(number, ()))
        for number, family, decile, *row in candidates
    ]
    standings.sort(key=_id)
    return Ballot(
        task, tuple(standings), tuple(Ruled(*row) for row in db.execute(_RULINGS, (task,)))
    )


_family_name, _id = attrgetter("family"), attrgetter("id")


def _standing(
    row: Sequence[Any],
    family: _Family,
    decile: int,
    votes: Iterable[FamilyVotes],
    checks: Sequence[tuple[int, int, int]],
) -> Standing:
    """Make a standing of what `_CANDIDATES` gives from the flags on: its fields, in their order."""
    flags, *fields = row
    failed = sum([1 for _, bad, _ in checks if bad]) if checks else 0
    flaky = sum([1 for good, bad, _ in checks if good and bad]) if failed else 0
    rest: tuple[Any, ...] = (
        () if flags == "[]" else tuple(msgspec.json.decode(flags)),
        family.name,
        family.authorship(decile),
        tuple(votes),
        len(checks) - failed,
        failed,
        flaky,
        max(first for _, _, first in checks) if checks and not failed else 0,
    )
    return Standing(*fields, *rest)


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
