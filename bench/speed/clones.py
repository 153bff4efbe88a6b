"""What syncing is measured on: clones of one project, bare remotes, and processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from bench.speed import world
from bench.speed.child import ROOT, answer, finish
from waggle.faces import machine
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Space
from waggle.sync.git.exchange import Exchange, Exchanged
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport
from waggle.sync.node.node import Node

if TYPE_CHECKING:
    import zenoh

TIMEOUT_S = 600.0
"""What one run of git may take at a remote."""
NEVER = 2**62
"""A number of entries that no view reaches: a node that is told of it (peers.py) says nothing."""
MEET_S = 60.0
"""What nodes, or two bare Zenoh sessions, may take to find one another."""


def clones(place: Path, *names: str) -> list[Path]:
    """Make clones of one new project, each with a store and without any remote."""
    seed = place / "-".join(("seed", *names[:1]))
    seed.mkdir()
    world.git(seed, "init", "--quiet")
    world.git(seed, "commit", "--quiet", "--allow-empty", "--message", "begin")
    made = []
    for name in names:
        world.git(place, "clone", "--quiet", str(seed), name)
        world.git(place / name, "remote", "remove", "origin")
        initialise(find(str(place / name), os.environ), machine.outside())
        made.append(place / name)
    return made


def hub(place: Path, name: str) -> Remote:
    """Make a bare repository, as remotes are."""
    world.git(place, "init", "--quiet", "--bare", name)
    return remote(place / name)


def remote(where: Path) -> Remote:
    """Give a bare repository as a store sees it."""
    return Remote(name="hub", where=str(where), track="hub", prefix="refs/waggle")


def sync(space: Space, with_remote: Remote) -> Exchanged:
    """Sync once, which has to succeed."""
    transport = Transport(space.repository.common_dir, os.environ, TIMEOUT_S)
    (one,) = Exchange(space, transport).sync([with_remote]).remotes
    if one.trouble is not None or one.findings:
        raise RuntimeError(f"{one.trouble} {one.findings}")
    return one


async def met(node: Node, others: int) -> None:
    """Wait until a node sees so many others; raise TimeoutError after MEET_S."""
    async with asyncio.timeout(MEET_S), node.changed:
        await node.changed.wait_for(lambda: len(node.peer.present("main")) >= others)


@contextmanager
def meeting() -> Iterator[None]:
    """Let the nodes that are started meanwhile, here and in other processes, find one another."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    # Not among what is measured: Unix sockets have short names only.
    with tempfile.TemporaryDirectory(prefix="wgb-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


@contextmanager
def peers(*commands: Sequence[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Run modules of this package in processes, all at once, for as long as the context lasts.

    The first word of each command is the module's name. Each ends when its input does, and has to
    end well; all are killed where anything fails.
    """
    processes: list[subprocess.Popen[str]] = []
    try:
        processes.extend(map(_peer, commands))  # those before one that fails are there to be killed
        yield processes
        for process in processes:
            finish(process)
    finally:
        for process in processes:
            process.kill()  # does nothing to one that has ended
            process.communicate()


def _peer(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"bench.speed.{words[0]}", *words[1:]],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def bare_session() -> Iterator[tuple[zenoh.Publisher, subprocess.Popen[str]]]:
    """Open a Zenoh session to a process that has one too; give a publisher, and that process."""
    import zenoh

    with socket.create_server(("127.0.0.1", 0)) as probe:
        endpoint = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    config = zenoh.Config()
    config.insert_json5("listen/endpoints", json.dumps([endpoint]))
    config.insert_json5("scouting/multicast/enabled", "false")
    with zenoh.open(config) as session, peers(("bare_zenoh", endpoint)) as (process,):
        publisher = session.declare_publisher("bench")
        answer(process)
        end = perf_counter() + MEET_S
        while not publisher.matching_status.matching:  # type: ignore[attr-defined]
            assert perf_counter() < end, "the bare sessions did not meet"
            time.sleep(0.01)
        yield publisher, process
        publisher.undeclare()  # type: ignore[no-untyped-call]
