"""One agent's attempt: its worktree, its process, its checkpoints, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from waggle.agents import presets, process, worktree
from waggle.agents.events import CHAIN_BYTES_MAX, Event
from waggle.agents.exam import protected_edits
from waggle.agents.process import Ended
from waggle.agents.publish import Claims, publish_commit
from waggle.agents.runs import Ended as Status
from waggle.agents.runs import Run, RunEnd
from waggle.agents.worktree import Worktree
from waggle.base.errors import WaggleError
from waggle.causal.checkpoints import Checkpoint, checkpoints, ref_of
from waggle.eventual.tasks import Task
from waggle.log.entry import Agent
from waggle.store.repo.git import GitFailedError
from waggle.store.space import Draft, Space


class Options(Struct, frozen=True, kw_only=True):
    """How a race is run on this machine."""

    folder: str
    """Where worktrees are made: outside the repository."""
    jobs: int
    clone: bool = False
    checkpoint_s: float = 5.0
    timeout_s: float | None = None
    chain_bytes_max: int = CHAIN_BYTES_MAX
    session: str | None = None


def agent_of(run: Run, session: str | None) -> Agent:
    """Give the identity of a run's agent.

    Without a known model or vendor the program is its family: its runs make the same mistakes.
    """
    vendor = run.vendor or (None if run.model else run.name.partition(".")[0])
    return Agent(name=run.name, session=session, model=run.model, vendor=vendor)


class Attempt:
    """Carries out one run. Everything that blocks long happens in threads or processes."""

    def __init__(
        self,
        space: Space,
        task: Task,
        run: Run,
        options: Options,
        environ: Mapping[str, str],
        listen: Callable[[Event], None],
    ) -> None:
        self.space = space
        self.task = task
        self.run = run
        self.options = options
        self.environ = environ
        self.listen = listen
        self.by = agent_of(run, options.session)
        self.base = task.body.base or ""
        self.path = os.path.join(options.folder, run.label)
        logs = os.path.join(space.store_dir, "runs", task.id[:16])
        self.log = os.path.join(logs, f"{run.label}.log")
        self.note = os.path.join(logs, f"{run.label}.process")
        self.outcome = os.path.join(logs, f"{run.label}.outcome.json")
        self.report = os.path.join(logs, f"{run.label}.report.json")
        saved = {
            one.run: one for one in checkpoints(space.db, task.id) if one.writer == self.writer
        }
        last = saved.get(run.label)
        self.n = last.n if last else 0
        self.commit = last.commit if last else None
        self.tree: str | None = None
        self.size = last.size if last else 0

    @property
    def writer(self) -> str:
        """The identity that the run's entries carry."""
        return f"{self.space.replica}/{self.by.name}"

    async def carry_out(self) -> None:
        """Run the agent to its end and record what came of it."""
        if process.end_orphans(self.note):
            self._say("took_over", message="ended the agent that a killed race had left")
        try:
            ended = await self._ended_before() or await self._work(await self._prepare())
        except WaggleError as error:
            if interrupted(error):
                raise
            self._finish("crashed", None, f"{error.message}. {error.next_step}")
        else:
            await self._conclude(ended)
        await asyncio.to_thread(worktree.remove, self.space.repository, self.path)
        process.forget(self.note)
        _forget(self.outcome)

    async def _ended_before(self) -> Ended | None:
        """Give how the agent ended, where a race was killed after that and before it was told."""
        ended = self._noted_outcome()
        kept = worktree.existing(self.path, self.base)
        if ended is not None and kept is not None:
            await self._save(kept)
        return ended

    def _noted_outcome(self) -> Ended | None:
        try:
            with open(self.outcome, "rb") as file:
                return msgspec.json.decode(file.read(), type=Ended)
        except (FileNotFoundError, msgspec.MsgspecError):  # still to be run, or cut off by a crash
            return None

    def _note_outcome(self, ended: Ended) -> Ended:
        """Remember how the agent ended until the log tells it: a finished one never runs again."""
        with open(self.outcome, "wb") as file:
            file.write(msgspec.json.encode(ended))
        return ended

    # --- before ----------------------------------------------------------------------------

    async def _prepare(self) -> Worktree:
        """Give the worktree: the one from before a crash, or a new one with the last checkpoint."""
        kept = worktree.existing(self.path, self.base)
        if kept is not None:
            return kept
        await asyncio.to_thread(worktree.remove, self.space.repository, self.path)
        tree = await asyncio.to_thread(
            worktree.add, self.space.repository, self.path, self.base, clone=self.options.clone
        )
        if self.commit is not None:
            await asyncio.to_thread(worktree.restore, tree, self.commit)
        if self.task.body.setup:
            await self._set_up(self.task.body.setup)
        worktree.mark_ready(tree)
        return tree

    async def _set_up(self, command: str) -> None:
        log = f"{self.log}.setup"
        env = process.environment(self.environ, self.path, {})
        started = await process.start(
            process.shell(command), cwd=self.path, env=env, stdin=b"", log=log, note=self.note
        )
        ended = await process.wait(started, self.options.timeout_s)
        if ended.exit:
            raise WaggleError(
                "failed",
                f"setup ended with status {ended.exit}; its output is in {log}",
                "Correct --setup and race again.",
            )

    # --- while it works --------------------------------------------------------------------

    async def _work(self, tree: Worktree) -> Ended:
        command = presets.resolve(self.run.command)
        argv, stdin = presets.with_prompt(command, self.task.prompt)
        _forget(self.report)
        started = await process.start(
            argv,
            cwd=self.path,
            env=self._environment(),
            stdin=stdin,
            log=self.log,
            note=self.note,
        )
        self._say("started")
        ended = asyncio.Event()
        watcher = asyncio.create_task(self._watch(tree, ended))
        try:
            return self._note_outcome(await process.wait(started, self.options.timeout_s))
        finally:
            # Also when the operator stops the race: what the agent did so far is kept, and a
            # resumed race goes on from it.
            ended.set()
            await asyncio.shield(watcher)

    def _environment(self) -> dict[str, str]:
        values = {
            "WAGGLE_PROMPT": self.task.prompt,
            "WAGGLE_TASK": self.task.id,
            "WAGGLE_SPACE": self.space.name,
            "WAGGLE_AGENT": self.by.name,
            "WAGGLE_RUN": self.run.label,
            "WAGGLE_REPORT": self.report,
            "WAGGLE_MODEL": self.by.model,
            "WAGGLE_VENDOR": self.by.vendor,
            "WAGGLE_SESSION": self.by.session,
            "WAGGLE_REPOSITORY": self.space.repository.common_dir if self.options.clone else None,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return process.environment(self.environ, self.path, given)

    async def _watch(self, tree: Worktree, ended: asyncio.Event) -> None:
        """Checkpoint whenever the worktree has changed, and once more when the agent has ended."""
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):  # then it is time to look
                await asyncio.wait_for(ended.wait(), self.options.checkpoint_s)
            try:
                await self._save(tree)
            except WaggleError as error:
                if not interrupted(error):
                    raise
                worktree.look_afresh(tree)
                await self._save(tree)  # of all checkpoints this is the one to keep

    async def _save(self, tree: Worktree) -> None:
        """Take a checkpoint if anything changed since the last one."""
        repository = self.space.repository
        now = await asyncio.to_thread(worktree.capture, repository, tree)
        if now is None and self.tree is None and self.commit is not None:
            # Resumed, and as the base is: the agent has undone what its last checkpoint holds.
            now = await asyncio.to_thread(worktree.tree_of, repository, self.base)
        if now is None:
            return
        if self.tree is None:
            before = self.commit or self.base
            self.tree = await asyncio.to_thread(worktree.tree_of, repository, before)
        if now == self.tree:
            return
        text = f"checkpoint {self.n + 1} of {self.run.label}"
        commit = await asyncio.to_thread(worktree.commit_tree, repository, now, self.base, text)
        diff = await asyncio.to_thread(worktree.difference, repository, self.base, commit)
        self.space.objects.refs.point(ref_of(self.space.name, self.task.id, self.run.label), commit)
        self.tree, self.commit, self.n, self.size = now, commit, self.n + 1, len(diff.encode())
        body = Checkpoint(
            task=self.task.id, run=self.run.label, commit=commit, n=self.n, size=self.size
        )
        self.space.append(Draft(body=body), self.by)
        self._say("checkpoint", n=self.n, size=self.size)

    # --- afterwards ------------------------------------------------------------------------

    async def _conclude(self, ended: Ended) -> None:
        crashed = ended.exit != 0 and not ended.timed_out
        if self.commit is None or not await asyncio.to_thread(self._differs, self.commit):
            status: Status = "timeout" if ended.timed_out else "crashed" if crashed else "empty"
            self._finish(status, ended, "nothing was changed")
            return
        flags = await asyncio.to_thread(self._flags, ended, self.commit)
        try:
            written = publish_commit(
                self.space,
                self.task,
                self.commit,
                self.by,
                claims=self._claims(),
                flags=flags,
                key=f"race/{self.task.id[:16]}/{self.run.slot}/candidate/{self.commit[:12]}",
            )
        except WaggleError as error:
            if error.code not in {"held", "limit", "invalid"}:
                raise
            self._finish("held" if error.code == "held" else "limit", ended, error.message)
            return
        outcome: Status = "timeout" if ended.timed_out else "crashed" if crashed else "done"
        candidate = written.id if written else self._published()
        self._finish(outcome, ended, "", candidate)
        # The candidate's frame holds the content now.
        self.space.objects.refs.drop([ref_of(self.space.name, self.task.id, self.run.label)])

    def _differs(self, commit: str) -> bool:
        repository = self.space.repository
        return worktree.tree_of(repository, commit) != worktree.tree_of(repository, self.base)

    def _flags(self, ended: Ended, commit: str) -> list[str]:
        """Give what a reader should beware of."""
        flags = []
        if ended.timed_out:
            flags.append(f"ran past its time of {self.options.timeout_s:g} s")
        elif ended.exit:
            flags.append(f"its agent ended with {_spoken(ended.exit)}")
        if self.size > self.options.chain_bytes_max:
            flags.append(f"larger than {self.options.chain_bytes_max} bytes")
        back, gone = protected_edits(
            self.space.repository, self.base, commit, self.task.body.protect
        )
        if back or gone:
            paths = ", ".join(worktree.readable(path) for path in [*back, *gone][:5])
            flags.append(f"edited protected paths, tested with the base's: {paths}")
        return flags

    def _published(self) -> str | None:
        """Give the candidate with this very result that the agent published by itself."""
        row = self.space.db.execute(
            "SELECT c.id FROM candidate c JOIN name n ON n.n = c.author"
            " WHERE c.task = ? AND n.text = ? ORDER BY c.at DESC LIMIT 1",
            (self.task.id, self.writer),
        ).fetchone()
        return None if row is None else str(row[0])

    def _claims(self) -> Claims:
        """Give what the agent reported of itself; a report that cannot be read claims nothing."""
        try:
            with open(self.report, "rb") as file:
                claims = msgspec.json.decode(file.read(64 * 1024), type=Claims)
        except FileNotFoundError:
            return Claims()
        except msgspec.MsgspecError as error:
            self._say("report_ignored", message=f"its report is not of the form: {error}")
            return Claims()
        confidence = claims.confidence
        if confidence is not None and not 0 <= confidence <= 100:
            confidence = None
        tokens = claims.tokens if claims.tokens is None or claims.tokens >= 0 else None
        summary = claims.summary[:1000] if claims.summary else None
        return Claims(confidence=confidence, tokens=tokens, summary=summary)

    def _finish(
        self, status: Status, ended: Ended | None, note: str, candidate: str | None = None
    ) -> None:
        body = RunEnd(
            task=self.task.id,
            slot=self.run.slot,
            status=status,
            exit=ended.exit if ended else None,
            duration_ms=ended.duration_ms if ended else 0,
            candidate=candidate,
            note=note[:2000],
        )
        self.space.append(Draft(body=body), self.by)
        self._say(
            "ended",
            status=status,
            candidate=candidate,
            exit=body.exit,
            duration_ms=body.duration_ms,
            message=note or None,
        )

    def _say(self, event: str, **fields: str | int | None) -> None:
        self.listen(
            Event(event=event, task=self.task.id, slot=self.run.slot, agent=self.by.name, **fields)  # type: ignore[arg-type]
        )


def interrupted(error: WaggleError) -> bool:
    """Tell whether a signal ended git: a terminal sends its Ctrl-C to git and race alike."""
    return isinstance(error, GitFailedError) and error.status < 0


def _spoken(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _forget(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # gone is what is wanted
        os.remove(path)
