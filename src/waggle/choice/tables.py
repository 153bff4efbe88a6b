"""The tables of the choice, and the triggers that keep its sums.

The base tables are CRDTs: `candidate` and `ruling` grow or keep the latest, `vote` keeps a voter's
last and first vote, `run` keeps two bits that only rise. `tally`, `voter_record` and
`author_record` are sums over them, moved in the same statement that moves a row, so folding a
vote is O(1) and no read ever scans votes. Names are numbers (see store/views/view.py).
"""

from __future__ import annotations

_TRUTH = """(SELECT CASE WHEN c.ruled = 1 THEN 1 ELSE
    (SELECT CASE WHEN max(r.failed) THEN -1 WHEN max(r.passed) THEN 1 ELSE c.ruled END
     FROM run r WHERE r.candidate = c.n AND r.checker NOT IN (c.author, {but})) END
  FROM candidate c WHERE c.n = {candidate})"""
"""What is known of a candidate: 1 right, -1 wrong, 0 nothing; rulings first, then counted checks.

A check of the author's own counts for nothing, and a voter is not judged by checks it ran itself.
Pass and fail of one identity is flaky and counts as fail; not run is not fail.
"""


def truth(candidate: str, but: str = "0") -> str:
    """Give the SQL expression for a candidate's truth, leaving out the checks of `but`."""
    return _TRUTH.format(candidate=candidate, but=but)


_NOW = f"""iif(voter IN (SELECT checker FROM run WHERE candidate = ?1),
    {truth("?1", "vote.voter")}, ?2)"""  # noqa: S608 - put together from constants
"""What a vote on a candidate (?1) with this verdict (?2) is judged by.

A voter that ran checks on the candidate is judged without them.
"""
# The limit keeps SQLite from working out `now` anew for every column that is made of it.
_JUDGED = f"""(SELECT voter, family, score, truth AS was, {_NOW} AS now FROM vote
    WHERE candidate = ?1 AND counted LIMIT -1)"""  # noqa: S608 - put together from constants
_RECORD_UPSERT = """ON CONFLICT(who) DO UPDATE SET tp = tp + excluded.tp, fp = fp + excluded.fp,
    tn = tn + excluded.tn, fn = fn + excluded.fn"""


def _move_records(who: str, only: str = "") -> str:
    """Give the statement that moves records from what votes were judged by to what is now."""
    return f"""INSERT INTO voter_record SELECT {who},
    sum((score > 50) * ((now = 1) - (was = 1))), sum((score > 50) * ((now = -1) - (was = -1))),
    sum((score < 50) * ((now = -1) - (was = -1))), sum((score < 50) * ((now = 1) - (was = 1)))
  FROM {_JUDGED} WHERE now <> was {only} GROUP BY {who} {_RECORD_UPSERT}"""  # noqa: S608 - the same


VERDICT = f"SELECT verdict, {truth('?1')} FROM candidate WHERE n = ?1"  # noqa: S608 - the same
"""Give a candidate's (?1) verdict as it stands, and as it has to be."""
STALE = f"SELECT EXISTS(SELECT 1 FROM vote WHERE candidate = ?1 AND truth <> {_NOW})"  # noqa: S608
"""Tell whether a vote on a candidate (?1) is not judged by its truth now (verdict ?2)."""
SETTLE = (
    _move_records("voter"),
    _move_records("family", "AND family <> voter"),
    f"UPDATE vote SET truth = {_NOW} WHERE candidate = ?1",  # noqa: S608 - the same
)
"""Bring votes on a candidate (?1), and the records that rest on them, to its verdict (?2)."""


def _tally(row: str, sign: str) -> str:
    """Give the trigger's statement that adds or takes away one counted row of `vote`."""
    return f"""  INSERT INTO tally VALUES({row}.candidate, {row}.family, {sign}1,
    {sign}({row}.score > 50), {sign}({row}.score < 50),
    {sign}max({row}.score - 50, 0), {sign}max(50 - {row}.score, 0))
    ON CONFLICT(candidate, family) DO UPDATE SET n = n + excluded.n, ups = ups + excluded.ups,
      downs = downs + excluded.downs, pro = pro + excluded.pro, con = con + excluded.con;
"""


