"""A node's rounds to the git remotes: each at its own pace, sooner when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from waggle.base.errors import WaggleError
from waggle.store.decrees import distrusted
from waggle.sync.conversation import Conversation
from waggle.sync.crew import Crew
from waggle.sync.exchange import Exchange, Exchanged, Report
from waggle.sync.live.keys import FRAME
from waggle.sync.live.peer import Peer
from waggle.sync.manners import Pace, pause_s, relay
from waggle.sync.plan import Happened, Plan
from waggle.sync.remotes import Remote
from waggle.sync.talk import Talk
from waggle.sync.transport import Transport

if TYPE_CHECKING:
    from waggle.store.space import Space

LOOK_S = 1.0
"""How often it looks whether a round is due; what is journalled is sealed with it."""
IDLE_MAX = 9
"""How many pauses are added to one, at most, while a remote brings nothing new."""


class Rounds:
    """Seals, fetches and pushes, for all spaces of a node, for as long as `go` runs."""

    def __init__(
        self,
        plan: Plan,
        conversations: Mapping[str, Conversation],
        peer: Peer,
        crew: Crew,
        wake: Callable[[], None],
        tell: Callable[[Happened], None],
    ) -> None:
        self._plan = plan
        self._conversations = conversations
        self._peer = peer
        self._crew = crew
        self._wake = wake
        self._tell = tell
        self._news: set[str] = set()
        self._outside = next(iter(conversations.values())).space.outside

    def note_news(self, space: str) -> None:
        """Note that there is something to seal and to push."""
        self._news.add(space)

    async def go(self) -> None:
        """Make rounds until cancelled."""
        loop = asyncio.get_running_loop()
        turns = [_Turn(address) for address in self._plan.addresses]
        while True:
            news, self._news = self._news, set()
            now = loop.time()
            ready = [n for n, turn in enumerate(turns) if turn.due(now, news=bool(news))]
            if ready:
                await self._round([turns[n] for n in ready], [self._plan.remotes[n] for n in ready])
            elif not turns:
                for name in sorted(news):
                    await self._exchange(name, [])
            wait = min((turn.next for turn in turns), default=now + LOOK_S) - loop.time()
            await asyncio.sleep(max(0.1, min(wait, LOOK_S)))

    async def _round(self, turns: Sequence[_Turn], remotes: Sequence[Remote]) -> None:
        """Sync all spaces with the remotes whose turn it is."""
        done: list[list[Exchanged]] = [[] for _ in turns]
        for name in self._conversations:
            for found, one in zip(done, await self._exchange(name, remotes), strict=False):
                found.append(one)
        now = asyncio.get_running_loop().time()
        devices = 1 + max(len(self._peer.present(name)) for name in self._conversations)
        for turn, found in zip(turns, done, strict=True):
            turn.took(found, devices * len(self._conversations), now, self._chance())

    def _chance(self) -> float:
        return int.from_bytes(self._outside.entropy(4), "big") / 2**32

    async def _exchange(self, name: str, remotes: Sequence[Remote]) -> Sequence[Exchanged]:
        own = self._conversations[name].space.replica
        nodes = self._peer.present(name) | {own}

        def carries(remote: Remote, replica: str) -> bool:
            return relay(remote, replica, nodes) == own

        def work(space: Space) -> tuple[Report, list[bytes]]:
            transport = Transport(
                space.repository.common_dir, space.objects.git.environ, self._plan.timeout_s
            )
            exchange = Exchange(space, transport, hidden=distrusted(space), carries=carries)
            report = exchange.sync(remotes)
            talk = Talk(space)
            try:
                return report, talk.frames([one.oid for one in exchange.sealed])
            finally:
                talk.close()

        try:
            report, frames = await self._crew.git(name, work)
        except WaggleError as error:
            text = f"{error.message}. {error.next_step}"
            self._tell(Happened(what="trouble", text=text, space=name))
            self._news.add(name)
            return ()
        self._conversations[name].publish(FRAME, frames)
        self._wake()
        if any(one.received or one.pushed or one.trouble for one in report.remotes):
            self._tell(Happened(what="synced", text="", space=name, report=report))
        return report.remotes


class _Turn:
    """When a node syncs with one remote: at its pace with news, ever more rarely without."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._pace = Pace(pause=pause_s(address, 1))
        self._idle = 0
        self._soonest = self.next = 0.0

    def due(self, now: float, *, news: bool) -> bool:
        """Tell whether it is time; what was appended here does not wait for the rare look."""
        if news:
            self._idle, self.next = 0, self._soonest
        return now >= self.next

    def took(self, done: Sequence[Exchanged], sharers: int, now: float, chance: float) -> None:
        """Note how a round went; `sharers`, devices and spaces, share the host's patience."""
        moved = any(one.received or one.pushed for one in done)
        trouble = next((one.trouble for one in done if one.trouble is not None), None)
        self._idle = 0 if moved else min(self._idle + 1, IDLE_MAX)
        slower = self._pace.after(trouble).slower
        self._pace = Pace(pause=pause_s(self._address, sharers), slower=slower)
        wait = self._pace.next_s(chance)
        self._soonest = now + wait
        self.next = now + wait * (1 if trouble else 1 + self._idle)
