"""Commands as processes, as agents call them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.speed import world
from bench.speed.ladder import Step
from bench.speed.measure import Samples, Work, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section

WAGGLE = Path(sys.executable).parent / "waggle"
_PYTHON = (sys.executable, "-c", "import sqlite3")
_HEAVY = {"libgit2": "pygit2", "the terminal library": "rich", "the command parser": "click"}
_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", re.MULTILINE)
_SETTING = (
    "Each repetition is a process; the baseline is the interpreter that loads SQLite and ends, and"
    " both take turns. `waggle tasks` and `waggle choose` run on the log of {votes:,} votes."
)


def run(
    words: Sequence[str | Path], where: Path, *, status: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, which has to be with this status."""
    done = subprocess.run(
        words, cwd=where, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if done.returncode != status:
        raise RuntimeError(f"{words} ended with status {done.returncode}: {done.stderr}")
    return done


def _process(words: Sequence[str | Path], where: Path, says: str = "") -> Work:
    """Time a process that has to say something."""

    def work() -> float:
        said: list[str] = []
        took = timed(lambda: said.append(run(words, where).stdout))()
        assert said[0].startswith(says), said[0]
        return took

    return work


def measure(sizes: Sizes, step: Step, folder: Path) -> Section:
    """Measure; `step` is the log that is read."""
    say("commands")
    where = world.repository(folder / "commands")
    with world.space_in(where) as space:
        poll = world.propose(space, 1, 1, 1, 1)
        _ = space.db  # agents vote on what was shown to them, so it has been folded
    vote = (WAGGLE, "vote", poll.candidates[0][0][:16], "--up")
    choose = (WAGGLE, "choose", step.poll.tasks[0])
    with world.space_in(step.folder) as space:
        _ = space.db
    mine, python, tasks, chosen = alternate(
        sizes.commands,
        _process(vote, where, "vote "),
        _process(_PYTHON, where),
        _process((WAGGLE, "tasks"), step.folder),
        _process(choose, step.folder),
    )
    against = '`python -c "import sqlite3"`'
    rows = (
        Row(what="`waggle vote`", ours=mine, baseline=python, against=against,
            goals=(Goal(limit=3),)),
        *_imports(vote, where),
        Row(what="`waggle tasks`", ours=tasks, baseline=python, against=against),
        Row(what="`waggle choose`", ours=chosen, baseline=python, against=against),
    )  # fmt: skip
    return Section(title="Commands", setting=_SETTING.format(votes=step.votes), rows=rows)


def _imports(vote: Sequence[str | Path], where: Path) -> tuple[Row, ...]:
    """Count what a vote imports, as the interpreter itself reports it."""
    told = run(vote, where, PYTHONPROFILEIMPORTTIME="1").stderr
    names = set(_IMPORTED.findall(told))
    assert "sqlite3" in names, "the interpreter did not report imports"
    counted = {
        what: sum(name.split(".")[0] == package for name in names)
        for what, package in _HEAVY.items()
    }
    return tuple(
        Row(
            what=f"of the {len(names)} modules that `waggle vote` imports, those of {what}"
            f" (`{_HEAVY[what]}`)",
            ours=Samples((float(count),), "modules"),
            goals=(Goal(limit=0, of="figure"),),
        )
        for what, count in counted.items()
    )