def _record(row: str, sign: str) -> str:
    """Give the trigger's statements that add or take away one judged row of `vote`."""
    statement = """  INSERT INTO voter_record SELECT {row}.{who},
    {sign}({row}.score > 50 AND {row}.truth = 1), {sign}({row}.score > 50 AND {row}.truth = -1),
    {sign}({row}.score < 50 AND {row}.truth = -1), {sign}({row}.score < 50 AND {row}.truth = 1)
    WHERE {row}.counted {only} {upsert};
"""
    only = f"AND {row}.family <> {row}.voter"
    return "".join(
        statement.format(row=row, sign=sign, who=who, only=condition, upsert=_RECORD_UPSERT)
        for who, condition in (("voter", ""), ("family", only))
    )


def _author_sums(row: str, sign: str) -> str:
    statement = """  INSERT INTO author_record SELECT {row}.{who}, {row}.bin,
    {sign}({row}.verdict = 1), {sign}({row}.verdict = -1) WHERE {row}.verdict <> 0 {only}
    ON CONFLICT(who, bin) DO UPDATE SET
      right = right + excluded.right, wrong = wrong + excluded.wrong;
"""
    only = f"AND {row}.family <> {row}.author"
    return statement.format(row=row, sign=sign, who="author", only="") + statement.format(
        row=row, sign=sign, who="family", only=only
    )


SCHEMA = f"""
CREATE TABLE candidate(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
  author INTEGER NOT NULL, family INTEGER NOT NULL, bin INTEGER NOT NULL, at INTEGER NOT NULL,
  commit_id TEXT, base TEXT, result TEXT NOT NULL, size INTEGER NOT NULL, tokens INTEGER,
  confidence INTEGER, supersedes TEXT, flags TEXT NOT NULL, summary TEXT, content TEXT,
  ruled INTEGER NOT NULL DEFAULT 0, verdict INTEGER NOT NULL DEFAULT 0);
CREATE INDEX candidate_task ON candidate(task);
CREATE TABLE vote(candidate INTEGER, voter INTEGER, family INTEGER NOT NULL, score INTEGER NOT NULL,
  at INTEGER NOT NULL, first_score INTEGER NOT NULL, first_at INTEGER NOT NULL,
  reason TEXT NOT NULL, blind INTEGER NOT NULL, counted INTEGER NOT NULL, truth INTEGER NOT NULL,
  PRIMARY KEY(candidate, voter)) WITHOUT ROWID;
CREATE TABLE run(candidate INTEGER, checker INTEGER, command TEXT, environment TEXT,
  passed INTEGER NOT NULL, failed INTEGER NOT NULL, first_pass INTEGER NOT NULL,
  at INTEGER NOT NULL, exit INTEGER NOT NULL, duration_ms INTEGER NOT NULL, tail TEXT NOT NULL,
  PRIMARY KEY(candidate, checker, command, environment)) WITHOUT ROWID;
CREATE TABLE ruling(task TEXT, operator TEXT, made INTEGER NOT NULL, id TEXT NOT NULL,
  candidate TEXT, reason TEXT NOT NULL, PRIMARY KEY(task, operator)) WITHOUT ROWID;
CREATE TABLE tally(candidate INTEGER, family INTEGER, n INTEGER NOT NULL, ups INTEGER NOT NULL,
  downs INTEGER NOT NULL, pro INTEGER NOT NULL, con INTEGER NOT NULL,
  PRIMARY KEY(candidate, family)) WITHOUT ROWID;
CREATE TABLE voter_record(who INTEGER PRIMARY KEY, tp INTEGER NOT NULL, fp INTEGER NOT NULL,
  tn INTEGER NOT NULL, fn INTEGER NOT NULL);
CREATE TABLE author_record(who INTEGER, bin INTEGER, right INTEGER NOT NULL,
  wrong INTEGER NOT NULL, PRIMARY KEY(who, bin)) WITHOUT ROWID;
CREATE TRIGGER vote_cast AFTER INSERT ON vote WHEN new.counted BEGIN
{_tally("new", "+")}END;
CREATE TRIGGER vote_left AFTER UPDATE OF score, family, counted ON vote WHEN old.counted BEGIN
{_tally("old", "-")}END;
CREATE TRIGGER vote_came AFTER UPDATE OF score, family, counted ON vote WHEN new.counted BEGIN
{_tally("new", "+")}END;
CREATE TRIGGER judged_vote_cast AFTER INSERT ON vote WHEN new.truth <> 0 BEGIN
{_record("new", "+")}END;
CREATE TRIGGER judged_vote_changed AFTER UPDATE OF score, family, counted ON vote
WHEN new.truth <> 0 BEGIN
{_record("old", "-")}{_record("new", "+")}END;
CREATE TRIGGER candidate_judged AFTER UPDATE OF verdict ON candidate
WHEN old.verdict <> new.verdict BEGIN
{_author_sums("old", "-")}{_author_sums("new", "+")}END;
"""

