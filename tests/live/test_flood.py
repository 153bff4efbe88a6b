"""A hostile node that says junk as fast as it can, beside two honest nodes that hear each other.

It is a bare Zenoh session in a process of its own, which keeps no rule: it has seen the honest
nodes' keys and speaks under many names. What the honest ones write goes through, no write waits,
and memory stays within bounds, because queues do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
from tests.node.test_up import clones, node, said, titles
from tests.store.voices import Voice

from waggle.sync.live import wire
from waggle.sync.live.wire import MESSAGE_BYTES_MAX, Ask, Held, Hello

__all__ = ["clones"]
MEMORY_BYTES_MAX = 192 * 1024 * 1024
"""What a node may come to hold: the inbox's 64 MiB, frames that wait, and what it is itself."""
FLOOD = """
import itertools, json, queue, sys, zenoh
config = zenoh.Config()
config.insert_json5("connect/endpoints", json.dumps(json.loads(sys.argv[1])))
config.insert_json5("scouting/multicast/enabled", "false")
session = zenoh.open(config)
heard = queue.SimpleQueue()
watch = session.declare_subscriber("waggle/1/**", heard.put)
space = "/".join(str(heard.get(timeout=30).key_expr).split("/")[:3])
watch.undeclare()
messages = [[what, bytes.fromhex(data)] for what, data in json.load(sys.stdin)]
for turn in itertools.count():
    name = f"{turn % 500:032x}"
    for what, data in messages:
        session.put(f"{space}/{name}/{what}", data)
        session.get(f"{space}/*/ask", zenoh.handlers.FifoChannel(1), payload=data[:1000], timeout=1)
    if turn % 100 == 0:
        print("flooding", flush=True)
"""


def junk() -> list[tuple[str, str]]:
    """What is said: no messages, hellos of many logs, signed lines with bad signatures, frames."""
    voice = Voice(9).write(20)
    right = wire.encode(voice.say(1, 20))
    hello = Hello(
        space="main",
        replica=voice.replica,
        held=tuple(Held(f"{n:032x}", 9, "ab" * 8) for n in range(wire.HELD_MAX)),
    )
    ask = Ask(space="main", replica=voice.replica, after=0, limit=4096)
    messages = [
        ("said", b"junk"),
        ("said", right[:-1] + bytes((right[-1] ^ 1,))),
        ("said", right.replace(b"task.add", b"task.axx")),
        ("hello", wire.encode(hello)),
        ("frame", wire.encode(ask)),
        ("frame", b"\1\2" + bytes(MESSAGE_BYTES_MAX // 8)),
    ]
    return [(what, data.hex()) for what, data in messages]


def goes_on(lines: IO[str]) -> None:
    """Wait until it has gone on for 200 turns more."""
    assert [lines.readline() for _ in range(2)] == ["flooding\n"] * 2, "it ended by itself"


@contextmanager
def flood(runtime: Path) -> Iterator[Callable[[], None]]:
    """Flood all nodes that meet in a folder for as long as the context lasts."""
    endpoints = [f"unixsock-stream/{path}" for path in runtime.rglob("*.sock")]
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD, json.dumps(endpoints)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(junk()))
            process.stdin.close()
            lines = process.stdout
            goes_on(lines)
            yield lambda: goes_on(lines)
        finally:
            process.kill()


def test_a_flood_drowns_neither_what_the_honest_write_nor_their_memory(
    clones: list[Path],
) -> None:
    one, two = clones
    with node(one) as first, node(two) as second:
        titles(two, said(one, "task", "add", "before")["token"])
        with flood(Path(os.environ["XDG_RUNTIME_DIR"])) as goes_on:
            tokens = [said(one, "task", "add", f"during {n}")["token"] for n in range(3)]
            wanted = ["before", *(f"during {n}" for n in range(3))]
            assert titles(two, tokens[-1]) == wanted
            back = said(two, "task", "add", "back")["token"]
            assert titles(one, back) == sorted([*wanted, "back"])
            goes_on()
            for process in (first, second):
                used = psutil.Process(process.pid).memory_info().rss
                assert used < MEMORY_BYTES_MAX, f"{used >> 20} MiB"
        assert titles(two, said(one, "task", "add", "later")["token"]) == sorted(
            [*wanted, "back", "later"]
        )
