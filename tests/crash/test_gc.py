"""`git gc --prune=now` in a loop beside a writer: nothing is lost, frames are mended.

git itself does not promise this: what no ref holds yet may go at any moment. The journal keeps
the newest frame, and `Objects.keep` holds a carried commit until its frame does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.harness import examine, git, new_store, open_space, own_ref, writing
from tests.crash.writer import Job

from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.repo.keeping import keep
from waggle.store.space import Draft, Space

COLLECTIONS = 12
CANDIDATES = 25
ANN = Agent(name="ann")


class Collector(threading.Thread):
    """Runs `git gc --prune=now` until it is stopped; counts how often git was done with it."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.done = 0
        self.refused: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            gc = subprocess.run(
                ["git", "-C", self.folder, "gc", "--quiet", "--prune=now"],
                capture_output=True,
                check=False,
            )
            if gc.returncode:
                self.refused.append(gc.stderr.decode())
            else:
                self.done += 1


@contextmanager
def collecting(folder: str) -> Iterator[Collector]:
    collector = Collector(folder)
    collector.start()
    try:
        yield collector
    finally:
        collector.enough.set()
        collector.join()


def test_entries_survive_collections(tmp_path: Path, tally: Counter[str]) -> None:
    folder = new_store(str(tmp_path))
    job = Job(folder=folder, name="writer", entries=1_000_000, seal_every=3)
    with collecting(folder) as collector, writing(job) as writer:
        while collector.done < COLLECTIONS:
            count = len(writer.acked)
            writer.read_until(count + 1)
        writer.kill()
        writer.end()
    tally["git gc --prune=now beside a writer"] += collector.done
    tally["entries acknowledged beside git gc"] += len(writer.acked)
    assert not writer.errors, writer.errors
    examine(folder, [writer.acked], tally)


def test_no_entry_leaves_the_journal_while_git_gc_is_at_work(
    tmp_path: Path, tally: Counter[str]
) -> None:
    """It may not have seen the frame's ref, and take the frame after it was read back."""
    folder = new_store(str(tmp_path))
    pid = Path(folder, ".git", "gc.pid")
    acked: dict[str, str] = {}

    def add_and_seal(title: str) -> list[int]:
        acked[title] = space.append(Draft(body=TaskAdd(title=title)), ANN).id
        space.seal()
        return [seq for seq, _, _ in space.journal.read(space.name, 0)]

    with open_space(folder) as space:
        add_and_seal("a")
        pid.write_text(f"{os.getpid()} {socket.gethostname()}")
        assert add_and_seal("b") == [1, 2]
        assert add_and_seal("c") == [1, 2, 3]
        with subprocess.Popen(["git", "version"], stdout=subprocess.PIPE) as gone:
            gone.communicate()
        pid.write_text(f"{gone.pid} {socket.gethostname()}")
        assert add_and_seal("d") == [4]
    examine(folder, [acked], tally)


def publish(space: Space, folder: str, number: int, task: str) -> tuple[str, str, int]:
    """A candidate commit that no branch holds; give its entry, its id, and how often gc won."""
    for lost in range(100):
        text = f"answer {number}, attempt {lost}"
        try:
            blob = git(folder, "hash-object", "-w", "--stdin", data=text.encode())
            tree = git(folder, "mktree", data=f"100644 blob {blob}\ta.txt\n".encode())
            commit = git(folder, "commit-tree", tree, "-m", text)
            keep(space.objects, [commit])
        except (AssertionError, WaggleError):
            continue  # gc took it before anyone was told that it is there
        body = Candidate(task=task, commit=commit, result=tree, size=number)
        return space.append(Draft(body=body, commits=(commit,)), ANN).id, commit, lost
    raise AssertionError("gc won 100 times in a row")


def test_carried_commits_survive_collections(tmp_path: Path, tally: Counter[str]) -> None:
    folder = new_store(str(tmp_path))
    acked: dict[str, str] = {}
    commits: list[str] = []
    with open_space(folder) as space, collecting(folder) as collector:
        task = space.append(Draft(body=Candidate(task="0" * 64, result="00" * 16)), ANN).id
        while len(commits) < CANDIDATES or collector.done < COLLECTIONS:
            entry, commit, lost = publish(space, folder, len(commits), task)
            acked[commit] = entry
            commits.append(commit)
            tally["commits that gc took before they were published"] += lost
            if len(commits) % 3 == 0:
                frames = space.seal()
                assert not [frame for frame in frames if frame.missing]
    tally["git gc --prune=now beside carried commits"] += collector.done
    tally["carried commits"] += len(commits)
    examine(folder, [acked], tally)
    held = set(git(folder, "rev-list", own_ref(folder)).split())
    assert held.issuperset(commits)
    assert not list(Path(folder, ".git", "objects", "pack").glob("*.keep"))
