"""What the syncing benchmarks run in processes of their own.

    python -m bench.speed.peers node FOLDER OTHERS FIRST STEP
    python -m bench.speed.peers own FOLDER HUB COUNT
    python -m bench.speed.peers shared FOLDER HUB COUNT LIMIT_S PAUSE_MS PAUSE_MS_MAX

A node says when it is ready, then the moment (`perf_counter`, which processes share) at which its
view holds FIRST, FIRST + STEP, ... entries, until its input ends. Writers say when they are ready,
wait for a line, and print one JSON object when they are done.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.speed import clones, world
from waggle.eventual.tasks import TaskAdd
from waggle.faces.live import open_node
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.space import Draft
from waggle.sync.git.exchange import Exchange
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Pushed, Transport
from waggle.sync.node.plan import Happened

REF = "refs/heads/log"
"""What all writers of the shared way push to."""
LIFE_S = 600
"""How long a node runs at most; it ends with an error then."""


def say(*words: object) -> None:
    """Print one line at once."""
    print(*words, flush=True)


async def node(folder: str, others: int, first: int, step: int) -> None:
    """Run a node; say when so many others are there, and whenever its view has grown so far."""
    mark = first

    def tell(happened: Happened) -> None:
        nonlocal mark
        if happened.what == "heard":
            now = time.perf_counter()
            admitted = running.conversations["main"].space.view.admitted()
            while sum(head.seq for head in admitted.values()) >= mark:
                say(now)
                mark += step

    made = open_node(
        lambda _: world.space_in(Path(folder)), ["main"], folder, os.environ,
        offline=True, tell=tell,
    )  # fmt: skip
    async with made.running() as running:
        await clones.met(running, others)
        say("ready")
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
        async with asyncio.timeout(LIFE_S):  # whoever waits for a mark that never comes is told so
            await ended.wait()


class _Counting(Transport):
    """A transport that counts what remotes refuse."""

    refused = 0

    def push(self, remote: Remote, refs: Mapping[str, str]) -> Pushed:
        """Push, and count the refs that did not move."""
        pushed = super().push(remote, refs)
        self.refused += sum(one.trouble is not None for one in pushed.refs.values())
        if pushed.trouble is not None:
            raise RuntimeError(pushed.trouble.text)
        return pushed


def own(folder: str, hub: str, count: int) -> None:
    """Append and sync until the entry is on the remote, again and again, by waggle."""
    remote, took = clones.remote(Path(hub)), []
    with world.space_in(Path(folder)) as space:
        transport = _Counting(space.repository.common_dir, os.environ, clones.TIMEOUT_S)
        _ = space.objects
        say("ready")
        sys.stdin.readline()
        for number in range(count):
            began = time.perf_counter()
            written = space.append(Draft(body=TaskAdd(title=f"task {number}")), world.ANN)
            while Exchange(space, transport).sync([remote]).remotes[0].own < written.seq:
                if not transport.refused:
                    raise RuntimeError("the entry is not on the remote, and nobody refused it")
            took.append(time.perf_counter() - began)
    say(json.dumps({"took": took, "refused": transport.refused, "left": 0.0}))


def shared(folder: str, hub: str, count: int, limit_s: int, pause: tuple[int, int]) -> None:
    """Add to one ref that others add to as well: fetch, commit, push, and again when refused.

    `pause` is what the first pause is drawn from, and the most, in ms; 0 is none.
    """
    pause_ms, pause_ms_max = pause
    chance, took, refused, left = random.Random(folder), list[float](), 0, 0.0
    say("ready")
    sys.stdin.readline()
    end = time.perf_counter() + limit_s
    for number in range(count):
        began, tries = time.perf_counter(), 0
        while not (done := _commit_and_push(folder, hub, f"{folder} {number}")):
            refused += 1
            if time.perf_counter() >= end:
                break
            if pause_ms:
                most = min(pause_ms << min(tries, 16), pause_ms_max)
                time.sleep(chance.uniform(0, most) / 1000)
            tries += 1
        if not done:
            left = time.perf_counter() - began
            break
        took.append(time.perf_counter() - began)
    say(json.dumps({"took": took, "refused": refused, "left": left}))


def _commit_and_push(folder: str, hub: str, text: str) -> bool:
    """Put a commit on top of the shared ref; tell whether it was taken, raise on other trouble.

    The entry stands in the commit's message, which is the cheapest way there is; no two are the
    same, or two writers would make one commit.
    """
    where = Path(folder)
    world.git(where, "fetch", "--quiet", hub, f"+{REF}:{REF}")
    commit = world.git(where, "commit-tree", EMPTY_TREE, "-p", REF, "-m", text)
    words = ["git", "push", "--porcelain", hub, f"{commit}:{REF}"]
    done = subprocess.run(
        words, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode and f"!\t{commit}:{REF}\t" not in done.stdout:
        raise RuntimeError(f"{words} ended with status {done.returncode}: {done.stderr}")
    return done.returncode == 0


def main() -> None:
    """Do what the words say."""
    match sys.argv[1:]:
        case ["node", folder, others, first, step]:
            asyncio.run(node(folder, int(others), int(first), int(step)))
        case ["own", folder, hub, count]:
            own(folder, hub, int(count))
        case ["shared", folder, hub, count, limit_s, pause_ms, most_ms]:
            shared(folder, hub, int(count), int(limit_s), (int(pause_ms), int(most_ms)))
        case words:
            sys.exit(f"unknown: {words}")


if __name__ == "__main__":
    main()
