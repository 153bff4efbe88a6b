"""How good a candidate is: which tests pass when its text stands in place of the files.

The judge is a plain function of the candidate's text, so every answer is kept and no candidate is
run twice.  What counts against the budget is the number of candidates asked for, kept answers
included: the same seed then takes the same path however often it is run.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

TEST_SECONDS_MIN = 0.1
TEST_SLOWDOWN_MAX = 10.0
WATCH_SLOWDOWN_MAX = 3.0
FIRST_TEST_SECONDS_MAX = 1.0
RUN_SECONDS_MIN = 3.0
RUN_SECONDS_MAX = 30.0
UNWANTED = ("-x", "--exitfirst", "--maxfail", "--stepwise", "--lf", "--ff", "--cache-clear")

Texts = dict[str, str]


class OutOfBudgetError(Exception):
    """No evaluation is left, or no time."""


class NoTestsError(Exception):
    """The test command cannot be used, or finds no test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The tests that passed and failed; a test that was not reached is in neither set."""

    passed: frozenset[str]
    failed: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Budget:
    """What a search may spend, in seconds by the clock and in candidates."""

    seconds: float
    evaluations: int
    spent: int = 0
    started: float = field(default_factory=time.monotonic)

    def spend(self) -> None:
        """Count one candidate, or refuse it."""
        if self.spent >= self.evaluations or time.monotonic() - self.started >= self.seconds:
            raise OutOfBudgetError
        self.spent += 1


def split_command(command: str) -> tuple[str, list[str]]:
    """The interpreter and the pytest arguments of a test command.

    A bare ``python`` means this interpreter if it has pytest, otherwise the first on the path.
    """
    words = shlex.split(command)
    if words[1:3] == ["-m", "pytest"]:
        python, arguments = words[0], words[3:]
    elif words and Path(words[0]).name == "pytest":
        python, arguments = "python", words[1:]
    else:
        raise NoTestsError(f"{command!r}: give a command of the form 'python -m pytest ...'")
    if python == "python" and find_spec("pytest") is not None:
        python = sys.executable
    kept = [word for word in arguments if word.partition("=")[0] not in UNWANTED]
    return python, kept


class Judge:
    """Runs candidates in the worker, and remembers."""

    def __init__(self, command: str, root: Path, sources: list[Path]) -> None:
        self.command, self.root = command, root
        python, arguments = split_command(command)
        self._setting = json.dumps(
            {"arguments": arguments, "sources": [str(root / path) for path in sources]}
        )
        self._start = [python, str(Path(__file__).with_name("worker.py")), self._setting]
        self._kept: dict[tuple[frozenset[tuple[str, str]], frozenset[str]], Outcome] = {}
        self._traced: dict[frozenset[tuple[str, str]], list[dict[str, Any]]] = {}
        self._limit = FIRST_TEST_SECONDS_MAX
        self._hanging_max = sys.maxsize
        self._wall = RUN_SECONDS_MAX
        self._worker = self._open([]) if hasattr(os, "fork") else None

    def _open(self, mode: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._start, *mode],
            cwd=self.root,
            env=os.environ | {"PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.communicate()

    def _ask(self, texts: Texts, tests: frozenset[str], watch: str) -> list[dict[str, Any]]:
        request = json.dumps(
            {
                "overlay": {os.path.realpath(self.root / path): texts[path] for path in texts},
                "tests": sorted(tests),
                "watch": watch,
                "limit": self._limit * (WATCH_SLOWDOWN_MAX if watch else 1),
                "wall": RUN_SECONDS_MAX if watch else self._wall,
                "hanging_max": sys.maxsize if watch else self._hanging_max,
            }
        )
        if self._worker is None:
            return self._ask_once(request)
        if self._worker.stdin is None or self._worker.stdout is None:
            raise AssertionError
        try:
            self._worker.stdin.write(request + "\n")
            self._worker.stdin.flush()
            answer = self._worker.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise NoTestsError(f"{self.command!r} does not start here: run it to see why")
        records: list[dict[str, Any]] = json.loads(answer)
        return records

    def _ask_once(self, request: str) -> list[dict[str, Any]]:
        worker = self._open(["--once"])
        try:
            answer, _ = worker.communicate(request + "\n", timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            worker.kill()
            answer, _ = worker.communicate()
        return [json.loads(line) for line in answer.splitlines() if line.endswith("}")]

    def run(self, texts: Texts, tests: frozenset[str] = frozenset()) -> Outcome:
        """The outcome of these tests, or of all, for the candidate."""
        key = (frozenset(texts.items()), tests)
        if key not in self._kept:
            self._kept[key] = _outcome(self._ask(texts, tests, ""))
        return self._kept[key]

    def watch(self, texts: Texts, kind: str) -> list[dict[str, Any]]:
        """The records of a watched run of all tests: see ``watch.py``.

        Only lines are remembered: who watches calls may be changing the tests.
        """
        if kind != "lines":
            return self._ask(texts, frozenset(), kind)
        key = frozenset(texts.items())
        if key not in self._traced:
            self._traced[key] = self._ask(texts, frozenset(), kind)
        return self._traced[key]

    def baseline(self, texts: Texts) -> Outcome:
        """The outcome before any repair, which also sets the limits for what comes."""
        key = (frozenset(texts.items()), frozenset[str]())
        if key in self._kept:
            return self._kept[key]
        records = self._ask(texts, frozenset(), "")
        outcome = _outcome(records)
        if not outcome.passed | outcome.failed:
            raise NoTestsError(f"{self.command!r} finds no tests in {self.root}")
        took = [record["seconds"] for record in records if record["outcome"] == "passed"]
        self._hanging_max = sum(
            record.get("seconds", 0) >= FIRST_TEST_SECONDS_MAX for record in records
        )
        expected = TEST_SLOWDOWN_MAX * sum(took) + self._hanging_max * FIRST_TEST_SECONDS_MAX
        self._wall = min(max(RUN_SECONDS_MIN, expected), RUN_SECONDS_MAX)
        self._limit = max(TEST_SECONDS_MIN, TEST_SLOWDOWN_MAX * max(took, default=0))
        self._kept[key] = outcome
        return outcome

    def confirm(self) -> bool:
        """Run the given command itself on the files as they are: its word is the last one."""
        python, _ = split_command(self.command)
        words = shlex.split(self.command)
        words = [python, *words[1:]] if words[0] == "python" else words
        options = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:cacheprovider"
        try:
            done = subprocess.run(
                words,
                cwd=self.root,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": options},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=RUN_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def _outcome(records: list[dict[str, Any]]) -> Outcome:
    failed = frozenset(record["test"] for record in records if record["outcome"] == "failed")
    passed = frozenset(record["test"] for record in records if record["outcome"] == "passed")
    return Outcome(passed=passed - failed, failed=failed)
