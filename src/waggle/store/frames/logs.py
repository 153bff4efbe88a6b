"""Every log that the repository holds, read from git and verified before anything believes it.

What does not verify is refused with a reason; discovery.py decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from waggle.base.ids import replica_of
from waggle.base.limits import FRAME_BYTES_MAX
from waggle.log.chain import Head, Link, Refusal, start
from waggle.log.entry import envelope
from waggle.log.frame import ENTRIES_FILE, Statement, check, parse_message, split_lines
from waggle.log.sshsig import public_text, verify
from waggle.store.repo.git import FOLDER_BYTES_MAX, MissingObjectError

if TYPE_CHECKING:
    from waggle.store.repo.objects import Objects


class Frame(Struct, frozen=True):
    """A frame as found in git: commit, statement and raw lines."""

    oid: str
    statement: Statement
    lines: list[bytes]


class Reading(Struct, frozen=True):
    """What reading a log gave: valid links in order, and why it ended if it did not end well."""

    links: list[Link]
    refusal: Refusal | None


class Lacking(Refusal, frozen=True):
    """A refusal for the time being: an object is missing, and may come."""


class BadFrameError(Exception):
    """A commit that is no valid frame of the log it stands in."""


class Logs:
    """Reads logs out of a repository."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def frame(self, oid: str, space: str, replica: str) -> Frame:
        """Give a frame with its signature verified; raise BadFrameError or MissingObjectError."""
        try:
            commit = self.objects.raw(oid, FOLDER_BYTES_MAX)
            statement = signed_statement(commit, space, replica)
            lines = split_lines(self.objects.file(oid, ENTRIES_FILE, FRAME_BYTES_MAX))
        except ValueError as error:
            raise BadFrameError(f"frame {oid[:12]}: {error}") from error
        return Frame(oid, statement, lines)

    def signer(self, oid: str) -> str:
        """Give the one-line public key that signed a frame that was verified before."""
        head, _, text = self.objects.raw(oid).partition(b"\n\n")
        return public_text(verify(*_unsign(head, text)))

    def parents(self, oid: str) -> list[str]:
        """Give the parents of a commit, all of them; raise MissingObjectError."""
        return _parents(self.objects.raw(oid).partition(b"\n\n")[0])

    def clock(self, oid: str) -> int:
        """Give the clock of the last entry of a frame that was verified before, else 0."""
        try:
            return envelope(split_lines(self.objects.file(oid, ENTRIES_FILE))[-1]).at
        except (MissingObjectError, ValueError):
            # Its objects are gone; reading the chain says so, and where.
            return 0

    def back(self, oid: str) -> Iterator[tuple[str, Statement]]:
        """Give (commit, statement) from the newest frame back to the first, not verified yet.

        Raises BadFrameError or MissingObjectError where the chain breaks.
        """
        here: str | None = oid
        below = 2**62
        while here is not None:
            try:
                commit = self.objects.raw(here, FOLDER_BYTES_MAX)
                head, _, text = commit.partition(b"\n\n")
                statement = parse_message(text.decode())
            except ValueError as error:
                raise BadFrameError(f"frame {here[:12]}: {error}") from error
            if not 0 < statement.first <= statement.last < below:
                raise BadFrameError(f"frame {here[:12]}: out of order")
            below = statement.first
            yield here, statement
            here = _parents(head)[0] if statement.first > 1 and _parents(head) else None

    def read(
        self, oid: str, space: str, replica: str, after: Head
    ) -> Iterator[list[Link] | Refusal]:
        """Give the links after `after`, frame by frame and verified, on the chain that ends here.

        The last item is a Refusal where the chain does not end well.
        """
        for part in self.walk(oid, space, replica, after):
            yield part if isinstance(part, Refusal) else part[1]

    def walk(
        self, oid: str, space: str, replica: str, after: Head
    ) -> Iterator[tuple[str, list[Link]] | Refusal]:
        """Give each frame's commit with its links, as `read` does."""
        route: list[str] = []
        head = after
        try:
            for here, statement in self.back(oid):
                if statement.last <= after.seq:
                    break
                route.append(here)
                if statement.first <= after.seq + 1:
                    break
            for here in reversed(route):
                result = check(head, *_from(self.frame(here, space, replica), head))
                if isinstance(result, Refusal):
                    yield result
                    return
                yield here, result
                head = Head(result[-1].seq, result[-1].id, result[-1].envelope.at)
        except MissingObjectError as error:
            yield Lacking(head.seq + 1, f"object {error} is missing")
        except BadFrameError as error:
            yield Refusal(head.seq + 1, str(error))

    def read_all(self, oid: str, space: str, replica: str) -> Reading:
        """Give a whole chain at once."""
        links: list[Link] = []
        for part in self.read(oid, space, replica, start(space, replica)):
            if isinstance(part, Refusal):
                return Reading(links, part)
            links += part
        return Reading(links, None)


def signed_statement(commit: bytes, space: str, replica: str) -> Statement:
    """Give what the bytes of a frame's commit state, signed by the log's own replica.

    Raises ValueError, with the reason, where they are no frame of that log.
    """
    head, _, text = commit.partition(b"\n\n")
    statement = parse_message(text.decode())  # UnicodeDecodeError is a ValueError
    signature, unsigned = _unsign(head, text)
    signer = replica_of(verify(signature, unsigned))
    if not (statement.space == space and statement.replica == replica == signer):
        raise ValueError("signed for another log, or by another replica")
    return statement


def parents_of(commit: bytes) -> list[str]:
    """Give the parents that the bytes of a commit name."""
    return _parents(commit.partition(b"\n\n")[0])


def _parents(head: bytes) -> list[str]:
    return [row[7:].decode() for row in head.split(b"\n") if row.startswith(b"parent ")]


def _from(frame: Frame, head: Head) -> tuple[Statement, list[bytes]]:
    """Cut off what `head` already has; the running hash at the end still has to fit."""
    first = frame.statement.first
    if first > head.seq:
        return frame.statement, frame.lines
    stated = frame.statement
    rest = Statement(
        space=stated.space,
        replica=stated.replica,
        first=head.seq + 1,
        last=stated.last,
        hash=stated.hash,
    )
    return rest, frame.lines[head.seq + 1 - first :]


def _unsign(head: bytes, text: bytes) -> tuple[str, bytes]:
    """Split commit bytes into the armoured signature and what was signed."""
    before, mark, rest = head.partition(b"\ngpgsig ")
    if not mark:
        raise ValueError("it is not signed")
    rows = rest.split(b"\n")
    count = 1
    while count < len(rows) and rows[count].startswith(b" "):
        count += 1
    signature = b"\n".join([rows[0], *(row[1:] for row in rows[1:count])])
    kept = b"\n".join([before, *rows[count:]])
    return signature.decode("ascii"), kept + b"\n\n" + text
