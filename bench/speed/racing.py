"""The race's own overhead: agents that do nothing, against the worktrees that they need."""

from __future__ import annotations

import asyncio
import os
from itertools import count
from pathlib import Path

from bench.speed import world
from bench.speed.commands import WAGGLE, run
from bench.speed.measure import alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.agents import race, runs
from waggle.agents.attempt import Options
from waggle.agents.events import Event
from waggle.eventual.tasks import TaskAdd, find_task
from waggle.faces.ops.race import FAILED_STATUS
from waggle.store.space import Space

_SETTING = (
    "{agents} agents that do nothing (`true`) and no tests, in a repository of {files} files;"
    " after a race that warms up. A race's own work is all that it does besides: it plans and"
    " records the runs, looks at the user's repository before and after, makes and removes the"
    " worktrees, looks at each for changes, and seals the log. Races and baselines take turns."
)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure races in this process, and the whole command."""
    say("racing")
    where = world.repository(folder / "racing")
    for number in range(sizes.files):
        path = where / f"part-{number % 10}" / f"module_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"value_{number}_{row} = {row}\n" for row in range(100)))
    world.git(where, "add", ".")
    world.git(where, "commit", "--quiet", "--message", "start")
    base = world.git(where, "rev-parse", "HEAD")
    trees = _Worktrees(where, folder / "trees", base, sizes.agents)
    with world.space_in(where) as space:
        racer = _Racer(space, folder / "runs", base, sizes.agents)
        racer.go()
        mine, theirs = alternate(sizes.races, timed(racer.go), timed(trees.go))
    command = (WAGGLE, "race", "do nothing", "--agent", "true", "-n", str(sizes.agents))
    whole, same = alternate(
        sizes.race_commands,
        timed(lambda: run(command, where, status=FAILED_STATUS)),
        timed(trees.go),
    )
    against = f"`git worktree add` and `remove` for {sizes.agents}"
    rows = (
        Row(
            what=f"a race of {sizes.agents} agents that do nothing, in a process that runs already",
            ours=mine,
            baseline=theirs,
            against=against,
            goals=(Goal(limit=2),),
        ),
        Row(what="`waggle race` as a command", ours=whole, baseline=same, against=against),
    )
    setting = _SETTING.format(agents=sizes.agents, files=sizes.files)
    return Section(title="Racing", setting=setting, rows=rows)


class _Worktrees:
    """Makes worktrees with plain git and takes them away again."""

    def __init__(self, where: Path, folder: Path, base: str, number: int) -> None:
        folder.mkdir()
        self._where = where
        self._base = base
        self._paths = [str(folder / str(n)) for n in range(number)]

    def go(self) -> None:
        """Make and remove one after the other: git fails at times when it makes several at once."""
        for path in self._paths:
            world.git(self._where, "worktree", "add", "--quiet", "--detach", path, self._base)
        for path in self._paths:
            world.git(self._where, "worktree", "remove", "--force", path)


class _Racer:
    """Runs races of agents that do nothing."""

    def __init__(self, space: Space, folder: Path, base: str, agents: int) -> None:
        self._space = space
        self._folder = folder
        self._base = base
        self._agents = agents
        self._numbers = count(1)

    def go(self) -> None:
        """Run one race from its task to its end."""
        title = f"do nothing, {next(self._numbers)}"
        body = TaskAdd(title=title, base=self._base)
        entered = race.enter(self._space, body, ["true"] * self._agents, world.ANN)
        task = find_task(self._space.db, entered)
        options = Options(folder=str(self._folder / entered[:16]), jobs=self._agents)
        under_way = race.Race(self._space, task, options, os.environ, "linux", _ignore)
        asyncio.run(under_way.go())
        ended = [run.status for run in runs.runs(self._space.db, entered)]
        assert ended == ["empty"] * self._agents, ended


def _ignore(_event: Event) -> None:
    """A race on the bench has nobody to talk to."""
