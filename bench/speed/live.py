"""The live path: from an append here to the view of another process, against the bare parts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import perf_counter

from bench.speed import clones, world
from bench.speed.child import answer
from bench.speed.measure import Samples, Work, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row
from waggle.choice.kinds import Vote
from waggle.faces.live import open_node
from waggle.log.entry import Agent
from waggle.log.line import line
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.space import Draft, Space
from waggle.sync.git.remotes import Remote

_AGAINST = "a bare durable insert, then a bare Zenoh message to another process"
_GIT = "`git commit-tree`, `git push` there and `git fetch` here"


def measure(sizes: Sizes, place: Path) -> tuple[Row, ...]:
    """Measure it live and by git."""
    say("the live path")
    pair = _Pair(sizes, place)
    with clones.meeting():
        library, bare = asyncio.run(_beside_node(sizes.live, pair))
        command, bare_too = _beside_process(sizes.live, pair)
    synced, plain = _by_git(sizes.git_syncs, pair)
    both = (Goal(limit=2), Goal(limit=1e-3, of="figure"))
    return (
        Row(what="a vote, from its append where the node runs to the view of another process",
            ours=library, baseline=bare, against=_AGAINST, goals=both),
        Row(what="the same, 99th percentile", ours=library.p99, baseline=bare.p99,
            against=_AGAINST),
        Row(what="from its append in a process beside the node", ours=command, baseline=bare_too,
            against=_AGAINST),
        Row(what="the first of these, beside git", ours=library, baseline=plain, against=_GIT),
        Row(what="the same without the live path: both sync", ours=synced, baseline=plain,
            against=_GIT),
    )  # fmt: skip


class _Pair:
    """Two clones that both hold a poll, and the votes that one sends to the other."""

    def __init__(self, sizes: Sizes, place: Path) -> None:
        self.place = place
        self.hub = clones.hub(place, "pair.git")
        self.sender, self.hearer = clones.clones(place, "sender", "hearer")
        with world.space_in(self.sender) as writer, world.space_in(self.hearer) as reader:
            self._poll = world.propose(writer, 1, sizes.candidates, sizes.voters, sizes.families)
            clones.sync(writer, self.hub)
            clones.sync(reader, self.hub)
        self.sent = 1 + sizes.candidates
        """Entries of the sender's log."""

    def vote(self) -> tuple[Vote, Agent]:
        """Give the vote that comes next."""
        number = self.sent
        (candidates,) = self._poll.candidates
        chosen = candidates[(number // self._poll.voters + number) % len(candidates)]
        return Vote(candidate=chosen, score=100), self._poll.voter(number % self._poll.voters)

    def send(self, space: Space) -> float:
        """Append the next vote; give the moment before."""
        vote, by = self.vote()
        self.sent += 1
        began = perf_counter()
        space.append(Draft(body=vote), by)
        return began


async def _beside_node(number: int, pair: _Pair) -> tuple[Samples, Samples]:
    """Append where the node runs, as a program does that uses the library."""
    ours, theirs = list[float](), list[float]()
    node = open_node(
        lambda _: world.space_in(pair.sender), ["main"], str(pair.sender), os.environ, offline=True
    )
    first = str(pair.sent + 1)
    with (
        clones.peers(("peers", "node", str(pair.hearer), "1", first, "1")) as (hearer,),
        _bare(pair, "beside-node.db") as bare,
        world.space_in(pair.sender) as space,
    ):
        async with node.running():
            await asyncio.to_thread(answer, hearer)
            await clones.met(node, 1)
            for _ in range(number):
                began = pair.send(space)
                ours.append(float(await asyncio.to_thread(answer, hearer)) - began)
                theirs.append(bare())
    return Samples(tuple(ours)), Samples(tuple(theirs))


def _beside_process(number: int, pair: _Pair) -> tuple[Samples, Samples]:
    """Append while the node runs in a process of its own, as commands do."""
    first = str(pair.sent + 1)
    with (
        clones.peers(
            ("peers", "node", str(pair.sender), "1", str(clones.NEVER), "1"),
            ("peers", "node", str(pair.hearer), "1", first, "1"),
        ) as (node, hearer),
        _bare(pair, "beside-process.db") as bare,
        world.space_in(pair.sender) as space,
    ):
        answer(node)
        answer(hearer)

        def ours() -> float:
            began = pair.send(space)
            return float(answer(hearer)) - began

        mine, theirs = alternate(number, ours, bare)
    return mine, theirs


@contextmanager
def _bare(pair: _Pair, name: str) -> Iterator[Work]:
    """Give the bare parts: insert as many bytes durably, then say them to another process."""
    vote, by = pair.vote()
    same = line(time.time_ns(), world.pending(by, vote).encoded)
    table = world.Bare(pair.place / name)
    with clones.bare_session() as (publisher, process):

        def once() -> float:
            began = perf_counter()
            table.insert(same)
            publisher.put(same)
            return float(answer(process)) - began

        yield once
    table.db.close()


def _by_git(number: int, pair: _Pair) -> tuple[Samples, ...]:
    """Sync on both sides; and git alone, with a commit instead of an entry."""
    with world.space_in(pair.sender) as writer, world.space_in(pair.hearer) as reader:

        def ours() -> None:
            pair.send(writer)
            clones.sync(writer, pair.hub)
            clones.sync(reader, pair.hub)
            _ = reader.db
            assert reader.view.admitted()[writer.replica].seq == pair.sent

        plain = _Plain(pair.sender, pair.hearer, pair.hub)
        for once in (ours, plain.carry):
            once()  # what was said live before comes along with the first
        return alternate(number, timed(ours), timed(plain.carry))


class _Plain:
    """Carries empty commits from one repository to another, by git alone."""

    def __init__(self, sender: Path, hearer: Path, hub: Remote) -> None:
        self._sender = sender
        self._hearer = hearer
        self._hub = hub.where
        self._tip = world.git(sender, "rev-parse", "HEAD")
        self._numbers = count(1)

    def carry(self) -> None:
        """Carry one more."""
        words = ("commit-tree", EMPTY_TREE, "-p", self._tip, "-m", f"line {next(self._numbers)}")
        self._tip = world.git(self._sender, *words)
        world.git(self._sender, "push", "--quiet", self._hub, f"{self._tip}:refs/heads/plain")
        spec = "+refs/heads/plain:refs/remotes/plain"
        world.git(self._hearer, "fetch", "--quiet", self._hub, spec)
