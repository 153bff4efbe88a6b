"""One Zenoh session; the only module that knows Zenoh.

Callbacks run in Zenoh's own threads (`indirect=False`): a thread of Python's for each would keep
the interpreter from ending when a session was not closed. They do nothing but hand over.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import zenoh
from zenoh.handlers import Callback

from waggle.base.errors import WaggleError
from waggle.sync.live.keys import ASK, FRAME, HERE, KINDS, Key, everyone, parse
from waggle.sync.live.wire import MESSAGE_BYTES_MAX

_REMOTE = zenoh.Locality.REMOTE
_DROP = zenoh.CongestionControl.DROP
_LOW = zenoh.Priority.DATA_LOW


class Handler(Protocol):
    """Who gets what comes. Called on Zenoh's threads, so every method returns at once."""

    def hear(self, session: Session, key: Key, data: bytes) -> None:
        """Take a message that was published."""

    def asked(self, key: Key, question: Question) -> None:
        """Take a question to this node; it has to be answered or dropped."""

    def met(self, session: Session, key: Key, *, here: bool) -> None:
        """Learn that a node came or went."""

    def stray(self) -> None:
        """Count something that is not of our form."""


class Question:
    """A question from another node, until it is answered."""

    def __init__(self, query: zenoh.Query, key: str) -> None:
        self.data = query.payload.to_bytes() if query.payload else b""
        self._query = query
        self._key = key

    def answer(self, messages: Iterable[bytes]) -> None:
        """Send the messages and end the answer; what the asker is too slow for is dropped.

        Takes up to 20 ms for each message, so it has no place on an event loop.
        """
        try:
            for message in messages:
                self._query.reply(self._key, message)
        except zenoh.ZError:
            pass  # whoever asked is gone, and wants no answer any more
        finally:
            self.drop()

    def drop(self) -> None:
        """End the answer without another message: the asker does not wait any longer."""
        self._query.drop()  # type: ignore[no-untyped-call]


