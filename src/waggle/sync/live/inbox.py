"""The bounded queue between Zenoh's threads and the node: whoever is slow loses, nobody waits.

Zenoh calls back on its own threads, and a callback that lingers holds up every peer. So what comes
is put here at once. When the queue is full, the newest message of whoever holds the most bytes of
it goes: a flood crowds out itself and not the others (longest queue drop, Suter et al., "Design
considerations for supporting TCP with per-flow queueing", INFOCOM 1998). The newest goes and not
the oldest, because lines are a chain: what stays is a run without gaps from where the node stands,
and the one gap behind it is closed by one question. Senders take turns in being read.

Who sent a message is only what its key says, so somebody can flood in another's name; what is lost
by that is asked for, too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SENDERS_MAX = 256
"""Senders that are told apart; the rest share one queue, so that names are no way to the front."""
ITEM_BYTES = 1024
"""What every item costs besides its own bytes, so that many small ones are a flood, too."""
_REST = ""


class Inbox(Generic[T]):
    """A queue for many threads that put and one that takes."""

    def __init__(
        self,
        *,
        bytes_max: int,
        wake: Callable[[], None],
        discard: Callable[[T], None] = lambda _: None,
    ) -> None:
        """Make an empty one.

        `wake` is called, on the thread that puts, when it is empty no longer; it must return at
        once. `discard` gets what is dropped.
        """
        self.bytes_max = bytes_max
        self.dropped = 0
        """How many items were dropped so far."""
        self._wake = wake
        self._discard = discard
        self._lock = threading.Lock()
        self._queues: dict[str, deque[tuple[int, T]]] = {}
        """By sender; the first is the next to be read. Invariant: none is empty."""
        self._sizes: dict[str, int] = {}
        """Bytes in each queue."""
        self._bytes = 0

    def put(self, sender: str, item: T, size: int) -> None:
        """Append an item of `size` bytes, at the cost of the newest of the longest queue."""
        size += ITEM_BYTES
        gone: list[T] = []
        with self._lock:
            was_empty = not self._queues
            if sender not in self._queues and len(self._queues) >= SENDERS_MAX:
                sender = _REST
            self._push(sender, item, size)
            while self._bytes > self.bytes_max:
                gone.append(self._drop())
            self.dropped += len(gone)
            wake = was_empty and bool(self._queues)
        for one in gone:
            self._discard(one)
        if wake:
            self._wake()

    def take(self, limit: int) -> list[T]:
        """Give and remove up to `limit` items, one of each sender in turn; none if it is empty.

        Whoever was woken takes until nothing is left: only then is it woken again.
        """
        taken: list[T] = []
        with self._lock:
            while self._queues and len(taken) < limit:
                sender = next(iter(self._queues))
                size, item = self._queues[sender].popleft()
                taken.append(item)
                self._shrink(sender, size)
                if sender in self._queues:
                    self._queues[sender] = self._queues.pop(sender)
        return taken

    def _push(self, sender: str, item: T, size: int) -> None:
        self._queues.setdefault(sender, deque()).append((size, item))
        self._sizes[sender] = self._sizes.get(sender, 0) + size
        self._bytes += size

    def _drop(self) -> T:
        longest = max(self._sizes, key=self._sizes.__getitem__)
        size, item = self._queues[longest].pop()
        self._shrink(longest, size)
        return item

    def _shrink(self, sender: str, size: int) -> None:
        self._bytes -= size
        self._sizes[sender] -= size
        if not self._queues[sender]:
            del self._queues[sender], self._sizes[sender]
