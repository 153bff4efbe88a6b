"""What is measured in processes of its own: memory, and many writers at once.

    python -m bench.speed.child rebuild|verify REPOSITORY
    python -m bench.speed.child append|insert PLACE CANDIDATE COUNT NUMBER
    python -m bench.speed.child batches PLACE TASK BATCHES SIZE VOTER

The first kind prints one JSON object. A writer says when it is ready, waits for a line on its
standard input, writes, and says when it is done.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench.speed import world
from waggle.choice.kinds import Vote
from waggle.log.line import line
from waggle.store.checkup.verify import verify
from waggle.store.frames.logs import Logs
from waggle.store.space import Draft, Space

ROOT = Path(__file__).resolve().parents[2]
_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def start(*words: str) -> subprocess.Popen[str]:
    """Start a child."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.speed.child", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    """Give the next line that a child says; raise where it died instead."""
    assert process.stdout is not None
    said = process.stdout.readline()
    if not said:
        raise RuntimeError(f"{process.args!r} ended with status {process.wait()}")
    return said


def release(process: subprocess.Popen[str]) -> None:
    """Let a writer begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a child's end, which has to be a good one."""
    process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")


def report(*words: str) -> dict[str, float]:
    """Run a child to its end and give the object that it printed."""
    process = start(*words)
    found: dict[str, float] = json.loads(answer(process))
    finish(process)
    return found


def _peak_bytes() -> int:
    """Give the most memory that this process has had resident."""
    # Linux lets a child inherit the ru_maxrss of whoever forked it, even across exec; VmHWM is
    # the program's own.
    if _STATUS.exists() and (found := _PEAK.search(_STATUS.read_text())):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _floor(space: Space) -> float:
    """Give the seconds that Python's json takes to read all sealed lines, already in memory."""
    logs, name = Logs(space.objects), f"refs/waggle/main/{space.replica}"
    oid = space.objects.refs.get(name)
    assert oid is not None
    took = 0.0
    for frame, _ in logs.back(oid):
        data = space.objects.file(frame, "entries.jsonl")
        began = perf_counter()
        for one in data.splitlines():
            json.loads(one)
        took += perf_counter() - began
    return took


def _rebuild(space: Space) -> int:
    return space.rebuild()


def _verify(space: Space) -> int:
    found = verify(space)
    assert found.sound, found.problems
    return found.entries


def _whole(work: Callable[[Space], int], folder: Path) -> None:
    """Time work on a whole log, and what it takes in memory beyond an open space."""
    with world.space_in(folder) as space:
        _ = space.objects, space.replica
        before = _peak_bytes()
        began = perf_counter()
        entries = work(space)
        seconds, peak = perf_counter() - began, _peak_bytes()
        found = {"seconds": seconds, "entries": entries, "peak": peak, "before": before}
        print(json.dumps({**found, "floor": _floor(space)}), flush=True)


def _write(write: Callable[[int], object], count: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        write(number)
    print("done", flush=True)


def _append_batches(place: Path, task: str, batches: int, size: int, first: int) -> None:
    """Append batches of votes on all candidates of a task, a voter each, from voter `first` on."""
    poll = world.Poll(tasks=(), candidates=(), voters=1000, families=20)
    with world.space_in(place) as space:
        _ = space.replica
        found = space.db.execute("SELECT id FROM candidate WHERE task=? ORDER BY id", (task,))
        candidates = [one for (one,) in found]
        ready = [
            [
                Draft(body=Vote(candidate=candidates[n % len(candidates)], score=n % 101))
                for n in range(size)
            ]
            for _ in range(batches)
        ]
        _write(lambda number: space.append_all(ready[number], poll.voter(first + number)), batches)


def main(words: list[str]) -> None:
    """Do one job."""
    job, place = words[0], Path(words[1])
    if job == "batches":
        _append_batches(place, words[2], int(words[3]), int(words[4]), int(words[5]))
        return
    if job in {"rebuild", "verify"}:
        _whole(_rebuild if job == "rebuild" else _verify, place)
        return
    poll = world.Poll(tasks=(), candidates=(), voters=1000, families=20)
    by, candidate, count = poll.voter(int(words[4])), words[2], int(words[3])
    votes = [Vote(candidate=candidate, score=number % 101) for number in range(count)]
    if job == "append":
        with world.space_in(place) as space:
            _ = space.replica
            drafts = [Draft(body=vote) for vote in votes]
            _write(lambda number: space.append(drafts[number], by), count)
        return
    lines = [line(1_767_225_600_000 << 16, world.pending(by, vote).encoded) for vote in votes]
    bare = world.Bare(place)
    _write(lambda number: bare.insert(lines[number]), count)


if __name__ == "__main__":
    main(sys.argv[1:])
