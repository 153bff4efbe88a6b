"""One space's part in a node: what is said there, heard, asked and answered. On the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from waggle.sync.live import wire
from waggle.sync.live.keys import FRAME, HELLO, HERE, SAID
from waggle.sync.live.peer import Asked, Heard, Peer, What
from waggle.sync.node import spread
from waggle.sync.node.crew import ASKING_MAX, Crew
from waggle.sync.node.plan import Happened
from waggle.sync.node.spread import Seen
from waggle.sync.node.talk import Question, Talk

if TYPE_CHECKING:
    from waggle.store.space import Space

ANSWERING_MAX = 32
"""Answers that wait to be sent, of up to `wire.ANSWER_BYTES_MAX` each."""
FRAMES_BYTES_MAX = 32 * 1024 * 1024
"""Frames that wait for their turn; a flood of them is taken up far more slowly than it comes."""
ASK_S = 5.0
"""How long an answer may take."""


class Conversation:
    """What a node says, hears, asks and answers in one space."""

    def __init__(
        self,
        space: Space,
        peer: Peer,
        crew: Crew,
        wake: Callable[[], None],
        tell: Callable[[Happened], None],
    ) -> None:
        """`wake` lets the node look again, because something came that it may want to fold."""
        self.space = space
        self.talk = Talk(space)
        self._peer = peer
        self._crew = crew
        self._wake = wake
        self._tell = tell
        self._asking: set[str] = set()
        self._answering = 0
        """Answers that were not sent yet."""
        self._frames_bytes = 0
        """Bytes of frames that were heard and wait for their turn."""

    def close(self) -> None:
        """Close what was heard; the space stays open."""
        self.talk.close()

    def _say(self, what: str, text: str) -> None:
        self._tell(Happened(what=what, text=text, space=self.space.name))

    def publish(self, what: What, messages: Iterable[bytes]) -> int:
        """Say messages to all who are there; give how many they were."""
        count = 0
        for message in messages:
            self._peer.publish(self.space.name, what, message)
            count += 1
        return count

    def say_news(self) -> bool:
        """Say what was journalled since the last time; tell whether there was anything."""
        return self.publish(SAID, self.talk.news()) > 0

    def tidy(self) -> None:
        """Let go of what git has brought by now; nobody waits for that."""
        self.talk.trim()

    def greet(self) -> None:
        """Say what is held here, so that what was lost last is noticed, too."""
        self.publish(HELLO, self.talk.hello())
        self._note_spread()

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

    def hear(self, heard: Heard) -> None:
        """Take what came."""
        if heard.what == HERE:
            self._say("here", heard.node[:12])
            self.publish(HELLO, self.talk.hello())
        elif heard.what == "gone":
            self._say("gone", heard.node[:12])
            self.talk.theirs.pop(heard.node, None)
        elif heard.what == FRAME:
            self._take_frame(heard)
        else:
            self._ask(self.talk.hear(heard.node, heard.data))

    def answer(self, asked: Asked) -> None:
        """Answer a question, unless too many wait; sending it may wait for whoever asked."""
        if self._answering >= ANSWERING_MAX:
            self.talk.count["question dropped"] += 1
            asked.question.drop()
            return
        messages = self.talk.answer(asked.question.data)
        self._answering += 1
        self._crew.start(self._answer(asked, messages))

    async def _answer(self, asked: Asked, messages: Sequence[bytes]) -> None:
        try:
            await self._crew.ask(lambda: asked.question.answer(messages))
        finally:
            self._answering -= 1

    def _take_frame(self, heard: Heard) -> None:
        """Take a frame in its turn, unless too much waits: git brings it, too."""
        if self._frames_bytes + len(heard.data) > FRAMES_BYTES_MAX:
            self.talk.count["frame: dropped"] += 1
            return
        self._frames_bytes += len(heard.data)
        self._crew.start(self._take_one(heard))

    async def _take_one(self, heard: Heard) -> None:
        try:
            await self._take_frames(heard.node, [heard.data])
        finally:
            self._frames_bytes -= len(heard.data)

    def fold(self) -> bool:
        """Fold what is new; tell whether there was anything."""
        before = self.space.view.admitted()
        _ = self.space.db
        admitted = self.space.view.admitted()
        if admitted == before:
            return False
        self._say("heard", f"{sum(head.seq for head in admitted.values())} entries")
        return True

    # --- asking ----------------------------------------------------------------------------

    def _ask(self, questions: Sequence[Question]) -> None:
        """Ask, one question about each log at a time: the answer may make the others needless."""
        for question in questions:
            if question.ask.replica not in self._asking and len(self._asking) < 4 * ASKING_MAX:
                self._asking.add(question.ask.replica)
                self._crew.start(self._ask_one(question))

    async def _ask_one(self, question: Question) -> None:
        data = wire.encode(question.ask)
        try:
            messages = await self._crew.ask(
                lambda: self._peer.ask(self.space.name, question.node, data, timeout_s=ASK_S)
            )
        finally:
            self._asking.discard(question.ask.replica)
        frames = [message for message in messages if wire.is_frame(message)]
        if frames:
            await self._take_frames(question.node, frames)
        for message in messages:
            if not wire.is_frame(message):
                self._ask(self.talk.hear(question.node, message))
        self._wake()

    async def _take_frames(self, node: str, frames: Sequence[bytes]) -> None:
        def take(space: Space) -> list[Question]:
            talk = Talk(space)
            try:
                questions = [found for data in frames for found in talk.hear(node, data)]
            finally:
                talk.close()
            self.talk.count.update(talk.count)
            return questions

        self._ask(await self._crew.frames(self.space.name, take))
        self._wake()
