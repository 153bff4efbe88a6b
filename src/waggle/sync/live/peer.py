"""A node on the live path: it says what is new here, hears what is new elsewhere, and answers.

Everything that comes is kept in bounded queues until the node takes it, and everything that is
said goes out at once or not at all. Nothing is verified here: a message is bytes from somebody.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import is_replica
from waggle.sync.live import meeting
from waggle.sync.live.inbox import ITEM_BYTES, Inbox
from waggle.sync.live.keys import ASK, HERE, Key, space_key
from waggle.sync.live.session import Question, Session
from waggle.sync.live.settings import Settings, check, on_machine, on_network
from waggle.sync.live.wire import ANSWER_BYTES_MAX, MESSAGE_BYTES_MAX

HEARD_BYTES_MAX = 64 * 1024 * 1024
"""What waits to be taken, with ITEM_BYTES for each message."""
ASKS_BYTES_MAX = 128 * ITEM_BYTES
PRESENT_MAX = 4096
"""Nodes that are known to be there, in all spaces together."""
CLOSE_S = 2.0
"""How long closing is waited for, and once more where the program ends before it is done."""
RETRY_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses between tries to reach the router, in seconds; the last one goes on."""
PORT_TRIES = 5

What = Literal["said", "frame", "hello", "beat"]


class Heard(Struct, frozen=True):
    """Something that came in a space: a message (`wire.decode`), or news of a node."""

    space: str
    node: str
    """The replica whose node says so: a claim, and not always the one that a message is about."""
    what: str
    """`said`, `frame`, `hello` or `beat`; `here` and `gone` where a node came or went."""
    data: bytes = b""


class Asked(Struct, frozen=True):
    """A question to this node in a space; every one wants `question.answer` or `question.drop`."""

    space: str
    question: Question