class Session:
    """A session, from opening to closing. Its methods may be called from any thread."""

    def __init__(self, config: Mapping[str, object], handler: Handler) -> None:
        """Open a session; raise `environment` where Zenoh cannot, as when a port is taken."""
        self._handler = handler
        self._lock = threading.Lock()
        self._declared: list[Any] = []
        """What has to be undeclared, in the order in which it was declared."""
        self._publishers: dict[Key, zenoh.Publisher] = {}
        """By what this node says in the spaces that it joined."""
        whole = zenoh.Config()
        try:
            for path, value in config.items():
                whole.insert_json5(path, json.dumps(value))
            self._zenoh = zenoh.open(whole)
        except zenoh.ZError as error:
            raise WaggleError(
                "environment",
                f"the live path does not open: {_brief(error)}",
                "Correct its endpoints or certificates; without it, `waggle sync` does the rest.",
            ) from error

    def join(self, space: str, replica: str) -> None:
        """Hear a space (its key), answer for `replica` in it, and be seen there.

        Others learn of it on one link in this order, so whoever sees this node can speak to it.
        Raises `environment` where the session was closed meanwhile.
        """
        ask = Key(space, replica, ASK).text()
        live = self._zenoh.liveliness()
        try:
            for what in KINDS:
                self._publish_on(Key(space, replica, what))
                self._declare(
                    self._zenoh.declare_subscriber(
                        everyone(space, what),
                        Callback(self._on_sample, indirect=False),
                        allowed_origin=_REMOTE,
                    )
                )
            self._declare(
                self._zenoh.declare_queryable(
                    ask, Callback(self._on_query, indirect=False), allowed_origin=_REMOTE
                )
            )
            self._declare(live.declare_token(Key(space, replica, HERE).text()))
            self._declare(
                live.declare_subscriber(
                    everyone(space, HERE), Callback(self._on_token, indirect=False), history=True
                )
            )
        except zenoh.ZError as error:
            raise WaggleError(
                "environment", f"the live path was closed: {_brief(error)}", "Open it again."
            ) from error

    def publish(self, key: Key, data: bytes) -> bool:
        """Hand a message to all who hear its space; False where this session did not join it.

        Waits at most a millisecond for each link that cannot keep up (20 ms for messages beyond
        64 KiB), once: while it cannot, messages to it are dropped at once.
        """
        publisher = self._publishers.get(key)
        if publisher is None:
            return False
        try:
            publisher.put(data)
        except zenoh.ZError:
            return False  # closed meanwhile, which is what the answer says
        return True

    def ask(self, key: Key, data: bytes, *, timeout_s: float, bytes_max: int) -> list[bytes]:
        """Give the messages with which nodes answer, up to `bytes_max` bytes of them.

        Empty where nobody is there, or nobody answers within `timeout_s`. Whoever claims the same
        replica is asked too: an impostor can add to an answer, but not take it away.
        """
        answers: list[bytes] = []
        ended = threading.Event()
        left = bytes_max

        def on_reply(reply: zenoh.Reply) -> None:
            nonlocal left
            if reply.ok is not None and len(reply.ok.payload) <= left:
                left -= len(reply.ok.payload)
                answers.append(reply.ok.payload.to_bytes())

        try:
            self._zenoh.get(
                key.text(),
                Callback(on_reply, drop=ended.set, indirect=False),
                target=zenoh.QueryTarget.ALL,
                consolidation=zenoh.ConsolidationMode.NONE,
                timeout=timeout_s,
                congestion_control=_DROP,
                priority=_LOW,
                payload=data,
                allowed_destination=_REMOTE,
            )
        except zenoh.ZError:
            return []  # closed meanwhile: nobody is there
        ended.wait(timeout_s)
        return list(answers)

    def links(self) -> int:
        """Count the nodes that are connected."""
        try:
            return len(self._zenoh.info.transports())
        except zenoh.ZError:
            return 0  # closed meanwhile

    def undeclare(self) -> None:
        """End everything that was declared: nobody is called back any more."""
        with self._lock:
            declared, self._declared = self._declared, []
        for one in reversed(declared):
            try:
                one.undeclare()
            except zenoh.ZError:
                continue  # the session was closed already, which undeclares

    def close(self) -> None:
        """Undeclare, then close; the other order can hang. Takes seconds beside a stopped peer."""
        self.undeclare()
        try:
            self._zenoh.close()  # type: ignore[no-untyped-call]
        except zenoh.ZError:
            return  # Zenoh gave up waiting for a link; the session is closed all the same

    def _declare(self, one: Any) -> None:  # noqa: ANN401 (what Zenoh declares has no common type)
        with self._lock:
            self._declared.append(one)

    def _publish_on(self, key: Key) -> None:
        publisher = self._zenoh.declare_publisher(
            key.text(),
            congestion_control=_DROP,
            # Lines overtake frames, which are large and hurry nobody.
            priority=_LOW if key.what == FRAME else zenoh.Priority.DATA,
            express=False,
            allowed_destination=_REMOTE,
        )
        self._declare(publisher)
        self._publishers[key] = publisher

    def _on_sample(self, sample: zenoh.Sample) -> None:
        key = parse(str(sample.key_expr))
        put = sample.kind == zenoh.SampleKind.PUT
        if key is None or not put or len(sample.payload) > MESSAGE_BYTES_MAX:
            self._handler.stray()
        else:
            self._handler.hear(self, key, sample.payload.to_bytes())

    def _on_query(self, query: zenoh.Query) -> None:
        key = parse(str(query.key_expr))
        if key is None or (query.payload and len(query.payload) > MESSAGE_BYTES_MAX):
            self._handler.stray()
            query.drop()  # type: ignore[no-untyped-call]
        else:
            self._handler.asked(key, Question(query, key.text()))

    def _on_token(self, sample: zenoh.Sample) -> None:
        key = parse(str(sample.key_expr))
        if key is None:
            self._handler.stray()
        else:
            self._handler.met(self, key, here=sample.kind == zenoh.SampleKind.PUT)


def _brief(error: zenoh.ZError) -> str:
    """Give Zenoh's words without the place in its source."""
    return str(error).partition(" at /")[0]
