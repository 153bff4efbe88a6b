"""Who takes part: agents join and leave by entries, and renew by beats that leave no history.

Per agent of a replica, the last join and the last leave: two last-writer-wins maps (Shapiro,
Preguica, Baquero, Zawirski, "A comprehensive study of Convergent and Commutative Replicated Data
Types", 2011, section 3.2.1), whose clock is the log's stamp. One writer's stamps rise strictly, so
the later of the two says whether the agent is a member. Whether it is alive is no entry's business:
see presence.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Struct

from waggle.log.beat import LEASE_S, Lease
from waggle.log.entry import Body, Entry
from waggle.store.views.view import Tables

ROLES_MAX = 16
Role = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}\Z")]


class Join(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The agent that writes this takes part; its name, session, model and vendor are the entry's.

    The membership lapses when no beat renews it within the lease.
    """

    KIND: ClassVar[str] = "agent.join"
    roles: Annotated[tuple[Role, ...], Meta(max_length=ROLES_MAX)] = ()
    lease: Lease = LEASE_S
    """In seconds."""


class Leave(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The agent that writes this takes part no longer, until it joins again."""

    KIND: ClassVar[str] = "agent.leave"
    TEXTS: ClassVar[tuple[str, ...]] = ("reason",)
    reason: Annotated[str, Meta(max_length=1024)] = ""


class Membership(Struct, frozen=True, kw_only=True):
    """What the view knows of one agent."""

    replica: str
    name: str
    joined: int
    """The stamp of its last join, 0 where none is here."""
    left: int
    """The stamp of its last leave, 0 where none is here."""
    reason: str
    """Why it left."""
    session: str | None
    model: str | None
    vendor: str | None
    roles: tuple[str, ...]
    lease: int
    """In seconds."""

    @property
    def gone(self) -> bool:
        """Whether it left and has not joined again."""
        return self.left > self.joined


class MemberFold:
    """The fold of members; see store/views/view.py for what a fold promises."""

    name = "members"
    version = 1
    kinds: tuple[type[Body], ...] = (Join, Leave)
    schema = """
CREATE TABLE agent_member(replica TEXT, name TEXT, joined_at INTEGER NOT NULL,
  join_id TEXT NOT NULL, session TEXT, model TEXT, vendor TEXT, roles TEXT NOT NULL,
  lease INTEGER NOT NULL, left_at INTEGER NOT NULL, leave_id TEXT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY(replica, name)) WITHOUT ROWID;
"""
    digests: Mapping[str, str] = {
        "agent_member": "SELECT * FROM agent_member ORDER BY replica, name"
    }

    def apply(self, tables: Tables, entries: Sequence[Entry]) -> None:
        """Fold a batch: the last of each agent. Stamps are equal only across a fork; then ids."""
        joins, leaves = [], []
        for entry in entries:
            key, by, body = (entry.replica, entry.by.name, entry.at, entry.id), entry.by, entry.body
            if isinstance(body, Join):
                roles = msgspec.json.encode(body.roles).decode()
                joins.append((*key, by.session, by.model, by.vendor, roles, body.lease))
            elif isinstance(body, Leave):
                leaves.append((*key, body.reason))
        tables.db.executemany(_JOIN, joins)
        tables.db.executemany(_LEAVE, leaves)


MEMBER_FOLD = MemberFold()
_JOIN = """
INSERT INTO agent_member VALUES(?,?,?,?,?,?,?,?,?,0,'','')
ON CONFLICT(replica, name) DO UPDATE SET joined_at=excluded.joined_at, join_id=excluded.join_id,
  session=excluded.session, model=excluded.model, vendor=excluded.vendor, roles=excluded.roles,
  lease=excluded.lease
WHERE (excluded.joined_at, excluded.join_id) > (joined_at, join_id)
"""
_LEAVE = """
INSERT INTO agent_member VALUES(?,?,0,'',NULL,NULL,NULL,'[]',0,?,?,?)
ON CONFLICT(replica, name) DO UPDATE SET left_at=excluded.left_at, leave_id=excluded.leave_id,
  reason=excluded.reason
WHERE (excluded.left_at, excluded.leave_id) > (left_at, leave_id)
"""
_SELECT = (
    "SELECT replica, name, joined_at, left_at, reason, session, model, vendor, roles, lease"
    " FROM agent_member"
)
_roles = msgspec.json.Decoder(tuple[str, ...])
_Row = tuple[str, str, int, int, str, str | None, str | None, str | None, str, int]


def memberships(db: sqlite3.Connection) -> list[Membership]:
    """Give all agents that ever joined or left, by replica and name."""
    return [_membership(row) for row in db.execute(f"{_SELECT} ORDER BY replica, name")]


def membership(db: sqlite3.Connection, replica: str, name: str) -> Membership | None:
    """Give one agent, None where it never joined nor left."""
    query = f"{_SELECT} WHERE replica=? AND name=?"
    row = db.execute(query, (replica, name)).fetchone()
    return None if row is None else _membership(row)


def _membership(row: _Row) -> Membership:
    replica, name, joined, left, reason, session, model, vendor, roles, lease = row
    return Membership(
        replica=replica, name=name, joined=joined, left=left, reason=reason, session=session,
        model=model, vendor=vendor, roles=_roles.decode(roles), lease=lease,
    )  # fmt: skip
