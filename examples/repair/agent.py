"""A program-repair agent: ``python agent.py --strategy NAME``, in the folder to be repaired.

It is told nothing of the bugs.  It runs the tests, finds the lines that the failing ones execute,
and tries small changes there until more tests pass; ``--strategy`` says which changes it believes
in.  Three of the strategies are rogues, which anything that races agents has to survive.

The task is read from ``WAGGLE_PROMPT`` or standard input and only shown.  Progress goes to standard
output.  If ``WAGGLE_REPORT`` names a file, the agent's confidence (0 to 100) and a summary are
written there.  Nothing else outside the current folder is written.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import select
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # nothing outside the current folder is written

from evaluate import Budget, Judge, NoTestsError, Texts  # noqa: E402
from rogues import ROGUES, dying  # noqa: E402
from search import Result, Search  # noqa: E402
from strategies import STRATEGIES  # noqa: E402

PROMPT_CHARACTERS_SHOWN = 70
PROMPT_BYTES_MAX = 1 << 16
PROMPT_SECONDS_MAX = 0.2
MORTAL = "mortal"
SECONDS = 60.0
EVALUATIONS = 5000
TRUST_IN_A_REPAIR = 0.985
DOUBT_PER_ALTERNATIVE = 0.04
CONFIDENCE_IF_PARTIAL_MAX = 30


def say(line: str) -> None:
    """Print at once: whoever watches sees progress as it is made."""
    print(line, flush=True)


def is_test(path: Path) -> bool:
    """Whether the file belongs to the tests, which an honest agent leaves alone."""
    folders = {"tests", "test", "testing"} & set(path.parts[:-1])
    return bool(folders) or path.name.startswith("test_") or path.stem in {"conftest", "setup"}


def find_sources(root: Path, given: list[str]) -> list[Path]:
    """The Python files to repair, relative to the root and inside it."""
    found: set[Path] = set()
    for start in [root / name for name in given] or [root]:
        files = start.rglob("*.py") if start.is_dir() else [start]
        for file in files:
            if file.resolve().is_relative_to(root) and file.is_file() and not file.is_symlink():
                found.add(file.resolve().relative_to(root))
    hidden = {path for path in found if any(part.startswith(".") for part in path.parts)}
    return sorted(path for path in found - hidden if not is_test(path))


def read(root: Path, paths: list[Path]) -> Texts:
    """The text of each file, exactly: newlines are kept as they are."""
    return {str(path): (root / path).read_bytes().decode() for path in paths}


def write(root: Path, texts: Texts) -> None:
    """Write the files that differ."""
    for path, text in texts.items():
        if (root / path).read_bytes() != text.encode():
            (root / path).write_bytes(text.encode())


def confidence(result: Result, *, confirmed: bool) -> int:
    """How likely the agent thinks its result is right, in percent.

    A test suite that passes does not make a repair right.  Each repair is trusted less the more
    other changes passed as many tests, and all repairs have to be right at once.
    """
    failing = len(result.first.failed)
    if result.repaired and confirmed:
        doubts = (1 + DOUBT_PER_ALTERNATIVE * others for others in result.alternatives)
        return round(100 * math.prod(TRUST_IN_A_REPAIR / doubt for doubt in doubts))
    gained = len(result.best.outcome.passed) - len(result.first.passed)
    share: float = max(0, gained) / max(1, failing)
    return round(CONFIDENCE_IF_PARTIAL_MAX * share)


def summarise(result: Result) -> str:
    """What was done, for whoever chooses among agents."""
    passing = f"{len(result.best.outcome.passed)} of {result.total} tests pass"
    before = f"{len(result.first.passed)} before"
    done = "; ".join(result.repairs) or "no change helped"
    return f"{passing} ({before}) after {result.tried} candidates: {done}"


def report(sure: int, summary: str) -> None:
    """Print the result, and write it where ``WAGGLE_REPORT`` says."""
    say(f"confidence {sure}%: {summary}")
    if path := os.environ.get("WAGGLE_REPORT"):
        Path(path).write_text(json.dumps({"confidence": sure, "summary": summary}) + "\n")


def show_prompt() -> None:
    """The first line of the task; it is not needed, so nobody waits for a pipe to say it."""
    prompt = os.environ.get("WAGGLE_PROMPT", "")
    if not prompt and os.name == "posix" and not sys.stdin.isatty():
        ready, _, _ = select.select([0], [], [], PROMPT_SECONDS_MAX)
        prompt = os.read(0, PROMPT_BYTES_MAX).decode(errors="replace") if ready else ""
    if prompt.strip():
        say(f"task: {prompt.strip().splitlines()[0][:PROMPT_CHARACTERS_SHOWN]}")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Repair the program in the current folder.")
    parser.add_argument("--strategy", required=True, choices=[*STRATEGIES, *ROGUES, MORTAL])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=SECONDS, metavar="SECONDS")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, metavar="N")
    parser.add_argument("--tests", default="python -m pytest -q -x", metavar="COMMAND")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="what to repair; default: all")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Repair what can be repaired; 0 unless there was nothing to work with."""
    options = parse(arguments)
    show_prompt()
    root = Path.cwd().resolve()
    sources = find_sources(root, options.paths)
    texts = read(root, sources)
    try:
        with Judge(options.tests, root, sources) as judge:
            if options.strategy in ROGUES:
                sure, summary = ROGUES[options.strategy](judge, texts)
            else:
                mortal = options.strategy == MORTAL
                keep = dying(write) if mortal else write
                search = Search(
                    judge=judge,
                    strategy=STRATEGIES["broad" if mortal else options.strategy],
                    budget=Budget(seconds=options.budget, evaluations=options.evaluations),
                    random=random.Random(options.seed),  # noqa: S311 - repeatable, not secret
                    keep=lambda better: keep(root, better),
                    say=say,
                )
                result = search.run(texts)
                sure = confidence(result, confirmed=result.repaired and judge.confirm())
                summary = summarise(result)
    except NoTestsError as error:
        print(f"agent: {error}", file=sys.stderr)
        return 2
    report(sure, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
