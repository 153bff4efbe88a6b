"""Nodes: what an idle one costs, and a flood of entries that many hear."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bench.speed import clones, world
from bench.speed.child import answer
from bench.speed.commands import WAGGLE
from bench.speed.measure import Samples, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Row
from waggle.eventual.tasks import TaskAdd
from waggle.store.space import Draft

_PROC = Path("/proc")
_UP_S = 30.0


def measure(sizes: Sizes, place: Path) -> tuple[Row, ...]:
    """Measure both."""
    floods = [row for number, size in sizes.floods for row in _flood(sizes, place, number, size)]
    return (*_idle(sizes, place), *floods)


# --- idle -----------------------------------------------------------------------------------


def _idle(sizes: Sizes, place: Path) -> tuple[Row, ...]:
    """Look at a node that another one sees, and that syncs with a remote, while nothing happens."""
    if not (_PROC / "self" / "stat").exists():
        say("an idle node is not measured: this system has no /proc")
        return ()
    say("an idle node")
    hub = clones.hub(place, "idle.git")
    folders = clones.clones(place, "idle", "idle-too")
    with (
        clones.meeting(),
        _up(folders[0], hub.where) as node,
        _up(folders[1], hub.where),
        clones.bare_session() as (_, process),
    ):
        pids = (node, process.pid)
        looks = [_load(pids, sizes.idle_s) for _ in range(sizes.idles)]
        mine, theirs = (Samples(column, "%") for column in zip(*looks, strict=True))
        memory, bare = (Samples((_resident(pid),), "MiB") for pid in pids)
    against = "a Python process with a bare Zenoh session"
    return (
        Row(what="an idle `waggle up` beside another and a remote: of one core's time, with its"
            " git", ours=mine, baseline=theirs, against=against),
        Row(what="the same: memory (resident set)", ours=memory, baseline=bare, against=against),
    )  # fmt: skip


@contextmanager
def _up(folder: Path, remote: str) -> Iterator[int]:
    """Run a node as users do; give its process."""
    with subprocess.Popen(
        (WAGGLE, "up", remote), cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert " open " in process.stdout.readline(), "the node did not open"
            yield process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(_UP_S) == 0, "the node did not end well"
        finally:
            process.kill()


def _load(pids: Sequence[int], seconds: float) -> tuple[float, ...]:
    """Give how much of a core each process and its children take for so long, in percent."""
    before = [_cpu_s(pid) for pid in pids]
    took = timed(lambda: time.sleep(seconds))()
    return tuple(100 * (_cpu_s(pid) - was) / took for pid, was in zip(pids, before, strict=True))


def _cpu_s(pid: int) -> float:
    """Give the seconds that a process, and the children that it waited for, have computed."""
    # proc(5): the name, in brackets, may hold anything; fields 14 to 17 are utime, stime, cutime
    # and cstime in clock ticks.
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    """Give the MiB that a process has in memory."""
    rows = (_PROC / str(pid) / "status").read_text().splitlines()
    (kib,) = (int(row.split()[1]) for row in rows if row.startswith("VmRSS:"))
    return kib / 1024


# --- a flood --------------------------------------------------------------------------------


def _flood(sizes: Sizes, place: Path, number: int, size: int) -> tuple[Row, ...]:
    """Append as fast as it goes while many nodes listen, until the last of them has it all."""
    say(f"{number:,} entries by {size}, to {sizes.receivers} receivers")
    names = [f"flood-{size}-{n}" for n in range(sizes.receivers + 2)]
    sender, alone, *receivers = clones.clones(place, *names)
    silent = _append(alone, number, size)
    marks = [(sender, clones.NEVER), *((folder, number) for folder in receivers)]
    commands = [
        ("peers", "node", str(folder), str(sizes.receivers), str(mark), "1")
        for folder, mark in marks
    ]
    with clones.meeting(), clones.peers(*commands) as processes:
        for process in processes:
            answer(process)  # all of them see one another
        began = perf_counter()
        said = _append(sender, number, size)
        moments = [float(answer(process)) for process in processes[1:]]
    heads = {_held(folder, sender) for folder in (sender, *receivers)}
    ((seq, _),) = heads  # all of them hold the same
    assert seq == number, "an entry is missing"
    what = f"{number:,} entries appended by {size} while {sizes.receivers} nodes listen"
    against = "the same while nobody listens, and no node runs"
    base = Samples((silent,)).rate(number)
    return (
        Row(what=f"{what}: appended", ours=Samples((said,)).rate(number), baseline=base,
            against=against),
        Row(what=f"{what}: in the views of all of them, nothing lost",
            ours=Samples((max(moments) - began,)).rate(number), baseline=base, against=against),
    )  # fmt: skip


def _append(folder: Path, number: int, size: int) -> float:
    """Append so many entries, so many at once; give the seconds that it took."""
    with world.space_in(folder) as space:

        def work() -> None:
            for first in range(0, number, size):
                numbers = range(first, min(first + size, number))
                drafts = [Draft(body=TaskAdd(title=f"task {n} {'x' * 100}")) for n in numbers]
                space.append_all(drafts, world.ANN)

        return timed(work)()


def _held(folder: Path, sender: Path) -> tuple[int, str]:
    """Give how far a clone's view has the log of the sender, and its running hash there."""
    with world.space_in(sender) as space:
        replica = space.replica
    with world.space_in(folder) as space:
        _ = space.db
        head = space.view.admitted()[replica]
    return head.seq, head.id
