"""What the crash tests share: starting writers, reading what they acknowledged, examining.

The examiner does not trust the code under test: it reads the log out of git with `git cat-file`
and builds the running hash itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest
from tests.crash.writer import Job

from waggle.agents.folds import FOLDS
from waggle.base.errors import WaggleError
from waggle.eventual.tasks import TaskAdd
from waggle.faces.machine import outside
from waggle.log.entry import Agent
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space

SPACE = "main"
LOST = "acknowledged entries lost"
_WRITER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writer.py")
_PATIENCE_S = 60


def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Randomness that is new in every run; the seed is shown with a failure, CRASH_SEED sets it."""
    seed = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000_000))
    request.node.add_report_section("call", "seed", f"repeat with CRASH_SEED={seed}")
    return random.Random(seed)


def git(folder: str, *args: str, data: bytes = b"") -> str:
    """What the git program prints, as the user would run it."""
    done = subprocess.run(
        ["git", "-C", folder, *args], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(args)}: {done.stderr.decode()}"
    return done.stdout.decode(errors="replace").rstrip("\n")


def new_store(folder: str) -> str:
    """A repository with a first commit and a store in it."""
    os.makedirs(folder, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "tester")
    git(folder, "config", "user.email", "tester@example.invalid")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=start")
    initialise(find(folder, {}), outside())
    return folder


def open_space(folder: str) -> Space:
    return Space(find(folder, {}), SPACE, FOLDS, outside())


def own_ref(folder: str) -> str:
    """The one ref of the one replica; empty while nothing is sealed."""
    names = git(folder, "for-each-ref", "--format=%(refname)", f"refs/waggle/{SPACE}").split()
    assert len(names) < 2, f"a second replica appeared: {names}"
    return names[0] if names else ""


