"""The race: several agents on one task, everything kept, everything tested, the best shown.

A race is whatever the log says is still missing: runs without an end, candidates without their
checks. So resuming after a crash is the same program run again, and finished work is not repeated.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence

from waggle.agents import exam, presets, process, witness, worktree
from waggle.agents.attempt import Attempt, Options
from waggle.agents.events import Event
from waggle.agents.exam import CHECKER, Paper
from waggle.agents.runs import Run, RunPlan, runs
from waggle.base.errors import WaggleError
from waggle.choice import outcome
from waggle.eventual.tasks import Task, TaskAdd, find_task
from waggle.log.entry import Agent
from waggle.store.repo.locate import Repository
from waggle.store.space import Draft, Space

Listener = Callable[[Event], None]


def enter(
    space: Space, body: TaskAdd, agents: Sequence[str], by: Agent, *, key: str | None = None
) -> str:
    """Add a race's task and plan its runs, in one transaction each; give the task's id.

    Raises `invalid` for an agent that is no command, `held` where the prompt looks like a secret.
    """
    commands = [_resolve(spec) for spec in agents]
    if body.rule:
        outcome.parse(body.rule)
    task = space.append(Draft(body=body, key=key), by)
    if not task.fresh and runs(space.db, task.id, space.replica):
        return task.id
    seen: dict[str, int] = {}
    plans = []
    for slot, (spec, command) in enumerate(zip(agents, commands, strict=True), 1):
        seen[command.name] = seen.get(command.name, 0) + 1
        nth = seen[command.name]
        name = command.name if nth == 1 else f"{command.name}.{nth}"
        plan = RunPlan(
            task=task.id,
            slot=slot,
            name=name[:128],
            command=spec,
            model=command.model,
            vendor=command.vendor,
        )
        plans.append(Draft(body=plan))
    space.append_all(plans, by)
    return task.id


def _resolve(spec: str) -> presets.AgentCommand:
    try:
        return presets.resolve(spec)
    except ValueError as error:
        raise WaggleError(
            "invalid",
            f"--agent {spec!r}: {error}",
            "Name a preset (`waggle race --list-agents`) or give a command line.",
        ) from error


def anchored(spec: str, repository: Repository, base: str, cwd: str) -> str:
    """Give a command line whose own files are found from the top of any worktree.

    A word that names a file where the user stands becomes its path from the top where the base
    commit holds it, and an absolute path where it does not: so `python agent.py` works from a
    subfolder, and though agent.py was never committed.
    """
    try:
        words = shlex.split(spec)
    except ValueError:
        return spec
    changed = list(words)
    top = repository.work_tree or cwd
    for place, word in enumerate(words):
        path = os.path.join(cwd, word)
        if os.path.isabs(word) or not os.path.isfile(path):
            continue
        if place == 0 and os.sep not in word:
            continue  # a program on PATH
        inside = os.path.relpath(os.path.realpath(path), os.path.realpath(top))
        status, _ = worktree.main_git(repository).call(
            "cat-file", "-e", f"{base}:{inside}", ok=(0, 1, 128)
        )
        if status:
            changed[place] = path
        elif inside != os.path.normpath(word):
            changed[place] = inside if os.sep in inside else os.path.join(".", inside)
    return spec if changed == words else shlex.join(changed)


class Race:
    """A race under way on this machine."""

    def __init__(
        self,
        space: Space,
        task: Task,
        options: Options,
        environ: Mapping[str, str],
        environment: str,
        listen: Listener,
    ) -> None:
        if not task.by.startswith(f"{space.replica}/"):
            raise WaggleError(
                "not_allowed",
                "this task was added on another replica: its commands are not run here",
                "Add a task of your own with `waggle race`, or check its candidates by hand.",
            )
        self.space = space
        self.task = task
        self.options = options
        self.environ = environ
        self.environment = environment
        self.listen = listen
        self.unfinished: list[WaggleError] = []
        """Why runs could not be brought to their end; the others went on."""
        self._places = asyncio.Semaphore(options.jobs)
        self._warned = False

    async def go(self) -> list[str]:
        """Run what is missing; give what changed in the user's repository meanwhile."""
        repository = self.space.repository
        before = await asyncio.to_thread(witness.look, repository)
        async with asyncio.TaskGroup() as group:
            for run in runs(self.space.db, self.task.id, self.space.replica):
                group.create_task(self._apart(run))
        if not self.unfinished:
            await asyncio.to_thread(self._clear)
        after = await asyncio.to_thread(witness.look, repository)
        self.space.seal()
        return witness.compare(before, after)

    def _clear(self) -> None:
        """Take away what is left of worktrees, a killed race's too; what was in them is kept."""
        if os.path.isdir(self.options.folder):
            for entry in os.scandir(self.options.folder):
                worktree.remove(self.space.repository, entry.path)
            shutil.rmtree(self.options.folder, ignore_errors=True)
        worktree.forget_removed(self.space.repository)

    async def _apart(self, run: Run) -> None:
        """Carry out one run; what stops it stops no other."""
        try:
            await self._one(run)
        except WaggleError as error:
            self.unfinished.append(error)
            self._say("unfinished", run, message=f"{error.message}. {error.next_step}")

    async def _one(self, run: Run) -> None:
        if run.status is None:
            async with self._places:
                await Attempt(
                    self.space, self.task, run, self.options, self.environ, self.listen
                ).carry_out()
        for candidate, commit in unchecked(self.space, self.task, run):
            async with self._places:
                await self._examine(run, candidate, commit)

    async def _examine(self, run: Run, candidate: str, commit: str) -> None:
        body = self.task.body
        paper = Paper(
            base=body.base or "",
            commit=commit,
            tests=body.tests,
            setup=body.setup,
            protect=body.protect,
            timeout_s=self.options.timeout_s,
        )
        await self._warn_if_astray(commit)
        logs = os.path.join(self.space.store_dir, "runs", self.task.id[:16], candidate[:12])
        folder = os.path.join(self.options.folder, f"check-{candidate[:12]}")
        self._say("checking", run, candidate)
        process.end_orphans(f"{folder}.process")
        await asyncio.to_thread(worktree.remove, self.space.repository, folder)
        sheets = await exam.sit(self.space.repository, paper, folder, logs, self.environ)
        for number, sheet in enumerate(sheets, 1):
            exam.record(
                self.space,
                candidate,
                sheet,
                self.environment,
                key=f"race/{self.task.id[:16]}/check/{candidate[:16]}/{number}",
            )
            self.listen(
                Event(
                    event="check",
                    task=self.task.id,
                    slot=run.slot,
                    agent=run.name,
                    candidate=candidate,
                    command=sheet.command,
                    exit=sheet.ended.exit,
                    duration_ms=sheet.ended.duration_ms,
                )
            )

    async def _warn_if_astray(self, commit: str) -> None:
        """Warn, once, where tests would import the user's own tree instead of the candidate's."""
        if self._warned or not any("py" in test for test in self.task.body.tests):
            return
        self._warned = True
        repository = self.space.repository
        folder = os.path.join(self.options.folder, f"probe-{commit[:12]}")
        await asyncio.to_thread(worktree.remove, repository, folder)  # a killed race's
        await asyncio.to_thread(worktree.add, repository, folder, commit)
        names = await asyncio.to_thread(exam.astray, repository, folder, self.task.body.tests)
        await asyncio.to_thread(worktree.remove, repository, folder)
        if names:
            what = (
                f"{', '.join(names)} is imported from your own work tree (an editable install), "
                "not from the candidate: give --setup a command that installs it in the worktree"
            )
            self.listen(Event(event="warning", task=self.task.id, message=what))

    def _say(
        self, event: str, run: Run, candidate: str | None = None, message: str | None = None
    ) -> None:
        self.listen(
            Event(
                event=event,
                task=self.task.id,
                slot=run.slot,
                agent=run.name,
                candidate=candidate,
                message=message,
            )
        )