class Peer:
    """The live path of one replica's node. Methods may be called from any thread."""

    def __init__(
        self, settings: Settings, project: str, replica: str, wake: Callable[[], None]
    ) -> None:
        """Make one that is not open yet; raise `invalid` for settings that do not go together.

        `project` is hex and the same in all clones (`keys.space_key`). `wake` is called on a
        thread of Zenoh's when there is something to take; it must return at once (`on_loop`).
        """
        check(settings)
        if not is_replica(replica):
            raise WaggleError("invalid", f"{replica!r} is no replica", "Give 32 hex digits.")
        self.settings = settings
        self.project = project
        self.replica = replica
        self.strays = 0
        """Messages that were not of our form."""
        self._heard = Inbox[Heard](bytes_max=HEARD_BYTES_MAX, wake=wake)
        self._asks = Inbox[Asked](
            bytes_max=ASKS_BYTES_MAX, wake=wake, discard=lambda asked: asked.question.drop()
        )
        self.trouble: WaggleError | None = None
        """Why a client has not reached its router yet."""
        self._keys: dict[str, str] = {}
        """Space to space key, of those that were joined."""
        self._spaces: dict[str, str] = {}
        """Space key to space."""
        self._present: dict[tuple[str, str], set[Session]] = {}
        """Which sessions see a node, by space and node."""
        self._sessions: list[Session] = []
        self._seat: meeting.Seat | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()

    def open(self, spaces: Sequence[str]) -> None:
        """Open the sessions and join the spaces; once, as what was closed stays closed.

        Does not wait for others. Raises `environment` where the folder or an endpoint cannot be
        used, `busy` where the folder stays locked; nothing is open then. A client's router may be
        away: it is tried again until it is there.
        """
        atexit.register(self._end)
        try:
            for space in spaces:
                self.join(space)
            if self.settings.meeting is not None:
                self._add(self._on_machine(self.settings.meeting))
            if self.settings.mode == "client":
                threading.Thread(target=self._reach_router, daemon=True).start()
            elif self.settings.networked:
                self._add(Session(on_network(self.settings), self))
        except BaseException:
            self.close()
            raise

    def join(self, space: str) -> None:
        """Hear a space, answer for this replica in it, and be seen there; raise `invalid`."""
        with self._lock:
            if space in self._keys:
                return
            key = self._keys[space] = space_key(self.project, space)
            self._spaces[key] = space
            sessions = tuple(self._sessions)
        for session in sessions:
            session.join(key, self.replica)

    def publish(self, space: str, what: What, data: bytes) -> bool:
        """Say a message to all who are there and keep up; False where no session took it.

        Never waits for the slow: see `Session.publish`. Raises `limit` for too large a message,
        KeyError for a space that was not joined.
        """
        if len(data) > MESSAGE_BYTES_MAX:
            raise WaggleError(
                "limit",
                f"a message of {len(data)} bytes; the limit is {MESSAGE_BYTES_MAX}",
                "Let git carry it.",
            )
        key = Key(self._keys[space], self.replica, what)
        taken = [session.publish(key, data) for session in tuple(self._sessions)]
        return any(taken)

    def ask(
        self,
        space: str,
        node: str,
        data: bytes,
        *,
        timeout_s: float,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> list[bytes]:
        """Ask a node, and give the messages of its answer; empty where there is none in time.

        Waits up to `timeout_s` on each of the two sessions, so it has no place on an event loop.
        """
        key = Key(self._keys[space], node, ASK)
        for session in tuple(self._sessions):
            if found := session.ask(key, data, timeout_s=timeout_s, bytes_max=bytes_max):
                return found
        return []

    def take(self, limit: int = 256) -> list[Heard]:
        """Give and remove what came, oldest first per node; take until nothing is left."""
        return self._heard.take(limit)

    def take_asks(self, limit: int = 16) -> list[Asked]:
        """Give and remove questions that came; take until nothing is left."""
        return self._asks.take(limit)

    def present(self, space: str) -> frozenset[str]:
        """Give the replicas whose nodes are there, as they say themselves."""
        with self._lock:
            return frozenset(node for name, node in self._present if name == space)

    @property
    def dropped(self) -> int:
        """How many messages and questions were dropped because the node was too slow."""
        return self._heard.dropped + self._asks.dropped

    @property
    def links(self) -> int:
        """How many nodes are connected; one on this machine and on the network counts twice."""
        return sum(session.links() for session in tuple(self._sessions))

    def close(self, wait_s: float = CLOSE_S) -> bool:
        """Leave; tell whether it was done within `wait_s` seconds.

        Beside a stopped peer Zenoh can take longer, and does so on a thread of its own, for which
        a program that ends waits at most CLOSE_S. Closing again does nothing.
        """
        with self._lock:
            self._closed.set()
            sessions, self._sessions = self._sessions, []
            seat, self._seat = self._seat, None
        atexit.unregister(self._end)
        closing = threading.Thread(target=_close, args=(sessions,), daemon=True)
        closing.start()
        closing.join(wait_s)
        if closing.is_alive():
            # It must not come back from Zenoh while the interpreter ends: before Python 3.14 that
            # aborts the process (github.com/python/cpython/issues/87135).
            atexit.register(closing.join, CLOSE_S)
        if seat is not None:
            seat.leave()
        return not closing.is_alive()

    def _end(self) -> None:
        """Let the interpreter end in peace although nobody closed: call nothing back.

        No thread can be started any more, so closing might keep it from ending.
        """
        for session in self._sessions:
            session.undeclare()

    def _on_machine(self, folder: str) -> Session:
        """Open the session with this user's other nodes of this project on this machine."""
        folder = os.path.join(folder, self.project[:16])
        for left in reversed(range(PORT_TRIES)):
            with meeting.joining(folder, self.replica[:16]) as seat:
                try:
                    session = Session(on_machine(seat.endpoint, seat.others), self)
                except WaggleError:
                    # Where the seat is a port, somebody may have taken it since it was free.
                    if seat.marker is None or not left:
                        raise
                    continue
                self._seat = seat
                seat.taken()
                return session
        raise AssertionError("the last try returns or raises")

    def _reach_router(self) -> None:
        """Open a client's session as soon as its router is there; Zenoh itself tries only once."""
        for pause_s in _pauses():
            try:
                self._add(Session(on_network(self.settings), self))
            except WaggleError as error:
                self.trouble = error
                if self._closed.wait(pause_s):
                    return
            else:
                self.trouble = None
                return

    def _add(self, session: Session) -> None:
        """Take part by a session that has just been opened.

        The lock is not held while it joins: that calls back, on other threads, and they need it.
        """
        joined: set[str] = set()
        while True:
            with self._lock:
                missing = self._spaces.keys() - joined
                if self._closed.is_set():
                    break
                if not missing:
                    self._sessions = [*self._sessions, session]
                    return
            try:
                for key in missing:
                    session.join(key, self.replica)
            except BaseException:
                session.close()
                raise
            joined |= missing
        session.close()

    def hear(self, session: Session, key: Key, data: bytes) -> None:  # noqa: ARG002
        """Keep a message for the node (Zenoh's thread)."""
        space = self._spaces.get(key.space)
        if space is None:
            self.stray()
        else:
            self._heard.put(key.replica, Heard(space, key.replica, key.what, data), len(data))

    def asked(self, key: Key, question: Question) -> None:
        """Keep a question for the node (Zenoh's thread)."""
        space = self._spaces.get(key.space)
        if space is None:
            self.stray()
            question.drop()
        else:
            self._asks.put(key.replica, Asked(space, question), len(question.data))

    def met(self, session: Session, key: Key, *, here: bool) -> None:
        """Note who is there (Zenoh's thread)."""
        space = self._spaces.get(key.space)
        if space is None or key.replica == self.replica:
            return
        spot = (space, key.replica)
        with self._lock:
            seen = self._present.get(spot, set())
            if here and (spot in self._present or len(self._present) < PRESENT_MAX):
                seen.add(session)
                self._present[spot] = seen
            elif not here:
                seen.discard(session)
                if seen:
                    return
                self._present.pop(spot, None)
        what = HERE if here else "gone"
        self._heard.put(key.replica, Heard(space, key.replica, what), 0)

    def stray(self) -> None:
        """Count what is not of our form (Zenoh's thread)."""
        self.strays += 1


def on_loop(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    """Give a `wake` that sets an event of a loop from any thread.

    The node waits for the event, clears it, and then takes until nothing is left.
    """

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(event.set)
        except RuntimeError:
            return  # the loop is closed: nobody is left to wake

    return wake


def _close(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.close()


def _pauses() -> Iterator[float]:
    yield from RETRY_S
    while True:
        yield RETRY_S[-1]
