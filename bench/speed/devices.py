"""Much at once by git: many new entries, a new device, a remote with very many logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from bench.speed import clones, world
from bench.speed.crowd import crowd
from bench.speed.ladder import Step
from bench.speed.measure import Work, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Row
from waggle.eventual.tasks import TaskAdd
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.space import Draft, Space
from waggle.sync.git.remotes import Remote

_ALL = "+refs/waggle/main/*:refs/waggle/main/*"


def measure(sizes: Sizes, steps: Sequence[Step], place: Path) -> tuple[Row, ...]:
    """Measure; `steps` are logs of which new devices fetch some."""
    by_votes = {step.votes: step for step in steps}
    return (
        _batch(sizes, place),
        *(_device(by_votes[votes], times, place) for votes, times in sizes.devices),
        *_many_logs(sizes, place),
    )


def _batch(sizes: Sizes, place: Path) -> Row:
    """Carry many new entries from one store to another."""
    say(f"syncing {sizes.batch:,} new entries")
    hub, plain = (clones.hub(place, f"{name}.git") for name in ("batch", "plain"))
    folders = [world.repository(place / name) for name in ("much", "all", "there", "here")]
    with world.space_in(folders[0]) as writer, world.space_in(folders[1]) as reader:

        def ours() -> float:
            drafts = [Draft(body=TaskAdd(title=f"task {n}")) for n in range(sizes.batch)]
            last = writer.append_all(drafts, world.ANN)[-1]
            return timed(lambda: _carry(writer, reader, hub, last.seq))()

        def baseline() -> float:
            _, lines = zip(*_newest(writer, sizes.batch), strict=True)
            (folders[2] / "lines").write_bytes(b"\n".join(lines))
            return timed(lambda: _commit(folders[2], folders[3], plain))()

        mine, theirs = alternate(sizes.git_syncs, ours, baseline)
    return Row(
        what=f"{sizes.batch:,} new entries: sealed, pushed, fetched, verified and folded",
        ours=mine,
        baseline=theirs,
        against="the same lines by `git add`, `commit`, `push` and `fetch`",
    )


def _newest(space: Space, many: int) -> list[tuple[int, bytes]]:
    return [(link.seq, link.line) for link in space.counted.newest(space.replica, many)]


def _carry(writer: Space, reader: Space, hub: Remote, seq: int) -> None:
    clones.sync(writer, hub)
    clones.sync(reader, hub)
    _ = reader.db
    assert reader.view.admitted()[writer.replica].seq == seq


def _commit(there: Path, here: Path, hub: Remote) -> None:
    world.git(there, "add", "lines")
    world.git(there, "commit", "--quiet", "--message", "lines")
    world.git(there, "push", "--quiet", hub.where, "HEAD:refs/heads/log")
    world.git(here, "fetch", "--quiet", hub.where, "+refs/heads/log:refs/remotes/log")


def _device(step: Step, times: int, place: Path) -> Row:
    """Let a new device fetch a whole log."""
    say(f"a new device that fetches {step.votes:,} votes")
    hub = clones.hub(place, f"device-{step.votes}.git")
    with world.space_in(step.folder) as space:
        clones.sync(space, hub)

    def ours() -> float:
        folder = world.repository(place / "device")

        def whole() -> None:
            with world.space_in(folder) as device:
                clones.sync(device, hub)
                (votes,) = device.db.execute("SELECT count(*) FROM vote").fetchone()
                assert votes == step.votes, "a vote is missing"

        took = timed(whole)()
        shutil.rmtree(folder)
        return took

    def baseline() -> float:
        # Over the wire, as fetching is: otherwise git only links the files of a neighbour.
        words = ("clone", "--quiet", "--mirror", "--no-local", hub.where, "mirror.git")
        took = timed(lambda: world.git(place, *words))()
        shutil.rmtree(place / "mirror.git")
        return took

    mine, theirs = alternate(times, ours, baseline)
    return Row(
        what=f"a new device: {step.entries:,} entries fetched, verified and folded",
        ours=mine,
        baseline=theirs,
        against="`git clone --mirror` of the same, which verifies no signature and folds nothing",
    )


def _many_logs(sizes: Sizes, place: Path) -> tuple[Row, ...]:
    """Sync with a remote that holds very many logs, most of which never change."""
    say(f"a remote with {sizes.replicas:,} logs")
    hub, numbers = clones.hub(place, "crowd.git"), count()
    others = crowd(Path(hub.where), sizes.replicas)
    folders = [world.repository(place / name) for name in ("one-of-many", "another")]
    mirror = place / "crowd-mirror.git"
    world.git(place, "init", "--quiet", "--bare", mirror.name)
    fetch = timed(lambda: world.git(mirror, "fetch", "--quiet", "--prune", hub.where, _ALL))
    with world.space_in(folders[0]) as writer, world.space_in(folders[1]) as reader:
        first, plain = alternate(1, lambda: _first(reader, hub, others), fetch)
        clones.sync(writer, hub)

        def append() -> int:
            task = Draft(body=TaskAdd(title=f"one more, {next(numbers)}"))
            return writer.append(task, world.ANN).seq

        def receive() -> float:
            seq = append()
            clones.sync(writer, hub)
            took = timed(lambda: _read(reader, hub))()
            assert reader.view.admitted()[writer.replica].seq == seq
            return took

        def send() -> float:
            append()
            return timed(lambda: clones.sync(writer, hub))()

        idle, idle_git = alternate(sizes.git_syncs, timed(lambda: _read(reader, hub)), fetch)
        got, got_git = alternate(sizes.git_syncs, receive, fetch)
        sent, sent_git = alternate(sizes.git_syncs, send, _sender(mirror, hub, fetch))
    against = "`git fetch` of the same refs"
    of = f"a remote with {others:,} logs"
    return (
        Row(what=f"{of}: the first sync", ours=first, baseline=plain, against=against),
        Row(what=f"{of}: nothing new", ours=idle, baseline=idle_git, against=against),
        Row(what=f"{of}: one new entry received", ours=got, baseline=got_git, against=against),
        Row(what=f"{of}: one new entry sent", ours=sent, baseline=sent_git,
            against="`git fetch` of the same refs and `git push` of a commit"),
    )  # fmt: skip


def _first(reader: Space, hub: Remote, others: int) -> float:
    took = timed(lambda: _read(reader, hub))()
    assert len(reader.view.admitted()) == others, "a log is missing"
    return took


def _read(reader: Space, hub: Remote) -> None:
    clones.sync(reader, hub)
    _ = reader.db


def _sender(mirror: Path, hub: Remote, fetch: Work) -> Work:
    """Give what fetches everything and pushes a new commit of its own, by git alone."""

    def work() -> float:
        fetch()  # what waggle pushed before this turn is no news to it either
        commit = world.git(mirror, "commit-tree", EMPTY_TREE, "-m", os.urandom(8).hex())
        words = ("push", "--quiet", hub.where, f"+{commit}:refs/heads/sent")
        return fetch() + timed(lambda: world.git(mirror, *words))()

    return work
