"""A replica's node: it says what is journalled, hears what others say, and syncs with git.

Three threads, each with a space of its own, so that nothing slow holds up anything quick:

    the event loop   new lines out, lines in, questions (milliseconds)
    frames           git objects of frames that came live (tens of milliseconds)
    git              sealing, fetching and pushing (seconds, or until a host gives up)

The node is never needed: without it every command works, and `waggle sync` does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.store.bell import Bell, claim
from waggle.store.decrees import distrusted
from waggle.sync import spread
from waggle.sync.exchange import Exchange, Exchanged, Report
from waggle.sync.live import wire
from waggle.sync.live.keys import FRAME, HELLO, HERE, SAID
from waggle.sync.live.peer import Asked, Heard, Peer, on_loop
from waggle.sync.live.settings import Settings
from waggle.sync.manners import Pace, pause_s, relay
from waggle.sync.remotes import Remote
from waggle.sync.spread import Seen
from waggle.sync.talk import Question, Talk
from waggle.sync.transport import Transport

if TYPE_CHECKING:
    from waggle.store.space import Space

T = TypeVar("T")
LOOK_S = 0.25
"""How often the node looks by itself for what no bell announced."""
HELLO_S = 5.0
"""How often it says what it holds, so that what was lost last is noticed, too."""
SEAL_S = 1.0
"""How often it looks whether a sync is due; what is journalled is sealed with it."""
IDLE_MAX = 9
"""How many pauses are added to one, at most, while a remote brings nothing new."""
ASK_S = 5.0
"""How long an answer may take."""
ASKING_MAX = 4
"""Questions under way at once."""
ANSWERING_MAX = 2


class Happened(Struct, frozen=True, kw_only=True):
    """Something that a person may want to see of a node."""

    what: str
    """`open`, `here`, `gone`, `said`, `heard`, `synced`, `trouble` or `closed`."""
    text: str
    report: Report | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What a node is to do."""

    project: str
    """What all clones of one project share: 16 to 64 hex digits."""
    live: Settings
    remotes: tuple[Remote, ...] = ()
    addresses: tuple[str, ...] = ()
    """The remotes' addresses, which tell how often they may be asked."""
    timeout_s: float = 120.0