class Writer:
    """A running writer, and what it has acknowledged so far: key to id."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.acked: dict[str, str] = {}
        self.sealed: list[tuple[int, int]] = []
        self.errors: list[dict[str, str]] = []
        self.struck = False
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, _WRITER, msgspec.json.encode(job).decode()],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self, seconds: float) -> bool:
        """Take in what comes within a time; False once the writer has closed its end."""
        ready, _, _ = select.select([self._pipe], [], [], max(0.0, seconds))
        if not ready:
            return True
        data = os.read(self._pipe, 1 << 20)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode())
        return bool(data)

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "ack":
            key, entry = rest.split(" ")
            self.acked[key] = entry
        elif word == "sealed":
            first, last = rest.split(" ")
            self.sealed.append((int(first), int(last)))
        elif word == "error":
            self.errors.append(json.loads(rest))
        else:
            assert word == "strike", line
            self.struck = True

    def read_for(self, seconds: float) -> None:
        """Take in all that comes within a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.read(left):
            pass

    def read_until(self, count: int) -> None:
        """Take in until so many entries are acknowledged."""
        end = time.monotonic() + _PATIENCE_S
        while len(self.acked) < count:
            assert self.read(1), f"the writer ended after {len(self.acked)}: {self.errors}"
            assert time.monotonic() < end, f"{len(self.acked)} of {count} in {_PATIENCE_S} s"

    def kill(self, *, group: bool = False) -> None:
        """SIGKILL the writer, or it and the git that it is running."""
        if group:
            os.killpg(self.pid, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Take in the rest and give the exit status."""
        end = time.monotonic() + _PATIENCE_S
        while self.read(1):
            assert time.monotonic() < end, f"the writer runs for more than {_PATIENCE_S} s"
        self._process.stdout.close() if self._process.stdout else None
        return self._process.wait(_PATIENCE_S)


@contextmanager
def writing(job: Job) -> Iterator[Writer]:
    """A writer that is gone afterwards, whatever happens."""
    writer = Writer(job)
    try:
        yield writer
    finally:
        if writer._process.poll() is None:  # noqa: SLF001 - the same module
            writer.kill(group=True)
            writer.end()


def log_in_git(folder: str, ref: str) -> list[tuple[str, bytes]]:
    """Every (id, line) of a log, oldest first, the running hash built anew; checks each frame."""
    replica = ref.rsplit("/", 1)[1]
    frames = _frames(folder, ref)
    wanted = "".join(f"{oid}\n{oid}:entries.jsonl\n" for oid in frames).encode()
    done = subprocess.run(
        ["git", "-C", folder, "cat-file", "--batch"], input=wanted, capture_output=True, check=True
    )
    last = hashlib.blake2b(f"waggle/1\0{SPACE}\0{replica}".encode(), digest_size=32).digest()
    log: list[tuple[str, bytes]] = []
    for message, blob in _pairs(_batch(done.stdout)):
        fields = dict(row.split(": ", 1) for row in message.decode().split("\n") if ": " in row)
        assert int(fields["first"]) == len(log) + 1, "a gap or an overlap between frames"
        assert blob.endswith(b"\n")
        for line in blob[:-1].split(b"\n"):
            last = hashlib.blake2b(last + line, digest_size=32).digest()
            log.append((last.hex(), line))
        assert int(fields["last"]) == len(log)
        assert fields["hash"] == last.hex(), "the frame states another running hash"
    return log


def _frames(folder: str, ref: str) -> list[str]:
    """The frames from the first; its own first parent may be a commit that it carries."""
    frames: list[str] = []
    for row in git(folder, "log", "--first-parent", "--format=%H %s", ref).splitlines():
        oid, _, subject = row.partition(" ")
        frames.insert(0, oid)
        if subject.startswith("waggle 1-"):
            break
    return frames


def _batch(out: bytes) -> Iterator[bytes]:
    while out:
        header, _, rest = out.partition(b"\n")
        oid, kind, size = header.split(b" ")
        assert kind in {b"commit", b"blob"}, oid
        yield rest[: int(size)]
        out = rest[int(size) + 1 :]


def _pairs(parts: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(parts, parts, strict=True)


def seal_after_group_kill(space: Space, tally: Counter[str]) -> None:
    """Seal; where git was killed with its lock and this is refused, age the lock and seal again."""
    common = space.repository.common_dir
    name = f"refs/waggle/{SPACE}/{space.replica}"
    lock = os.path.join(common, *name.split("/")) + ".lock"
    try:
        space.seal()
    except WaggleError as error:
        if error.code != "busy":
            raise
        tally["stale locks of refs, refused while young, then cleared"] += 1
        if os.path.exists(lock):
            os.utime(lock, (1, 1))
        space.seal()


def examine(folder: str, acked: Sequence[dict[str, str]], tally: Counter[str]) -> None:
    """Reopen, go on, seal; then nothing acknowledged may be missing, and one history stands."""
    before = own_ref(folder)
    tip = git(folder, "rev-parse", before) if before else ""
    with open_space(folder) as space:
        if before:
            assert before.endswith(space.replica), "it goes on as another replica"
        mark = space.append(Draft(body=TaskAdd(title="after the crash")), Agent(name="examiner"))
        seal_after_group_kill(space, tally)
        _, admitted, digest = space.digest()
        ref = own_ref(folder)
        log = log_in_git(folder, ref)
        ids = {entry for entry, _ in log}
        known = {key: entry for part in acked for key, entry in part.items()}
        lost = [key for key, entry in known.items() if entry not in ids]
        tally[LOST] += len(lost)
        assert not lost, f"{len(lost)} of {len(known)} acknowledged entries lost: {lost[:5]}"
        assert log[-1][0] == mark.id
        assert mark.seq == len(log) == admitted[space.replica].seq
        keys = Counter(json.loads(line).get("key") for _, line in log)
        del keys[None]
        assert not [key for key, count in keys.items() if count > 1], "a key was written twice"
        space.rebuild()
        assert space.digest()[2] == digest, "folding anew gives another view"
    if tip:
        git(folder, "merge-base", "--is-ancestor", tip, ref)
    problems = git(folder, "fsck", "--strict", "--no-dangling", "--no-progress")
    assert problems == "", problems
