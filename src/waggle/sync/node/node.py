"""A replica's node: it says what is journalled, hears what others say, and syncs with git.

One process, one node for all the replica's spaces. The node is never needed: without it every
command works, and `waggle sync` does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from waggle.store.own.bell import Bell, claim
from waggle.sync.live.keys import BEAT
from waggle.sync.live.peer import Peer, on_loop
from waggle.sync.node.conversation import Conversation
from waggle.sync.node.crew import Crew
from waggle.sync.node.plan import Happened, Plan
from waggle.sync.node.pulse import Detector, Pulse
from waggle.sync.node.rounds import Rounds

if TYPE_CHECKING:
    from waggle.store.space import Space

LOOK_S = 0.25
"""How often the node looks by itself for what no bell announced."""
HELLO_S = 5.0
"""How often it says what it holds."""


class Node:
    """One replica's node; `running` runs it."""

    def __init__(
        self,
        open_space: Callable[[str], Space],
        plan: Plan,
        tell: Callable[[Happened], None] = lambda _: None,
        *,
        detector: Callable[[], Detector],
    ) -> None:
        """`detector` makes what judges silent agents, one for each space (pulse.py)."""
        self.plan = plan
        self.tell = tell
        self.changed = asyncio.Condition()
        """Notified when a view may hold more than before."""
        self.conversations: dict[str, Conversation] = {}
        """By space, while it runs."""
        self._pulses: dict[str, Pulse] = {}
        self._detector = detector
        self._open_space = open_space
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        """Run for as long as the context lasts; raise `busy` where this replica has a node."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            spaces = [stack.enter_context(self._open_space(name)) for name in self.plan.spaces]
            first = spaces[0]
            stack.enter_context(claim(first.store_dir))
            replica = first.replica
            bell = Bell(first.store_dir, first.outside.entropy)
            stack.callback(bell.close)
            self.peer = Peer(self.plan.live, self.plan.project, replica, on_loop(loop, self._wake))
            stack.push_async_callback(asyncio.to_thread, self.peer.close)
            crew = Crew(self._open_space)
            for space in spaces:
                talk = Conversation(space, self.peer, crew, self._wake.set, self.tell)
                stack.callback(talk.close)
                self.conversations[space.name] = talk
                self._pulses[space.name] = Pulse(space, self._detector())
            self.peer.open(self.plan.spaces)
            loop.add_reader(bell.fileno(), self._wake.set)
            stack.callback(loop.remove_reader, bell.fileno())
            self._say("open", f"replica {replica[:12]}, project {self.plan.project[:12]}")
            rounds = Rounds(
                self.plan, self.conversations, self.peer, crew, self._wake.set, self.tell
            )
            await stack.enter_async_context(crew)
            for work in (self._converse(bell, rounds), self._greet(), rounds.go()):
                crew.start(work)
            yield self
        self._say("closed", "nothing is lost; every command goes on working without the node")

    def _say(self, what: str, text: str) -> None:
        self.tell(Happened(what=what, text=text))

    async def _converse(self, bell: Bell, rounds: Rounds) -> None:
        while True:
            # Not wait_for: before Python 3.12 that could swallow being cancelled.
            with suppress(TimeoutError):  # nobody rang: it looks by itself
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            bell.drain()
            for name, one in self.conversations.items():
                if one.say_news():
                    rounds.note_news(name)
            self._beat()
            if self._take():
                self._wake.set()  # there may be more; what is new here goes out in between
            for one in self.conversations.values():
                one.fold()
            async with self.changed:
                self.changed.notify_all()
            await asyncio.sleep(0)  # a flood of messages must not starve the other tasks
            for one in self.conversations.values():
                one.tidy()

    def _beat(self) -> None:
        """Say which agents beat since the last time, and look who has fallen silent."""
        now_s = asyncio.get_running_loop().time()
        for name, pulse in self._pulses.items():
            self.conversations[name].publish(BEAT, pulse.news(now_s))
            pulse.look(now_s)

    def _take(self) -> bool:
        """Hear and answer a part of what waits; tell whether there was anything.

        The peer takes nothing in for spaces that are not served.
        """
        heard, asked = self.peer.take(), self.peer.take_asks()
        for one in heard:
            if one.what == BEAT:
                self._pulses[one.space].hear(one.data, asyncio.get_running_loop().time())
            else:
                self.conversations[one.space].hear(one)
        for question in asked:
            self.conversations[question.space].answer(question)
        return bool(heard or asked)

    async def _greet(self) -> None:
        while True:
            for name, one in self.conversations.items():
                one.greet()
                one.publish(BEAT, self._pulses[name].again())
            await asyncio.sleep(HELLO_S)
