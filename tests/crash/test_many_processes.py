"""Many processes of one replica at once: one log, without a gap or a duplicate."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.crash.harness import examine, git, new_store, open_space, own_ref, writing
from tests.crash.writer import Job

from waggle.log.chain import Link
from waggle.store.frames.logs import Logs

WRITERS = 8
ENTRIES = 1000
KEYED = 40


def worktrees(folder: str, count: int) -> list[str]:
    paths = [os.path.join(os.path.dirname(folder), f"tree{number}") for number in range(count)]
    for path in paths:
        git(folder, "worktree", "add", "--quiet", "--detach", path)
    return paths


def links(folder: str) -> list[Link]:
    """The log as the product verifies it, signatures and all."""
    with open_space(folder) as space:
        ref = own_ref(folder)
        oid = space.objects.refs.get(ref)
        assert oid is not None
        reading = Logs(space.objects).read_all(oid, space.name, space.replica)
    assert reading.refusal is None, reading.refusal
    return reading.links


def test_eight_worktrees_write_one_log_while_one_is_killed(
    tmp_path: Path, tally: Counter[str]
) -> None:
    folder = new_store(str(tmp_path / "repository"))
    with open_space(folder) as sealer, ExitStack() as stack:
        jobs = [
            Job(folder=path, name=f"w{number}", entries=ENTRIES)
            for number, path in enumerate(worktrees(folder, WRITERS))
        ]
        writers = [stack.enter_context(writing(job)) for job in jobs]
        victim, rest = writers[0], writers[1:]
        victim.read_until(ENTRIES // 4)
        victim.kill()
        assert victim.end() == -9
        running = list(rest)
        while running:
            sealer.seal()
            running = [writer for writer in running if writer.read(0)]
        assert [writer.end() for writer in rest] == [0] * len(rest), [w.errors for w in rest]
    assert [len(writer.acked) for writer in rest] == [ENTRIES] * len(rest)
    assert ENTRIES // 4 <= len(victim.acked) < ENTRIES
    examine(folder, [writer.acked for writer in writers], tally)
    log = links(folder)
    ids = [link.id for link in log]
    assert len(set(ids)) == len(ids)
    assert [link.seq for link in log] == list(range(1, len(log) + 1))
    keys = {link.envelope.key for link in log} - {None}
    total = sum(len(writer.acked) for writer in writers)
    assert total <= len(keys) <= total + 1, "only the victim's last entry may be unacknowledged"
    tally["entries acknowledged by eight processes"] += total


def test_the_same_key_gives_the_same_entry_in_every_process(
    tmp_path: Path, tally: Counter[str]
) -> None:
    folder = new_store(str(tmp_path / "repository"))
    with ExitStack() as stack:
        jobs = [
            Job(folder=path, name="shared", entries=KEYED, seal_every=7)
            for path in worktrees(folder, 4)
        ]
        writers = [stack.enter_context(writing(job)) for job in jobs]
        assert [writer.end() for writer in writers] == [0] * len(writers)
    first = writers[0].acked
    assert len(first) == len(set(first.values())) == KEYED
    assert all(writer.acked == first for writer in writers)
    examine(folder, [first], tally)
    assert len([link for link in links(folder) if link.envelope.key]) == KEYED
