"""A node's rounds to the git remotes: each at its own pace, sooner when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from waggle.base.errors import WaggleError
from waggle.store.views.decrees import distrusted
from waggle.sync.git.beats import NODE_EVERY_MS
from waggle.sync.git.exchange import Exchange, Exchanged, Report
from waggle.sync.git.manners import Pace, pause_s, relay
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport
from waggle.sync.git.untaken import Untaken
from waggle.sync.live.keys import FRAME
from waggle.sync.live.peer import Peer
from waggle.sync.node.conversation import Conversation
from waggle.sync.node.crew import Crew
from waggle.sync.node.plan import Happened, Plan
from waggle.sync.node.talk import Talk

if TYPE_CHECKING:
    from waggle.store.space import Space

LOOK_S = 1.0
"""How often it looks whether there is something to seal, where there are no remotes."""
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
        self._unsealed: set[str] = set()
        self._untaken = Untaken()
        self._routes = [
            _Route(remote, address)
            for remote, address in zip(plan.remotes, plan.addresses, strict=True)
        ]
        self._outside = next(iter(conversations.values())).space.outside

    def note_news(self, space: str) -> None:
        """Note that there is something to seal and to push."""
        self._unsealed.add(space)
        for route in self._routes:
            route.hurry()

    async def go(self) -> None:
        """Make rounds until cancelled; each remote's are its own, so none waits for another."""
        if not self._routes:
            await self._seal_often()
        async with asyncio.TaskGroup() as group:
            for route in self._routes:
                group.create_task(self._serve(route))

    async def _seal_often(self) -> None:
        """Seal what there is, where no remote's rounds do."""
        while True:
            names, self._unsealed = self._unsealed, set()
            for name in sorted(names):
                await self._exchange(name, None)
            await asyncio.sleep(LOOK_S)

    async def _serve(self, route: _Route) -> None:
        loop = asyncio.get_running_loop()
        while True:
            done: list[Exchanged] = []
            for name in self._conversations:
                done += await self._exchange(name, route.remote)
            devices = 1 + max(len(self._peer.present(name)) for name in self._conversations)
            route.took(done, devices * len(self._conversations), loop.time(), self._chance())
            while (wait := route.next - loop.time()) > 0:
                route.news.clear()
                with suppress(TimeoutError):  # no news: it is time all the same
                    async with asyncio.timeout(wait):
                        await route.news.wait()

    def _chance(self) -> float:
        return int.from_bytes(self._outside.entropy(4), "big") / 2**32

    async def _exchange(self, name: str, remote: Remote | None) -> Sequence[Exchanged]:
        """Sync one space with one remote, or with none: seal what is there."""
        at = self._conversations[name].space
        nodes = self._peer.present(name) | {at.replica}
        transport = Transport(
            at.repository.common_dir,
            at.objects.git.environ,
            self._plan.timeout_s,
            self._untaken,
        )

        def carries(remote: Remote, replica: str) -> bool:
            return relay(remote, replica, nodes) == at.replica

        def work(space: Space) -> tuple[Report, list[bytes]]:
            exchange = Exchange(
                space,
                transport,
                hidden=distrusted(space),
                carries=carries,
                beats_every_ms=NODE_EVERY_MS,
            )
            report = exchange.sync([] if remote is None else [remote])
            talk = Talk(space)
            try:
                return report, talk.frames([one.oid for one in exchange.sealed])
            finally:
                talk.close()

        try:
            track = "" if remote is None else remote.track
            report, frames = await self._crew.git(track, name, work)
        except WaggleError as error:
            text = f"{error.message}. {error.next_step}"
            self._tell(Happened(what="trouble", text=text, space=name))
            self._unsealed.add(name)
            return ()
        finally:
            transport.cancel()  # a node that is stopped waits for no host
        self._conversations[name].publish(FRAME, frames)
        self._wake()
        if any(one.received or one.pushed or one.trouble for one in report.remotes):
            self._tell(Happened(what="synced", text="", space=name, report=report))
        return report.remotes


class _Route:
    """When a node syncs with one remote: at its pace with news, ever more rarely without."""

    def __init__(self, remote: Remote, address: str) -> None:
        self.remote = remote
        self._address = address
        self._pace = Pace(pause=pause_s(address, 1))
        self._idle = 0
        self.news = asyncio.Event()
        self._soonest = self.next = 0.0

    def hurry(self) -> None:
        """Note that there is news: what was appended here does not wait for the rare look."""
        self._idle, self.next = 0, min(self.next, self._soonest)
        self.news.set()

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
