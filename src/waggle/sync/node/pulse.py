"""One space's beats in a node: said as soon as an agent beats, heard, and watched for silence.

Beats in, messages out; this module knows no network. A record that is lost on the way is said again
with the next one, and now and then for whoever came late. Only what is heard live, and this
replica's own beats, feed the failure detector: by when they arrive, on the node's monotonic clock.
What git brings says how long ago a beat was made, and nothing of an agent's rhythm.

The detector is passed in (eventual/suspicion.py): layers do not import their siblings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from waggle.base.errors import WaggleError
from waggle.log.beat import Beat, SignedBeats
from waggle.store.hearing.beat_rows import HeardBeat, Watched
from waggle.store.hearing.beats import Adopted, Beats
from waggle.sync.git.beats import adopt, own_record
from waggle.sync.live import wire
from waggle.sync.live.wire import WireError

if TYPE_CHECKING:
    from waggle.store.space import Space

LOOK_S = 1.0
"""How often suspicions are reckoned."""
KEEP_S = 60.0
"""How often they are written down although no level has changed, for the rhythms in them."""
WAIT_MS = 250
"""How long the node waits for a process that beats just now."""
T = TypeVar("T")
Agent = tuple[str, str]
"""Replica and name."""


class Suspicion(Protocol):
    """What a detector thinks of one agent."""

    @property
    def level(self) -> int:
        """From 0, no suspicion, upwards."""

    @property
    def phi_milli(self) -> int:
        """Phi in thousandths."""

    @property
    def silent_ms(self) -> int:
        """Milliseconds since the last arrival."""

    @property
    def intervals_ms(self) -> tuple[int, ...]:
        """What was learned of the agent's rhythm."""


class Detector(Protocol):
    """Whoever judges silence. All times are seconds of one monotonic clock."""

    def restore(self, agent: Agent, intervals_ms: Iterable[int], /) -> None:
        """Take what an earlier process learned of an agent."""

    def hear(self, agent: Agent, now_s: float, lease_s: float, /) -> None:
        """Note an arrival of a new beat."""

    def forget(self, agent: Agent, /) -> None:
        """Watch an agent no longer."""

    def suspicions(self, now_s: float, /) -> Mapping[Agent, Suspicion]:
        """Give what is thought of every agent that is watched."""


class Pulse:
    """A node's part in the beats of one space. Use from the thread of the space."""

    def __init__(self, space: Space, detector: Detector) -> None:
        self.refused = 0
        """Messages that were not believed."""
        self.trouble: WaggleError | None = None
        """What the file's last trouble was; beats go on when it has passed."""
        self._space = space
        self._beats = Beats(space.store_dir, space.name, WAIT_MS)
        self._detector = detector
        self._said: SignedBeats | None = None
        self._seen = 0
        """When the file changed, as far as it was read, in nanoseconds. Two changes may share one
        tick of the file system's clock, so it is read now and then in any case."""
        self._next = 0.0
        self._counter = 0
        """Of this replica's beats that the detector knows."""
        self._look = self._keep = 0.0
        self._levels: dict[Agent, int] = {}
        for one in self._guarded(self._beats.watched, list[Watched]()):
            detector.restore((one.replica, one.name), one.intervals_ms)

    def _guarded(self, work: Callable[[], T], nothing: T) -> T:
        """Do something with the file; give `nothing` where the file is in trouble.

        A beat is worth less than the node: a disk that is full, or a process that was stopped in
        the middle of its beat, must not end it. What is missed comes with the next beat.
        """
        try:
            return work()
        except WaggleError as error:
            self.trouble = error
            return nothing

    # --- saying ----------------------------------------------------------------------------

    def news(self, now_s: float) -> list[bytes]:
        """Give this replica's record as a message if it changed since the last time."""
        changed = self._changed()
        if changed == self._seen and now_s < self._next:
            return []
        self._seen, self._next = changed, now_s + LOOK_S
        signed = self._guarded(lambda: own_record(self._space, self._beats), None)
        if signed is None or signed == self._said:
            return []
        self._said = signed
        self._hear_own(signed.replica, now_s)
        return [wire.encode(signed)]

    def again(self) -> list[bytes]:
        """Give what was said last, for whoever lost it or came late."""
        return [] if self._said is None else [wire.encode(self._said)]

    def _changed(self) -> int:
        try:
            return os.stat(self._beats.file.path).st_mtime_ns
        except FileNotFoundError:
            return 0

    def _hear_own(self, replica: str, now_s: float) -> None:
        heard = self._guarded(self._beats.heard, list[HeardBeat]())
        own = [one.beat for one in heard if one.replica == replica]
        fresh = [beat for beat in own if beat.counter > self._counter]
        self._counter = max((beat.counter for beat in own), default=self._counter)
        self._arrived(replica, fresh, now_s)

    # --- hearing ---------------------------------------------------------------------------

    def hear(self, data: bytes, now_s: float) -> None:
        """Take a message; what is no record, or is not believed, is counted and changes nothing."""
        try:
            message = wire.decode(data)
        except WireError:
            message = None
        if not isinstance(message, SignedBeats) or message.replica == self._space.replica:
            self.refused += 1
            return
        found = self._guarded(
            lambda: adopt(self._space, self._beats, message, live=True),
            Adopted(how="refused", reason="the file of beats cannot be written"),
        )
        self.refused += found.how == "refused"
        self._arrived(message.replica, found.fresh, now_s)

    def _arrived(self, replica: str, fresh: Iterable[Beat], now_s: float) -> None:
        for beat in fresh:
            self._detector.hear((replica, beat.name), now_s, beat.lease)

    # --- watching --------------------------------------------------------------------------

    def look(self, now_s: float) -> None:
        """Reckon whom to suspect, and write it down for other processes when it has changed."""
        if now_s < self._look:
            return
        self._look = now_s + LOOK_S
        suspicions = self._detector.suspicions(now_s)
        levels = {agent: one.level for agent, one in suspicions.items()}
        if levels == self._levels and (now_s < self._keep or not levels):
            return
        self._levels, self._keep = levels, now_s + KEEP_S
        self._guarded(lambda: self._write(suspicions), None)

    def _write(self, suspicions: Mapping[Agent, Suspicion]) -> None:
        """Write down what is thought of agents that are still there; forget the others."""
        here = {(one.replica, one.beat.name) for one in self._beats.heard()}
        for agent in suspicions.keys() - here:
            self._detector.forget(agent)
        now_ms = self._space.outside.now_ms()
        self._beats.watch(
            Watched(
                replica=agent[0],
                name=agent[1],
                level=one.level,
                phi_milli=one.phi_milli,
                heard_ms=now_ms - one.silent_ms,
                intervals_ms=one.intervals_ms,
            )
            for agent, one in suspicions.items()
            if agent in here
        )