CAST = f"""
INSERT INTO vote(candidate, voter, family, score, at, first_score, first_at, reason, blind,
  counted, truth)
VALUES(?1, ?2, ?3, ?4, ?5, ?4, ?5, ?6, ?7,
  coalesce((SELECT author <> ?2 FROM candidate WHERE n = ?1), 0),
  CASE WHEN EXISTS(SELECT 1 FROM run WHERE candidate = ?1 AND checker = ?2)
    THEN coalesce({truth("?1", "?2")}, 0)
    ELSE coalesce((SELECT verdict FROM candidate WHERE n = ?1), 0) END)
ON CONFLICT(candidate, voter) DO UPDATE SET
  family = iif(excluded.at > at, excluded.family, family),
  score = iif(excluded.at > at, excluded.score, score),
  reason = iif(excluded.at > at, excluded.reason, reason),
  blind = iif(excluded.at > at, excluded.blind, blind),
  first_score = iif(excluded.first_at < first_at, excluded.first_score, first_score),
  first_at = min(first_at, excluded.first_at),
  at = max(at, excluded.at)
"""  # noqa: S608 - put together from the constants above

RUN = """
INSERT INTO run VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT(candidate, checker, command, environment) DO UPDATE SET
  passed = max(passed, excluded.passed), failed = max(failed, excluded.failed),
  first_pass = min(first_pass, excluded.first_pass),
  exit = iif(excluded.at > at, excluded.exit, exit),
  duration_ms = iif(excluded.at > at, excluded.duration_ms, duration_ms),
  tail = iif(excluded.at > at, excluded.tail, tail),
  at = max(at, excluded.at)
"""

RULE = """
INSERT INTO ruling VALUES(?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT(task, operator) DO UPDATE SET made = excluded.made, id = excluded.id,
  candidate = excluded.candidate, reason = excluded.reason
WHERE (excluded.made, excluded.id) > (made, id)
"""

RULED = """
UPDATE candidate SET ruled = coalesce((
  SELECT CASE
    WHEN r.candidate = candidate.id OR candidate.result =
      (SELECT w.result FROM candidate w WHERE w.id = r.candidate AND w.task = r.task) THEN 1
    WHEN candidate.at >> 16 <= r.made THEN -1 ELSE 0 END
  FROM ruling r WHERE r.task = candidate.task ORDER BY made DESC, operator DESC LIMIT 1), 0)
WHERE task = ?1
"""
"""A ruling judges what was published before it: the named result right, the others wrong, unless
counted checks speak for them (see `truth`). Identical results are judged alike."""

DIGESTS = {
    "candidate": "SELECT c.id, task, a.text, f.text, at, commit_id, base, result, size, tokens,"
    " confidence, supersedes, flags, summary, content, ruled, verdict FROM candidate c"
    " JOIN name a ON a.n = c.author JOIN name f ON f.n = c.family ORDER BY c.id",
    "vote": "SELECT c.text, v.text, f.text, score, at, first_score, first_at, reason, blind,"
    " counted, truth FROM vote JOIN name c ON c.n = candidate JOIN name v ON v.n = voter"
    " JOIN name f ON f.n = family ORDER BY c.text, v.text",
    "run": "SELECT c.text, k.text, command, environment, passed, failed, first_pass, at, exit,"
    " duration_ms, tail FROM run JOIN name c ON c.n = candidate JOIN name k ON k.n = checker"
    " ORDER BY c.text, k.text, command, environment",
    "ruling": "SELECT * FROM ruling ORDER BY task, operator",
    "tally": "SELECT c.text, f.text, t.n, ups, downs, pro, con FROM tally t"
    " JOIN name c ON c.n = candidate JOIN name f ON f.n = family WHERE t.n > 0"
    " ORDER BY c.text, f.text",
    "voter_record": "SELECT text, tp, fp, tn, fn FROM voter_record JOIN name ON name.n = who"
    " WHERE tp + fp + tn + fn > 0 ORDER BY text",
    "author_record": "SELECT text, bin, right, wrong FROM author_record JOIN name ON name.n = who"
    " WHERE right + wrong > 0 ORDER BY text, bin",
}
