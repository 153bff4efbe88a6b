"""What nodes say to one another about a space: new lines, frames, how far each holds every log.

Messages in, messages and questions out; this module knows no network and no thread. Whatever is
lost, doubled or out of order on the way only delays: a gap is seen by the next message or hello,
and closed by a question to whoever holds more, or by git.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from waggle.base.limits import FRAME_ENTRIES_MAX
from waggle.log.said import Said, say
from waggle.store.frames.discovery import tips_of
from waggle.store.frames.logs import Logs
from waggle.store.hearing.listening import Listener
from waggle.store.own.identity import Identity
from waggle.sync.live import wire
from waggle.sync.live.wire import Ask, Frame, Held, Hello, WireError
from waggle.sync.node.frames import read_frames, take_frame

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from waggle.store.space import Space

SAID_BYTES_MAX = 256 * 1024
"""Lines of one message, in bytes; more go out in several."""
FRAMES_MAX = 256
"""Frames that one answer looks through; whoever lacks more has git."""

NODES_MAX = 1024
"""Nodes of which is known what they hold: anybody can speak under any number of names."""


class Question(Struct, frozen=True):
    """A question that would bring what is missing, and the node that is said to know."""

    node: str
    ask: Ask


class Talk:
    """One space's side of the conversation. Use from the thread of the space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.count: Counter[str] = Counter()
        """What became of messages, by name."""
        self.theirs: dict[str, dict[str, int]] = {}
        """Up to which seq each node says that it holds this replica's own log."""
        self._told = (space.replica, space.journal.head(space.name)[0])
        self._key: tuple[Identity, Ed25519PrivateKey] | None = None
        self._listener = Listener(space.store_dir, space.name, space.journal, Logs(space.objects))

    # --- saying ----------------------------------------------------------------------------

    def news(self) -> list[bytes]:
        """Give what was journalled here since the last time, signed, as messages."""
        replica, after = self._told
        if replica != self.space.replica:
            after = 0  # a new identity began a log of its own
        messages = []
        while said := self._own_lines(after, FRAME_ENTRIES_MAX):
            messages.append(wire.encode(said))
            after = said.head.seq
        self._told = (self.space.replica, after)
        return messages

    def _own_lines(self, after: int, limit: int) -> Said | None:
        """Give the own lines after a seq that the journal still holds, signed."""
        size = 0
        rows: list[tuple[int, str, bytes]] = []
        for row in self.space.journal.read(self.space.name, after, limit):
            size += len(row[2])
            if rows and size > SAID_BYTES_MAX:
                break
            rows.append(row)
        if not rows or rows[0][0] != after + 1:
            return None
        lines = [line for _, _, line in rows]
        return say(self._sign_with(), self.space.name, after + 1, lines, rows[-1][1])

    def _sign_with(self) -> Ed25519PrivateKey:
        owner = self.space.owner
        if self._key is None or self._key[0] is not owner:
            self._key = (owner, owner.private_key())
        return self._key[1]

    def hello(self) -> list[bytes]:
        """Give how far every log is held here, as messages."""
        held = [
            Held(replica, seq, entry[: wire.HELD_ID_CHARS])
            for replica, (seq, entry) in sorted(self.ends().items())
        ]
        parts = range(0, max(1, len(held)), wire.HELD_MAX)
        return [
            wire.encode(
                Hello(
                    space=self.space.name,
                    replica=self.space.replica,
                    held=tuple(held[first : first + wire.HELD_MAX]),
                )
            )
            for first in parts
        ]

    def ends(self) -> dict[str, tuple[int, str]]:
        """Give the (seq, id) up to which each log is held here: journalled, sealed or heard."""
        space = self.space
        ends: dict[str, tuple[int, str]] = {
            replica: (seq, entry)
            for replica, seq, entry in space.journal.db.execute(
                "SELECT replica, max(seq), id FROM tip WHERE space=? GROUP BY replica"
                " HAVING count(*)=1",
                (space.name,),
            )
        }
        for replica, head in self._listener.ends().items():
            if head.seq > ends.get(replica, (0, ""))[0]:
                ends[replica] = (head.seq, head.id)
        seq, entry, _ = space.journal.head(space.name)
        if seq:
            ends[space.journal.replica] = (seq, entry)
        return ends

    def frames(self, oids: Sequence[str]) -> list[bytes]:
        """Give frames of ours that were sealed just now, as messages, as far as they fit."""
        return read_frames(self.space, self.space.replica, oids)

    # --- hearing ---------------------------------------------------------------------------

    def hear(self, node: str, data: bytes) -> list[Question]:
        """Take a message that came from a node; give the questions that it leads to.

        Nothing that comes raises: what is no message, or does not verify, is counted.
        """
        try:
            message = wire.decode(data)
        except WireError:
            self.count["no message"] += 1
            return []
        if isinstance(message, Said):
            return self._hear_said(node, message)
        if isinstance(message, Frame):
            return self._hear_frame(node, message)
        if isinstance(message, Hello) and message.space == self.space.name:
            return self._hear_hello(node, message)
        self.count["not for us"] += 1
        return []

    def _hear_said(self, node: str, message: Said) -> list[Question]:
        outcome = self._listener.take(message)
        self.count[f"said: {outcome.how}"] += 1
        if outcome.ask is None:
            return []
        return [self._question(node, message.head.replica, outcome.ask)]

    def _hear_frame(self, node: str, message: Frame) -> list[Question]:
        if message.space != self.space.name:
            self.count["not for us"] += 1
            return []
        how = take_frame(self.space, message)
        self.count[f"frame: {how}"] += 1
        if how != "gap":
            return []
        return [self._question(node, message.replica, self._sealed(message.replica)[1])]

    def trim(self) -> None:
        """Let go of lines that git has brought by now, and hold them against its frames."""
        for replica in self._listener.ends():
            if outcome := self._listener.trim(replica):
                self.count[f"trimmed: {outcome.how}"] += 1

    def close(self) -> None:
        """Close what was heard; the space stays open."""
        self._listener.close()

    def _hear_hello(self, node: str, message: Hello) -> list[Question]:
        ours = self.ends()
        self._note(node, message)
        questions = []
        for held in message.held:
            seq, entry = ours.get(held.replica, (0, ""))
            if held.replica == self.space.journal.replica:
                continue
            if held.seq > seq:
                questions.append(self._question(node, held.replica, seq))
            elif held.seq == seq and not entry.startswith(held.id):
                # Two histories: what it was told is asked for, signed, as the proof.
                questions.append(self._question(node, held.replica, seq - 1))
        return questions

    def _note(self, node: str, message: Hello) -> None:
        """Note how much of the own log a node says that it holds; of so many nodes, the latest."""
        own = self.space.journal.replica
        seqs = [held.seq for held in message.held if held.replica == own]
        if not seqs:
            return
        self.theirs.pop(node, None)
        self.theirs[node] = {own: seqs[-1]}
        if len(self.theirs) > NODES_MAX:
            del self.theirs[next(iter(self.theirs))]

    def _question(self, node: str, replica: str, after: int) -> Question:
        ask = Ask(space=self.space.name, replica=replica, after=after, limit=FRAME_ENTRIES_MAX)
        return Question(node, ask)

    def _sealed(self, replica: str) -> tuple[str | None, int]:
        """Give the newest verified frame of a log and its last seq; (None, 0) for a forked one."""
        tips = tips_of(self.space.journal, (self.space.name, replica))
        return tips[0][:2] if len(tips) == 1 else (None, 0)

    # --- answering -------------------------------------------------------------------------

    def answer(self, data: bytes) -> list[bytes]:
        """Give what is held here of what a question asks for: frames first, then lines."""
        try:
            ask = wire.decode(data)
        except WireError:
            self.count["no message"] += 1
            return []
        if not isinstance(ask, Ask) or ask.space != self.space.name:
            self.count["not for us"] += 1
            return []
        oid, sealed = self._sealed(ask.replica)
        own = ask.replica == self.space.journal.replica
        messages, after = [], ask.after
        said = self._own_lines(after, ask.limit) if own else None
        if said is None and oid is not None and after < sealed:
            messages = read_frames(self.space, ask.replica, self._route(oid, after))
            after = sealed
        if said is None and own:
            said = self._own_lines(after, ask.limit)
        elif said is None:
            said = self._listener.said(ask.replica, after, ask.limit)
        if said is not None:
            messages.append(wire.encode(said))
        return wire.fit(messages)

    def _route(self, oid: str, after: int) -> list[str]:
        """Give the frames that hold what follows a seq, oldest first; none if they are too many."""
        route: list[str] = []
        for here, statement in Logs(self.space.objects).back(oid):
            if statement.last <= after:
                break
            route.append(here)
            if len(route) > FRAMES_MAX:
                return []
        return route[::-1]
