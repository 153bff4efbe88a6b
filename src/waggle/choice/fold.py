"""Folding candidates, votes, checks and rulings into the tables of the choice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from waggle.choice import tables as sql
from waggle.choice.kinds import (
    RULING_NAMESPACE,
    Candidate,
    Check,
    Ruling,
    Vote,
    family_of,
    ruling_statement,
)
from waggle.log.entry import Agent, Body, Entry
from waggle.store.views.view import Tables

_NEVER = 2**63 - 1


def confidence_bin(confidence: int | None) -> int:
    """Give the decile of a stated confidence (0 to 9), or -1 where none was stated."""
    return -1 if confidence is None else min(confidence // 10, 9)


class ChoiceFold:
    """The fold of the choice; see store/views/view.py for what a fold promises."""

    name = "choice"
    version = 3
    kinds: tuple[type[Body], ...] = (Candidate, Vote, Check, Ruling)
    schema = sql.SCHEMA
    digests: Mapping[str, str] = sql.DIGESTS

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch; rejudging happens once per candidate that a batch touches."""
        votes: list[tuple[object, ...]] = []
        voters: dict[tuple[str, Agent], tuple[int, int]] = {}
        touched: set[int] = set()
        ruled: set[str] = set()
        for entry in entries:
            body = entry.body
            if isinstance(body, Vote):
                who = (entry.replica, entry.by)
                numbers = voters.get(who)
                if numbers is None:
                    numbers = voters[who] = _voter(tables, entry)
                voter, family = numbers
                # Integers and texts alone: sqlite3 asks its adapters about every None and bool.
                reason, blind = body.reason or "", 1 if body.blind else 0
                candidate = tables.number(body.candidate)
                votes.append((candidate, voter, family, body.score, entry.at, reason, blind))
            elif isinstance(body, Candidate):
                _fold_candidate(tables, entry, body, touched, ruled)
            elif isinstance(body, Check):
                _fold_check(tables, entry, body, touched)
            elif isinstance(body, Ruling) and _fold_ruling(tables, entry, body):
                ruled.add(body.task)
        tables.db.executemany(sql.CAST, votes)
        for task in ruled:
            tables.db.execute(sql.RULED, (task,))
            touched.update(_candidates(tables.db, task))
        _rejudge(tables.db, touched)


CHOICE_FOLD = ChoiceFold()


def _voter(tables: Tables, entry: Entry) -> tuple[int, int]:
    """Give the numbers of a voter and of its family."""
    writer = entry.writer
    return tables.number(writer), tables.number(family_of(entry.by, writer))


def _fold_candidate(
    tables: Tables, entry: Entry, body: Candidate, touched: set[int], ruled: set[str]
) -> None:
    number, author = tables.number(entry.id), tables.number(entry.writer)
    content = msgspec.json.encode([*body.files] if body.files else body.text).decode()
    added = tables.db.execute(
        "INSERT OR IGNORE INTO candidate VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0)",
        (
            number,
            entry.id,
            body.task,
            author,
            tables.number(family_of(entry.by, entry.writer)),
            confidence_bin(body.confidence),
            entry.at,
            body.commit,
            body.base,
            body.result,
            body.size,
            body.tokens,
            body.confidence,
            body.supersedes,
            msgspec.json.encode(body.flags).decode(),
            body.summary,
            content,
        ),
    ).rowcount
    if not added:
        return
    # Votes that came before their candidate start to count now.
    tables.db.execute(
        "UPDATE vote SET counted = voter <> ?2 WHERE candidate = ?1", (number, author)
    )
    touched.add(number)
    if tables.db.execute("SELECT 1 FROM ruling WHERE task=?", (body.task,)).fetchone():
        ruled.add(body.task)


def _fold_check(tables: Tables, entry: Entry, body: Check, touched: set[int]) -> None:
    number = tables.number(body.candidate)
    passed = body.exit == 0
    tables.db.execute(
        sql.RUN,
        (
            number,
            tables.number(entry.writer),
            body.command,
            body.environment,
            passed,
            not passed,
            entry.at if passed else _NEVER,
            entry.at,
            body.exit,
            body.duration_ms,
            body.tail,
        ),
    )
    touched.add(number)


def _fold_ruling(tables: Tables, entry: Entry, body: Ruling) -> bool:
    """Fold a ruling if an operator of this store signed it; tell whether it counts."""
    from waggle.log.sshsig import public_text, verify

    if body.operator not in tables.operators:
        return False
    try:
        signer = verify(body.signature, ruling_statement(tables.space, body), RULING_NAMESPACE)
    except ValueError:
        # A signature that does not verify is no ruling; `waggle log` still shows the entry.
        return False
    if public_text(signer) != body.operator:
        return False
    values = (body.task, body.operator, body.made, entry.id, body.candidate, body.reason)
    tables.db.execute(sql.RULE, values)
    return True


def _candidates(db: sqlite3.Connection, task: str) -> Iterable[int]:
    return [n for (n,) in db.execute("SELECT n FROM candidate WHERE task=?", (task,))]


def _rejudge(db: sqlite3.Connection, candidates: Iterable[int]) -> None:
    """Bring verdicts, and the records that rest on them, up to what is known now.

    Costs one pass over a candidate's votes where its truth changed for a voter.
    """
    for number in candidates:
        row = db.execute(sql.VERDICT, (number,)).fetchone()
        if row is None:  # checks came before their candidate
            continue
        was, verdict = row
        if verdict != was:
            db.execute("UPDATE candidate SET verdict = ?2 WHERE n = ?1", (number, verdict))
        if db.execute(sql.STALE, (number, verdict)).fetchone()[0]:
            for statement in sql.SETTLE:
                db.execute(statement, (number, verdict))