def unchecked(space: Space, task: Task, run: Run) -> list[tuple[str, str]]:
    """Give a run's candidates, with their commits, that lack one of the task's checks by a race."""
    rows = space.db.execute(
        """SELECT c.id, c.commit_id FROM candidate c JOIN name a ON a.n = c.author
        WHERE c.task = ?1 AND a.text = ?2 AND c.commit_id IS NOT NULL AND ?3 > (
          SELECT count(*) FROM run r JOIN name k ON k.n = r.checker
          WHERE r.candidate = c.n AND k.text = ?4)""",
        (
            task.id,
            f"{space.replica}/{run.name}",
            len(set(task.body.tests)),
            f"{space.replica}/{CHECKER.name}",
        ),
    )
    return [(candidate, commit) for candidate, commit in rows]


def unfinished(space: Space) -> list[Task]:
    """Give this replica's races that lack an end or a check, newest first."""
    rows = space.db.execute(
        """SELECT DISTINCT t.id FROM task t JOIN run_plan p ON p.task = t.id AND p.replica = ?1
        ORDER BY t.at DESC, t.id""",
        (space.replica,),
    ).fetchall()
    raced = (find_task(space.db, task) for (task,) in rows)
    return [
        task
        for task in raced
        if any(
            run.status is None or unchecked(space, task, run)
            for run in runs(space.db, task.id, space.replica)
        )
    ]
