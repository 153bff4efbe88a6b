"""`demo`: real program-repair agents on real bugs, without any account."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated

from msgspec import Struct

from waggle.agents.events import Event
from waggle.base.errors import WaggleError
from waggle.faces.ops.choosing import APPLY, Applied
from waggle.faces.ops.context import Context
from waggle.faces.ops.race import RACE, RaceRequest, RaceResult
from waggle.faces.ops.registry import Operation, opt
from waggle.faces.ops.shapes import CandidateShape, printable, short

AGENTS = {
    "broad": 600,
    "thorough": 600,
    "operators": 200,
    "constants": 250,
    "boaster": 600,
    "cheat": 600,
    "mortal": 600,
}
"""The repair agents' strategies, and how many candidates each may try."""
ROGUES = ("boaster", "cheat", "mortal")
PROMPT = "make the tests pass"


class DemoRequest(Struct, frozen=True, kw_only=True):
    """Run the demonstration."""

    folder: Annotated[
        str | None, opt("where to make it; default a new temporary folder", "DIR")
    ] = None
    seed: Annotated[int, opt("the agents' seed", "N", least=0)] = 3
    seconds: Annotated[float, opt("each agent's budget of time", "S", least=0.001)] = 40.0


class DemoResult(Struct, frozen=True, kw_only=True):
    """What the demonstration showed."""

    folder: str
    race: RaceResult
    winner: str | None
    rogues: dict[str, str]
    applied: list[str]
    repaired: bool
    """Whether the user's work tree passes both sets of tests after `apply`."""


def _examples() -> str:
    """Give the folder of the examples: in the package, or beside the source."""
    inside = os.path.join(str(files("waggle")), "_examples")
    beside = os.path.join(os.path.dirname(__file__), "..", "..", "..", "..", "examples")
    found = next((path for path in (inside, beside) if os.path.isdir(path)), None)
    if found is None or importlib.util.find_spec("pytest") is None:
        raise WaggleError(
            "environment",
            "the demonstration needs its examples and pytest",
            "Install them: pip install 'waggledance[demo]'.",
        )
    return os.path.abspath(found)


def _project(examples: str, folder: str) -> str:
    """Make a fresh repository of the buggy project and give its path."""
    project = os.path.join(folder, "ferry")
    shutil.copytree(
        os.path.join(examples, "bugs"), project, ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    with open(os.path.join(project, ".gitignore"), "w", encoding="utf-8") as file:
        file.write("__pycache__/\n.pytest_cache/\n")
    who = ("-c", "user.name=demo", "-c", "user.email=demo@waggle.invalid")
    quiet = ("-c", "init.defaultBranch=main", "-c", f"core.hooksPath={os.devnull}")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "a ferry line's books")):
        subprocess.run(["git", *who, *quiet, *words], cwd=project, check=True)
    return project


def _tests(examples: str) -> tuple[str, str]:
    python, hidden = shlex.quote(sys.executable), shlex.quote(os.path.join(examples, "bugs_hidden"))
    visible = f"{python} -m pytest -q -p no:cacheprovider"
    return visible, f"{visible} -c {os.devnull} --rootdir {hidden} {hidden}"


def _agent(examples: str, strategy: str, request: DemoRequest) -> str:
    script = os.path.join(examples, "repair", "agent.py")
    words = [sys.executable, script, "--strategy", strategy, "--seed", str(request.seed)]
    words += ["--budget", f"{request.seconds:g}", "--evaluations", str(AGENTS[strategy])]
    return f"{strategy}={shlex.join(words)}"


def _demo(ctx: Context, request: DemoRequest) -> DemoResult:
    examples = _examples()
    folder = request.folder or tempfile.mkdtemp(prefix="waggle-demo-")
    os.makedirs(folder, exist_ok=True)
    project = _project(examples, folder)
    tests = _tests(examples)
    inner = Context(
        cwd=project,
        environ={
            **ctx.environ,
            "WAGGLE_OPERATOR_KEY": os.path.join(folder, "operator.key"),
            "WAGGLE_WORKTREES": os.path.join(folder, "worktrees"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        outside=ctx.outside,
        listen=ctx.listen,
    )
    ctx.listen(Event(event="demo", task="", message=f"a project with bugs: {project}"))
    race = RaceRequest(
        prompt=PROMPT,
        agent=tuple(_agent(examples, strategy, request) for strategy in AGENTS),
        test=tests,
        jobs=os.cpu_count() or 2,
        timeout=2 * request.seconds,
        checkpoint_every=1.0,
    )
    try:
        result = RACE.run(inner, race)
        if not isinstance(result, RaceResult):
            raise TypeError("a race gives a race's result")
        applied = _apply(inner, result)
    finally:
        inner.close()
    winner = result.choice.winner
    return DemoResult(
        folder=project,
        race=result,
        winner=winner.author if winner else None,
        rogues=_rogues(result),
        applied=applied,
        repaired=all(_passes(test, project) for test in tests),
    )


def _apply(inner: Context, result: RaceResult) -> list[str]:
    if result.winner is None:
        return []
    applied = APPLY.run(inner, APPLY.request(task=result.task))
    return applied.paths if isinstance(applied, Applied) else []


def _passes(test: str, project: str) -> bool:
    done = subprocess.run(
        shlex.split(test),
        cwd=project,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode == 0


def _rogues(result: RaceResult) -> dict[str, str]:
    """Say, for each rogue, what became of it."""
    places = {place.candidate.author: place for place in result.choice.places}
    said = {}
    for rogue in ROGUES:
        place = places.get(rogue)
        run = next(run for run in result.runs if run.agent == rogue)
        if place is None:
            said[rogue] = f"{run.status}: {run.note}"
        else:
            said[rogue] = f"place {place.rank}, {_facts(place.candidate)}"
    return said


def _facts(one: CandidateShape) -> str:
    parts = [f"{one.checks['passed']} of {one.checks['passed'] + one.checks['failed']} checks"]
    if one.confidence is not None:
        parts.append(f"claimed {one.confidence} %")
    return ", ".join([*parts, *one.flags])


def _show(result: DemoResult) -> Iterator[str]:
    yield from RACE.show(result.race)
    yield ""
    for rogue, words in result.rogues.items():
        yield f"{rogue:<8} {printable(words)}"
    yield ""
    yield f"winner: {result.winner}; applied to {', '.join(result.applied)}"
    both = "pass now" if result.repaired else "do NOT all pass"
    yield f"in your work tree the visible and the hidden tests {both}"
    task = short(result.race.task)
    yield f"look around: cd {result.folder} && waggle show {task} && git log --first-parent --all"
    yield ""
    yield "in your own repository:"
    yield '  waggle race "make the tests pass" --agent claude --agent codex --test "YOUR TESTS"'


DEMO = Operation(
    name="demo",
    request=DemoRequest,
    run=_demo,
    show=_show,
    about="Race real program-repair agents on real bugs, without any account; under a minute.",
    example="waggle demo",
    status=lambda result: 0 if result.repaired else 1,
)
