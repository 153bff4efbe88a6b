"""One node in a process of its own: it prints what it hears, and does what it reads.

Both ways a line is one JSON array. It reads `["said", TEXT]` (publish it), `["ask", NODE, TEXT]`
and `["close"]`, and prints `["open"]`, `["heard", NODE, WHAT, TEXT]`, `["answer", TEXT, ...]` and
`["closed", IN_TIME]`. A question is answered with itself, twice.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading

import msgspec

from waggle.sync.live.peer import Peer, on_loop
from waggle.sync.live.settings import Settings

SPACE = "main"
PROJECT = "ab" * 16
TEXT_MAX = 100
"""How much of a message is printed."""


def say(*event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def obey(peer: Peer, loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    for row in sys.stdin:
        match json.loads(row):
            case ["said", text]:
                peer.publish(SPACE, "said", text.encode())
            case ["ask", node, text]:
                found = peer.ask(SPACE, node, text.encode(), timeout_s=10)
                say("answer", *(one.decode() for one in found))
            case ["close"]:
                say("closed", peer.close())
    loop.call_soon_threadsafe(done.set)


async def main(replica: str, settings: Settings) -> None:
    loop, arrived, done = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    peer = Peer(settings, PROJECT, replica, on_loop(loop, arrived))
    peer.open([SPACE])
    say("open")
    threading.Thread(target=obey, args=(peer, loop, done), daemon=True).start()
    ended = asyncio.ensure_future(done.wait())
    while not ended.done():
        waiting = asyncio.ensure_future(arrived.wait())
        await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        arrived.clear()
        while heard := peer.take():
            for one in heard:
                say("heard", one.node, one.what, one.data[:TEXT_MAX].decode())
        while asked := peer.take_asks():
            for one_asked in asked:
                question = one_asked.question
                await asyncio.to_thread(question.answer, [question.data] * 2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Settings)))
