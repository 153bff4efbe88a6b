"""Other replicas' lines that came by the live path before git brought their frames.

One SQLite file a space, `heard/<space>.db`, written by the node (listening.py) and read by every
process. For each log it holds one run of lines without gaps, from where the log was verified in
git, and the signatures of the heads among them. All of it is disposable: git brings every line
again, and so does a question to its writer. So a file that is damaged, or that a power cut has set
back, is worth nothing more than its loss: a reader finds nothing in it, and the node makes it anew.

    in git, verified (the journal's table `tip`)      heard
    1 ...................................... base     base + 1 .......... end
                                                                signature at end, others between
"""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import Any, TypeVar

import msgspec

from waggle.base.limits import FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.chain import Head, Link, follow
from waggle.log.said import Said, SignedHead

HEARD_DIR = "heard"
SAID_BYTES = FRAME_BYTES_MAX
"""Lines in one message, with their newlines."""
FORMAT = 1
SCHEMA = """
CREATE TABLE run(replica TEXT PRIMARY KEY, base INTEGER, seq INTEGER, id TEXT, at INTEGER,
  key BLOB, bytes INTEGER, turn INTEGER) WITHOUT ROWID;
CREATE TABLE line(replica TEXT, seq INTEGER, id TEXT, line BLOB, signature BLOB,
  PRIMARY KEY(replica, seq)) WITHOUT ROWID;
CREATE TABLE ahead(replica TEXT, seq INTEGER, id TEXT, signature BLOB, PRIMARY KEY(replica, seq))
  WITHOUT ROWID;
"""
"""`run`: what is held of each log, its writer's public key, and when it was last heard (`turn`
counts messages). `line`: the signature is there where a signed head stands. `ahead`: signed heads
beyond the end of the run; the run has to pass through them."""
T = TypeVar("T")


class DamagedError(Exception):
    """The file is not as it was written."""


class Heard:
    """What was heard in one space, for reading. Use from one thread; close when done.

    Costs one look at the folder for as long as no node has ever heard anything.
    """

    def __init__(self, store_dir: str, space: str) -> None:
        self.space = space
        self.path = os.path.join(store_dir, HEARD_DIR, f"{space}.db")
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._opened = 0

    def close(self) -> None:
        """Close the file if it is open; the next call opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def state(self) -> tuple[int, int]:
        """Give what changes whenever lines come or go; (0, 0) where nothing was ever heard."""
        rows = self._rows("PRAGMA data_version", (), tuple[int])
        return (self._opened, rows[0][0]) if rows else (0, 0)

    def ends(self) -> dict[str, Head]:
        """Give the end of the run of every log of which lines are held, by replica."""
        query = "SELECT replica, seq, id, at FROM run WHERE seq > base"
        rows = self._rows(query, (), tuple[str, int, str, int])
        return {replica: Head(seq, entry, at) for replica, seq, entry, at in rows}

    def read(self, replica: str, after: Head, limit: int = -1) -> list[Link]:
        """Give up to `limit` lines that continue a log after `after`, verified once more.

        None where the run does not reach back to `after` (git has brought more since the caller
        looked), ends before it, or is another history than the one that `after` stands in.
        """
        query = "SELECT seq, id, line FROM line WHERE replica=? AND seq>? ORDER BY seq LIMIT ?"
        rows = self._rows(query, (replica, after.seq, limit), tuple[int, str, bytes])
        links, _ = follow(after, [line for _, _, line in rows])
        count = 0
        for link, row in zip(links, rows, strict=False):
            if (link.seq, link.id) != row[:2]:
                break
            count += 1
        return links[:count]

    def said(
        self, replica: str, after: int, limit: int = FRAME_ENTRIES_MAX, bytes_max: int = SAID_BYTES
    ) -> Said | None:
        """Give lines after a seq under a head that their writer signed, for whoever asks for them.

        At most `limit` lines and `bytes_max` bytes with newlines. None where nothing can be given
        within these: then git has the lines, or another node, or the writer.
        """
        query = (
            "SELECT line.seq, line.id, line, signature, key FROM run JOIN line USING(replica)"
            " WHERE replica=?1 AND line.seq>?2 AND line.seq<=(SELECT max(seq) FROM (SELECT seq,"
            " sum(length(line) + 1) OVER (ORDER BY seq) AS size FROM line WHERE replica=?1"
            " AND seq>?2 ORDER BY seq LIMIT ?3) WHERE size<=?4) ORDER BY line.seq"
        )
        values = (replica, after, min(limit, FRAME_ENTRIES_MAX), min(bytes_max, SAID_BYTES))
        rows = self._rows(query, values, tuple[int, str, bytes, bytes | None, bytes])
        count = max((n for n, row in enumerate(rows, 1) if row[3] is not None), default=0)
        if not count or rows[0][0] != after + 1:
            return None
        seq, entry, _, signature, key = rows[count - 1]
        head = SignedHead(
            space=self.space, replica=replica, seq=seq, hash=entry, key=key,
            signature=signature or b"",
        )  # fmt: skip
        return Said(head=head, first=after + 1, lines=tuple(row[2] for row in rows[:count]))

    def _rows(self, query: str, values: tuple[object, ...], kind: type[T]) -> list[T]:
        """Give the rows of a query, each of its form; none where the file gives no good ones."""
        try:
            db = self._open()
            rows: list[Any] = [] if db is None else db.execute(query, values).fetchall()
            return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]
        except sqlite3.ProgrammingError:
            raise  # a defect of the caller, such as another thread
        except (sqlite3.DatabaseError, msgspec.ValidationError, UnicodeDecodeError):
            # It is damaged, or just being made. Git brings what it held, and the node, which
            # alone may write it, makes it anew.
            self.close()
            return []

    def _open(self) -> sqlite3.Connection | None:
        """Give the file open for reading, None where there is none of this format.

        The node may have put another file in its place. As long as one is open its inode is not
        given to another, so the number tells.
        """
        try:
            inode = os.stat(self.path).st_ino
        except OSError:
            self.close()
            return None  # nothing was ever heard here, or nothing that this user may read
        if self._db is not None and inode == self._inode:
            return self._db
        self.close()
        # Read-only, because the last one to close a file for writing removes its log by name, and
        # by then the name may be another file's.
        db = sqlite3.connect(_uri(self.path), uri=True, isolation_level=None)
        try:
            made = db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            db.close()
            raise
        if not made:
            db.close()
            return None
        self._db, self._inode, self._opened = db, inode, self._opened + 1
        return db


def _uri(path: str) -> str:
    path = os.path.abspath(path)
    for char in "%?#":  # the percent sign first: the others become one
        path = path.replace(char, f"%{ord(char):02x}")
    if sys.platform == "win32":
        path = "/" + path.replace("\\", "/")
    return f"file:{path}?mode=ro"
