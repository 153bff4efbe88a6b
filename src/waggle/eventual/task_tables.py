"""The tables of the task set.

What entries say is kept in grow-only tables (`task_superseded`, `task_removed`, `task_lease`,
`task_taken_over`) and in `task_head` and `task_claim`, which are pure functions of the set of
entries. The columns of `task` after `body`, and `task_dep`, `task_label` and `task_word`, are
worked out of these, anew for every task that a batch touches, so that a read costs what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping

READY = "visible = 1 AND state = 'open' AND blockers = 0"
"""The condition of a ready task; the index of the same condition serves only these very words."""
BLOCKED = "visible = 1 AND state = 'open' AND blockers > 0"

SCHEMA = f"""
CREATE TABLE task(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, by TEXT NOT NULL,
  at INTEGER NOT NULL, body TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0, now TEXT,
  priority INTEGER NOT NULL DEFAULT 5, state TEXT NOT NULL DEFAULT 'open',
  visible INTEGER NOT NULL DEFAULT 1, conflicts INTEGER NOT NULL DEFAULT 0,
  blockers INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0);
CREATE INDEX task_at ON task(at) WHERE visible = 1;
CREATE INDEX task_state ON task(state, priority, at) WHERE visible = 1;
CREATE INDEX task_ready ON task(priority, at) WHERE {READY};
CREATE INDEX task_blocked ON task(priority, at) WHERE {BLOCKED};
CREATE INDEX task_conflict ON task(priority, at) WHERE visible = 1 AND conflicts > 0;
CREATE TABLE task_head(task TEXT, field TEXT, id TEXT, at INTEGER NOT NULL, by TEXT NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY(task, field, id)) WITHOUT ROWID;
CREATE TABLE task_superseded(task TEXT, field TEXT, id TEXT, PRIMARY KEY(task, field, id))
  WITHOUT ROWID;
CREATE TABLE task_removed(task TEXT, id TEXT, by TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(task, id)) WITHOUT ROWID;
CREATE TABLE task_dep(task TEXT, needs TEXT, PRIMARY KEY(task, needs)) WITHOUT ROWID;
CREATE INDEX task_needed ON task_dep(needs);
CREATE TABLE task_label(label TEXT, n INTEGER, PRIMARY KEY(label, n)) WITHOUT ROWID;
CREATE TABLE task_word(word INTEGER, n INTEGER, PRIMARY KEY(word, n)) WITHOUT ROWID;
CREATE TABLE task_claim(id TEXT PRIMARY KEY, task TEXT NOT NULL, by TEXT NOT NULL,
  at INTEGER NOT NULL, ends_ms INTEGER NOT NULL, taken_over INTEGER NOT NULL,
  released INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX claim_task ON task_claim(task, ends_ms) WHERE released = 0;
CREATE INDEX claim_live ON task_claim(ends_ms) WHERE released = 0;
CREATE INDEX claim_by ON task_claim(by, ends_ms) WHERE released = 0;
CREATE TABLE task_lease(claim TEXT, by TEXT, ends_ms INTEGER NOT NULL, released INTEGER NOT NULL,
  PRIMARY KEY(claim, by)) WITHOUT ROWID;
CREATE TABLE task_taken_over(task TEXT, claim TEXT, PRIMARY KEY(task, claim)) WITHOUT ROWID;
"""

DIGESTS: Mapping[str, str] = {
    "task": "SELECT id, by, at, body, seq, now, priority, state, visible, conflicts, blockers, gone"
    " FROM task ORDER BY id",
    "task_head": "SELECT * FROM task_head ORDER BY task, field, id",
    "task_superseded": "SELECT * FROM task_superseded ORDER BY task, field, id",
    "task_removed": "SELECT * FROM task_removed ORDER BY task, id",
    "task_dep": "SELECT * FROM task_dep ORDER BY task, needs",
    "task_label": "SELECT label, id FROM task_label JOIN task USING(n) ORDER BY label, id",
    "task_word": "SELECT word, id FROM task_word JOIN task USING(n) ORDER BY word, id",
    "task_claim": "SELECT * FROM task_claim ORDER BY id",
    "task_lease": "SELECT * FROM task_lease ORDER BY claim, by",
    "task_taken_over": "SELECT * FROM task_taken_over ORDER BY task, claim",
}
