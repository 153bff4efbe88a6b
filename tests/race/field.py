"""What the tests of races and faces share: a project, agents, and the command as users run it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

PATIENCE_S = 90.0
"""How long a test waits for what must happen: far more than a loaded machine needs."""
BUG = "def add(a, b):\n    return a - b\n"
FIX = "def add(a, b):\n    return a + b\n"
EXAM = "import calc\n\nassert calc.add(1, 2) == 3\n"
PYTHON = f"{shlex.quote(sys.executable)} -S"
TEST = f"PYTHONPATH=. {PYTHON} tests/test_calc.py"
"""Runs the project's test without pytest: a process of 20 ms."""


class Ran:
    """A command that has ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"

    @property
    def object(self) -> dict[str, Any]:
        """The one object that `--json` printed."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """A race's JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """A race's events, without the result at the end."""
        return self.lines[:-1]

    @property
    def result(self) -> dict[str, Any]:
        """A race's result."""
        assert self.out, self
        return self.lines[-1]

    def run(self, slot: int = 1) -> dict[str, Any]:
        """How one run of a race ended."""
        return next(run for run in self.result["runs"] if run["slot"] == slot)


class Field:
    """A repository with a bug, a folder of agents beside it, and a user's environment."""

    def __init__(self, folder: Path, name: str = "project") -> None:
        self.folder = folder
        self.top = folder / name
        self.agents = folder / "agents"
        self.marks = folder / "marks"
        self.worktrees = folder / "worktrees"
        self.env = {
            **{key: text for key, text in os.environ.items() if not key.startswith("WAGGLE_")},
            "USER": "tester",
            "WAGGLE_WORKTREES": str(self.worktrees),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._started: list[subprocess.Popen[str]] = []
        for one in (self.top, self.agents, self.marks):
            one.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.commit({"calc.py": BUG, "tests/test_calc.py": EXAM, ".gitignore": "*.tmp\n"})

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    # --- the project -----------------------------------------------------------------------

    def git(self, *args: str, cwd: Path | None = None) -> str:
        """Run git as the user."""
        done = subprocess.run(
            ["git", *args], cwd=cwd or self.top, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def write(self, files: Mapping[str, str]) -> None:
        """Write files into the user's work tree."""
        for path, text in files.items():
            place = self.top / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def commit(self, files: Mapping[str, str]) -> str:
        """Commit files as the user and give the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "work")
        return self.git("rev-parse", "HEAD")

    # --- agents ----------------------------------------------------------------------------

    def agent(self, name: str, text: str) -> str:
        """Write an agent as a Python script and give its command line."""
        path = self.agents / f"{name}.py"
        path.write_text(text)
        return f"{PYTHON} {shlex.quote(str(path))}"

    def fixer(self, name: str = "fixer") -> str:
        """Give an agent that repairs the bug."""
        return self.agent(name, f"open('calc.py', 'w').write({FIX!r})\n")

    def mark(self, name: str) -> str:
        """Give Python that leaves a mark outside every worktree: one line for each time."""
        return f"open({str(self.marks / name)!r}, 'a').write('x\\n')\n"

    def pid(self, name: str) -> str:
        """Give Python that leaves its process id as a mark, whole at once."""
        path = str(self.marks / name)
        return (
            f"import os\nopen({path!r} + '.part', 'w').write(str(os.getpid()))\n"
            f"os.rename({path!r} + '.part', {path!r})\n"
        )

    def marked(self, name: str) -> int:
        """Count how often a mark was left."""
        path = self.marks / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait(self, name: str) -> str:
        """Give Python that waits until the test says `go`."""
        return (
            "import os, time\n"
            f"for _ in range({int(PATIENCE_S * 100)}):\n"
            f"    if os.path.exists({str(self.marks / name)!r}):\n"
            "        break\n"
            "    time.sleep(0.01)\n"
            "else:\n"
            "    raise SystemExit(99)\n"
        )

    def go(self, name: str) -> None:
        """Let those who wait go on."""
        (self.marks / name).touch()

    # --- the command -----------------------------------------------------------------------

    def waggle(
        self,
        *args: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Ran:
        """Run `waggle` as a user does."""
        done = subprocess.run(
            [sys.executable, "-m", "waggle", *args],
            cwd=cwd or self.top,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def json(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run `waggle ... --json`, which must succeed, and give its object."""
        ran = self.waggle(*args, "--json", cwd=cwd, env=env)
        assert ran.status == 0, ran
        assert ran.object["ok"] is True, ran
        return ran.object

    def refused(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Run `waggle ... --json`, which must fail, and give its status and error."""
        ran = self.waggle(*args, "--json", cwd=cwd, env=env)
        assert ran.object["ok"] is False, ran
        assert "Traceback" not in ran.err, ran
        return ran.status, ran.object["error"]

    def race(self, *args: str, cwd: Path | None = None, status: int = 0) -> Ran:
        """Race to the end, with `--json`, a short interval of checkpoints and a given status."""
        words = ("race", "make the test pass", *args, "--json", "--checkpoint-every", "0.1")
        ran = self.waggle(*words, cwd=cwd)
        assert ran.status == status, ran
        assert ran.result["ok"] is True, ran
        return ran

    def start(self, *args: str, cwd: Path | None = None, group: bool = False) -> Running:
        """Start `waggle ... --json` and follow its events; `group`: as a terminal's job."""
        process = subprocess.Popen(
            [sys.executable, "-m", "waggle", *args, "--json"],
            cwd=cwd or self.top,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
        )
        self._started.append(process)
        return Running(process)

    # --- what is stored --------------------------------------------------------------------

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Give the lines of one kind, oldest first."""
        shown = self.json("log", "--limit", "0")["entries"]
        return [json.loads(one["line"]) for one in reversed(shown) if one["kind"] == kind]

    def refs(self, prefix: str) -> dict[str, str]:
        """Give refs by name."""
        rows = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(row.split(" ", 1) for row in rows)

    def content(self, commit: str, path: str) -> str:
        """Give a file of a commit."""
        return self.git("cat-file", "blob", f"{commit}:{path}")


class Running:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the events as they come."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.seen.append(event)
            yield event

    def until(self, event: str, agent: str | None = None) -> dict[str, Any]:
        """Read events up to one of this name, of this agent where one is given."""
        for row in self.rows():
            if row.get("event") == event and agent in {None, row.get("agent")}:
                return row
        raise AssertionError(f"no {event} of {agent}; saw {self.seen}, {self._errors()}")

    def end(self) -> Ran:
        """Read to the end."""
        list(self.rows())
        err = self._errors()
        out = "".join(json.dumps(event) + "\n" for event in self.seen)
        return Ran(self.process.wait(PATIENCE_S), out, err)

    def _errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that other processes bring about; fail when they do not."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Tell whether a process runs: a zombie that nobody has asked about does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
