"""The tables of facts, the full-text index over them, and what folding a fact writes.

`fact_register` and `fact` grow; of a fact only `until` moves, and only down. The index follows: a
head's words come in with its row and go out when something supersedes it. No trigger does that:
each would open a savepoint, on which FTS5 writes out what it has gathered, three times as slow.
"""

from __future__ import annotations

ALWAYS = 2**63 - 1
"""The `until` of a fact that nothing supersedes: a head."""
HEAD = f"until = {ALWAYS}"
_REGISTER = "(SELECT n FROM fact_register WHERE entity = ?2 AND attribute = ?3)"
SCHEMA = f"""
CREATE TABLE fact_register(n INTEGER PRIMARY KEY, entity TEXT NOT NULL, attribute TEXT NOT NULL,
  conflict INTEGER NOT NULL DEFAULT 0, UNIQUE(entity, attribute));
CREATE INDEX fact_conflict ON fact_register(entity, attribute) WHERE conflict;
CREATE TABLE fact(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, register INTEGER NOT NULL,
  at INTEGER NOT NULL, until INTEGER NOT NULL, writer INTEGER NOT NULL, mark INTEGER NOT NULL,
  value TEXT, source TEXT, supersedes TEXT NOT NULL);
CREATE INDEX fact_time ON fact(register, at);
CREATE INDEX fact_head ON fact(register, mark) WHERE {HEAD};
CREATE TABLE fact_awaited(id TEXT, register INTEGER, until INTEGER NOT NULL,
  PRIMARY KEY(id, register)) WITHOUT ROWID;
CREATE VIRTUAL TABLE fact_index USING fts5(entity, attribute, value, content='',
  tokenize='unicode61 remove_diacritics 2');
"""
"""`mark` is a digest of the value, so that an index finds heads that differ, whatever their number
and length. `fact_awaited` holds what supersedes facts that are not here yet. `fact_index` holds
the words of the heads' values, for searching, and no second copy of the text (`content=''`)."""

REGISTER = "INSERT OR IGNORE INTO fact_register(entity, attribute) VALUES(?,?)"
ADD = f"""
INSERT OR IGNORE INTO fact(id, register, at, until, writer, mark, value, source, supersedes)
SELECT ?1, r.n, ?4, min(?5, coalesce(
  (SELECT until FROM fact_awaited WHERE id = ?1 AND register = r.n), {ALWAYS})), ?6, ?7, ?8, ?9, ?10
FROM fact_register r WHERE r.entity = ?2 AND r.attribute = ?3
"""  # noqa: S608 - put together from constants
ARRIVED = "DELETE FROM fact_awaited WHERE id = ?"
SUPERSEDE = f"""
UPDATE fact SET until = ?4 WHERE id = ?1 AND until > ?4 AND register = {_REGISTER}
"""  # noqa: S608 - the same
AWAIT = f"""
INSERT INTO fact_awaited SELECT ?1, {_REGISTER}, ?4
WHERE NOT EXISTS(SELECT 1 FROM fact WHERE id = ?1)
ON CONFLICT(id, register) DO UPDATE SET until = min(until, excluded.until)
"""  # noqa: S608 - the same
LAST = "SELECT coalesce(max(n), 0) FROM fact"
INDEX = f"""
INSERT INTO fact_index(rowid, entity, attribute, value)
SELECT f.n, entity, attribute, value FROM fact f JOIN fact_register r ON r.n = register
WHERE f.n > ? AND {HEAD} AND value IS NOT NULL
"""  # noqa: S608 - the same
"""Index the heads that came after the fact of number ?1."""
STALE = f"""
SELECT n, value FROM fact WHERE id = ?1 AND register = {_REGISTER} AND {HEAD}
AND value IS NOT NULL AND n <= ?4
"""  # noqa: S608 - the same
"""Give what the index holds of a head (?1 to ?3), of those up to number ?4."""
UNINDEX = """
INSERT INTO fact_index(fact_index, rowid, entity, attribute, value) VALUES('delete', ?, ?, ?, ?)
"""
_MARK = f"SELECT mark FROM fact WHERE register = fact_register.n AND {HEAD} ORDER BY mark"  # noqa: S608 - the same
# Two look-ups at the ends of an index, whatever the number of heads.
SETTLE = f"""
UPDATE fact_register SET conflict = NOT conflict WHERE entity = ?1 AND attribute = ?2
AND conflict <> coalesce(({_MARK} LIMIT 1) <> ({_MARK} DESC LIMIT 1), 0)
"""  # noqa: S608 - the same

DIGESTS = {
    "register": "SELECT entity, attribute, conflict FROM fact_register ORDER BY entity, attribute",
    "fact": "SELECT f.id, entity, attribute, at, until, w.text, mark, value, source,"
    " supersedes FROM fact f JOIN fact_register r ON r.n = register JOIN name w ON w.n = writer"
    " ORDER BY f.id",
    "awaited": "SELECT id, entity, attribute, until FROM fact_awaited JOIN fact_register r"
    " ON r.n = register ORDER BY id, entity, attribute",
}