class Node:
    """One replica's node in one space; `running` runs it."""

    def __init__(
        self,
        open_space: Callable[[], Space],
        plan: Plan,
        tell: Callable[[Happened], None] = lambda _: None,
    ) -> None:
        self.plan = plan
        self.tell = tell
        self.space = open_space()
        self.changed = asyncio.Condition()
        """Notified when the view may hold more than before."""
        self._open_space = open_space
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._asking: set[str] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        """Run for as long as the context lasts; raise `busy` where this replica has a node."""
        outside = self.space.outside
        async with AsyncExitStack() as stack:
            stack.callback(self.space.close)
            stack.enter_context(claim(self.space.store_dir))
            self.talk = Talk(self.space)
            stack.callback(self.talk.close)
            bell = Bell(self.space.store_dir, outside.entropy)
            stack.callback(bell.close)
            self.peer = Peer(
                self.plan.live,
                self.plan.project,
                self.space.replica,
                on_loop(asyncio.get_running_loop(), self._wake),
            )
            self.peer.open([self.space.name])
            stack.push_async_callback(asyncio.to_thread, self.peer.close)
            self._pool = ThreadPoolExecutor(ASKING_MAX + ANSWERING_MAX, "waggle-ask")
            stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
            self._frames = stack.enter_context(_OwnSpace(self._open_space, "waggle-frames"))
            self._git = stack.enter_context(_OwnSpace(self._open_space, "waggle-git"))
            asyncio.get_running_loop().add_reader(bell.fileno(), self._wake.set)
            stack.callback(asyncio.get_running_loop().remove_reader, bell.fileno())
            self._say(
                "open", f"replica {self.space.replica[:12]}, project {self.plan.project[:12]}"
            )
            self._tasks = await stack.enter_async_context(_Tasks())
            for work in (self._converse(bell), self._greet(), self._sync_often()):
                self._tasks.start(work)
            yield self
        self._say("closed", "nothing is lost; every command goes on working without the node")

    def _say(self, what: str, text: str, report: Report | None = None) -> None:
        self.tell(Happened(what=what, text=text, report=report))

    # --- the conversation ------------------------------------------------------------------

    async def _converse(self, bell: Bell) -> None:
        while True:
            with suppress(TimeoutError):  # nobody rang: it looks by itself
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()
            bell.drain()
            self._publish(SAID, self.talk.news())
            self.talk.trim()
            while heard := self.peer.take():
                for one in heard:
                    self._hear(one)
            while asked := self.peer.take_asks():
                for one_asked in asked:
                    self._answer(one_asked)
            await self._show_changes()

    def _publish(self, what: str, messages: Iterable[bytes]) -> None:
        for message in messages:
            self.peer.publish(self.space.name, what, message)  # type: ignore[arg-type]
            if what == SAID:
                self._news.set()

    def _hear(self, heard: Heard) -> None:
        if heard.what == HERE:
            self._say("here", heard.node[:12])
            self._publish(HELLO, self.talk.hello())
        elif heard.what == "gone":
            self._say("gone", heard.node[:12])
            self.talk.theirs.pop(heard.node, None)
        elif heard.what == FRAME:
            self._tasks.start(self._take_frames(heard.node, [heard.data]))
        else:
            self._ask(self.talk.hear(heard.node, heard.data))

    def _answer(self, asked: Asked) -> None:
        messages = self.talk.answer(asked.question.data)
        self._tasks.start(self._in(self._pool, asked.question.answer, messages))

    def _ask(self, questions: Sequence[Question]) -> None:
        """Ask, one question about each log at a time: the answer may make the others needless."""
        for question in questions:
            if question.ask.replica not in self._asking and len(self._asking) < 4 * ASKING_MAX:
                self._asking.add(question.ask.replica)
                self._tasks.start(self._ask_one(question))

    async def _ask_one(self, question: Question) -> None:
        data = wire.encode(question.ask)
        try:
            messages = await asyncio.get_running_loop().run_in_executor(
                self._pool,
                lambda: self.peer.ask(self.space.name, question.node, data, timeout_s=ASK_S),
            )
        finally:
            self._asking.discard(question.ask.replica)
        frames = [message for message in messages if wire.is_frame(message)]
        if frames:
            await self._take_frames(question.node, frames)
        for message in messages:
            if not wire.is_frame(message):
                self._ask(self.talk.hear(question.node, message))
        self._wake.set()

    async def _take_frames(self, node: str, frames: Sequence[bytes]) -> None:
        def take(space: Space) -> list[Question]:
            talk = Talk(space)
            questions = [found for data in frames for found in talk.hear(node, data)]
            self.talk.count.update(talk.count)
            return questions

        self._ask(await self._frames.run(take))
        self._wake.set()

    async def _greet(self) -> None:
        while True:
            self._publish(HELLO, self.talk.hello())
            self._note_spread()
            await asyncio.sleep(HELLO_S)

    def _note_spread(self) -> None:
        """Write down which nodes hold how much of this replica's log, for `waggle status`."""
        space, own = self.space, self.space.journal.replica
        known = spread.load(space.store_dir, space.name)
        now_ms = space.outside.now_ms()
        said = {
            node: Seen(seq=held[own], at_ms=now_ms)
            for node, held in self.talk.theirs.items()
            if own in held and held[own] != (known[node].seq if node in known else 0)
        }
        if said:
            spread.save(space.store_dir, space.name, {**known, **said})

    async def _show_changes(self) -> None:
        """Fold what is new, and wake those who wait for it."""
        before = self.space.view.admitted()
        _ = self.space.db
        admitted = self.space.view.admitted()
        if admitted != before:
            self._say("heard", f"{sum(head.seq for head in admitted.values())} entries")
        async with self.changed:
            self.changed.notify_all()

    # --- git -------------------------------------------------------------------------------

    async def _sync_often(self) -> None:
        """Sync with each remote at its own pace, sooner when there is news; seal at that pace."""
        loop = asyncio.get_running_loop()
        turns = [_Turn(address) for address in self.plan.addresses]
        while True:
            news = self._news.is_set()
            self._news.clear()
            now = loop.time()
            ready = [n for n, turn in enumerate(turns) if turn.due(now, news=news)]
            if ready or (news and not turns):
                report = await self._sync([self.plan.remotes[n] for n in ready])
                devices = 1 + len(self.peer.present(self.space.name))
                for n, one in zip(ready, report.remotes, strict=False):
                    turns[n].took(one, devices, loop.time(), self._chance())
            wait = min((turn.next for turn in turns), default=now + SEAL_S) - loop.time()
            await asyncio.sleep(max(0.1, min(wait, SEAL_S)))

    def _chance(self) -> float:
        return int.from_bytes(self.space.outside.entropy(4), "big") / 2**32

    async def _sync(self, remotes: Sequence[Remote]) -> Report:
        nodes = self.peer.present(self.space.name) | {self.space.replica}

        def carries(remote: Remote, replica: str) -> bool:
            return relay(remote, replica, nodes) == self.space.replica

        def work(space: Space) -> tuple[Report, list[bytes]]:
            transport = Transport(
                space.repository.common_dir, space.objects.git.environ, self.plan.timeout_s
            )
            exchange = Exchange(space, transport, hidden=distrusted(space), carries=carries)
            report = exchange.sync(remotes)
            return report, Talk(space).frames([one.oid for one in exchange.sealed])

        try:
            report, frames = await self._git.run(work)
        except WaggleError as error:
            self._say("trouble", f"{error.message}. {error.next_step}")
            await asyncio.sleep(1)
            return Report(space=self.space.name, replica="", was=None, sealed=0, head=0, remotes=())
        self._publish(FRAME, frames)
        self._wake.set()
        if any(one.received or one.pushed or one.trouble for one in report.remotes):
            self._say("synced", "", report)
        return report

    async def _in(self, pool: Executor, work: Callable[..., None], *values: object) -> None:
        await asyncio.get_running_loop().run_in_executor(pool, work, *values)


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

    def took(self, one: Exchanged, devices: int, now: float, chance: float) -> None:
        """Note how a sync went."""
        moved = one.received or one.pushed
        self._idle = 0 if moved else min(self._idle + 1, IDLE_MAX)
        slower = self._pace.after(one.trouble).slower
        self._pace = Pace(pause=pause_s(self._address, devices), slower=slower)
        wait = self._pace.next_s(chance)
        self._soonest = now + wait
        self.next = now + wait * (1 if one.trouble else 1 + self._idle)


class _OwnSpace:
    """A thread with a space of its own, opened and closed there."""

    def __init__(self, open_space: Callable[[], Space], name: str) -> None:
        self._open_space = open_space
        self._pool = ThreadPoolExecutor(1, name)
        self._space: Space | None = None

    async def run(self, work: Callable[[Space], T]) -> T:
        """Do something with the space on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work)

    def _do(self, work: Callable[[Space], T]) -> T:
        if self._space is None:
            self._space = self._open_space()
        return work(self._space)

    def _close(self) -> None:
        if self._space is not None:
            self._space.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.submit(self._close)
        self._pool.shutdown()


class _Tasks:
    """Tasks beside a body: they end with it, and one that fails ends it, with its own error."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run something until it is done, or the body is."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in tuple(self._running):
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
