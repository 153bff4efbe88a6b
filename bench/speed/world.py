"""What is measured on: repositories of their own, a bare SQLite file, and polls."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from waggle.agents.folds import FOLDS
from waggle.choice.kinds import Candidate, Vote
from waggle.eventual.tasks import TaskAdd
from waggle.faces import machine
from waggle.log.entry import Agent, canonical, fields_of
from waggle.log.line import body
from waggle.store.outside import Outside
from waggle.store.own.journal import Pending
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space

ANN = Agent(name="ann")
_WHO = {"NAME": "Bench", "EMAIL": "bench@waggle.invalid"}


def isolate(folder: Path) -> None:
    """Let neither the user's settings of git nor those of waggle reach what is measured."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "WAGGLE_"))]:
        del os.environ[name]
    for role in ("AUTHOR", "COMMITTER"):
        os.environ.update({f"GIT_{role}_{what}": value for what, value in _WHO.items()})
    os.environ["GIT_CONFIG_GLOBAL"] = os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    os.environ["WAGGLE_WORKTREES"] = str(folder / "worktrees")
    os.environ["WAGGLE_AGENT"] = ANN.name


def git(folder: Path, *args: str, data: bytes = b"") -> str:
    """Run git in a folder; give what it printed."""
    done = subprocess.run(["git", *args], cwd=folder, input=data, capture_output=True, check=True)
    return done.stdout.decode().strip()


def repository(folder: Path, outside: Outside | None = None) -> Path:
    """Make a repository with a store."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    initialise(find(str(folder), os.environ), outside or machine.outside())
    return folder


def space_in(folder: Path, outside: Outside | None = None) -> Space:
    """Open the space of a repository."""
    return Space(find(str(folder), os.environ), "main", FOLDS, outside or machine.outside())


class Bare:
    """The baseline of an append: SQLite alone, with the journal's settings and no index."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS entry(n INTEGER PRIMARY KEY, line BLOB)")

    def insert(self, line: bytes) -> None:
        """Insert one line durably."""
        self.db.execute("INSERT INTO entry(line) VALUES(?)", (line,))

    def insert_all(self, lines: Sequence[bytes]) -> None:
        """Insert lines in one durable transaction."""
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO entry(line) VALUES(?)", [(line,) for line in lines])
        self.db.execute("COMMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Voters of some families on the candidates of some tasks, all of which are in the log."""

    tasks: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]
    """By task."""
    voters: int
    families: int

    def voter(self, number: int) -> Agent:
        """Give a voter; families are models, and take turns."""
        return Agent(name=f"voter-{number:04}", model=f"model-{number % self.families:02}")

    def round(self, task: int, number: int, rng: random.Random) -> list[Pending]:
        """Let every voter vote once on a task, on another candidate in each round.

        Within a round every family votes on every candidate as far as there are voters, so a
        read meets all of a ballot's cells from the first round on.
        """
        choices = self.candidates[task]
        order = list(range(self.voters))
        rng.shuffle(order)
        return [
            pending(
                self.voter(voter),
                Vote(
                    candidate=choices[(voter // self.families + number) % len(choices)],
                    score=score(rng),
                ),
            )
            for voter in order
        ]

    def rounds(self, rng: random.Random) -> Iterator[list[Pending]]:
        """Give all rounds, task by task: no voter votes twice on a candidate."""
        for task in range(len(self.tasks)):
            for number in range(len(self.candidates[task])):
                yield self.round(task, number, rng)


def score(rng: random.Random) -> int:
    """Give a score: most voters approve or reject, some say something between."""
    return rng.choice((100, 100, 100, 100, 0, 0, rng.randrange(101)))


def pending(by: Agent, vote: Vote) -> Pending:
    """Encode a vote as the space does."""
    return Pending(body(vote.KIND, by.fields(), fields_of(vote), encode=canonical))


def propose(space: Space, tasks: int, candidates: int, voters: int, families: int) -> Poll:
    """Add tasks with candidates by authors of all families."""
    title = [Draft(body=TaskAdd(title=f"task {number}")) for number in range(tasks)]
    ids = tuple(written.id for written in space.append_all(title, ANN))
    found: list[tuple[str, ...]] = []
    for task in ids:
        mine = []
        for number in range(candidates):
            author = Agent(name=f"author-{number:02}", model=f"model-{number % families:02}")
            candidate = Candidate(
                task=task, result=f"{number:032x}", size=100 + number, confidence=number % 101
            )
            mine.append((author, Draft(body=candidate)))
        found.append(tuple(space.append(draft, author).id for author, draft in mine))
    return Poll(tasks=ids, candidates=tuple(found), voters=voters, families=families)
