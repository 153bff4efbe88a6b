from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
AGENT = EXAMPLES / "repair" / "agent.py"
HIDDEN = EXAMPLES / "bugs_hidden"
PROGRAMS = HERE / "programs"

sys.path.append(str(AGENT.parent))  # behind everything else: the agents are scripts, no package

import evaluate  # noqa: E402
import locate  # noqa: E402
import mutate  # noqa: E402
import strategies  # noqa: E402

# Kinds of programs and bugs as in QuixBugs (D. Lin, J. Koppel, A. Chen and A. Solar-Lezama, SPLASH
# Companion 2017), written anew; broad has to repair two thirds of them, and right.
WITHIN_REACH = ["levenshtein", "next_permutation", "roman", "sieve"]
TAKES_LONGER = ["bucketsort", "find_first", "gcd", "to_base"]
if os.environ.get("WAGGLE_TESTS") == "soak":
    WITHIN_REACH += TAKES_LONGER
OUT_OF_REACH = ["kth", "max_sublist_sum", "parentheses", "powerset"]

Snapshot = dict[str, bytes]


def snapshot(folder: Path) -> Snapshot:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def changed(before: Snapshot, after: Snapshot) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


class Ran:
    def __init__(self, project: Path, strategy: str, *more: str) -> None:
        self.project, self.before = project, snapshot(project)
        beside = snapshot(project.parent)
        note = project.parent / f"{strategy}.json"
        words = [sys.executable, str(AGENT), "--strategy", strategy, "--budget", "50", *more]
        self.done = subprocess.run(
            words,
            cwd=project,
            env=os.environ | {"WAGGLE_REPORT": str(note), "WAGGLE_PROMPT": "repair it"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
        self.reported = note.exists()
        self.report: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {}
        note.unlink(missing_ok=True)
        self.after = snapshot(project)
        outside = changed(beside, snapshot(project.parent))
        assert {name for name in outside if not name.startswith(project.name + "/")} == set()

    @property
    def changed(self) -> set[str]:
        return changed(self.before, self.after)

    def passes(self, *arguments: str) -> bool:
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            words, cwd=self.project, env=environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def passes_hidden(self, hidden: Path = HIDDEN) -> bool:
        return self.passes("-c", os.devnull, "--rootdir", str(hidden.parent), str(hidden))


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(EXAMPLES / "bugs", tmp_path / "project", ignore=ignored))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(PROGRAMS / name, tmp_path / "project", ignore=ignored))

    return copy


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[evaluate.Judge]:
    (tmp_path / "count.py").write_text("def count(n):\n    return n\n")
    (tmp_path / "test_count.py").write_text(
        "from count import count\n\ndef test_count():\n    assert count(3) == 3\n"
    )
    with evaluate.Judge("python -m pytest", tmp_path, [Path("count.py")]) as made:
        made.baseline({"count.py": "def count(n):\n    return n\n"})
        yield made


def is_well_formed(report: object) -> bool:
    return (
        isinstance(report, dict)
        and set(report) == {"confidence", "summary"}
        and type(report["confidence"]) is int
        and 0 <= report["confidence"] <= 100
        and bool(report["summary"])
    )


@pytest.mark.parametrize("name", WITHIN_REACH)
def test_broad_repairs_classic_programs(program: Callable[[str], Path], name: str) -> None:
    ran = Ran(program(name), "broad", "--seed", "2", "--evaluations", "150")
    assert ran.changed == {f"{name}.py"}, ran.done
    assert ran.passes()
    assert ran.passes_hidden(PROGRAMS / "held_out" / f"test_held_out_{name}.py")
    assert is_well_formed(ran.report)
    assert ran.report["confidence"] > 50


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_an_honest_agent_does_not_claim_what_it_could_not_do(
    program: Callable[[str], Path], name: str
) -> None:
    ran = Ran(program(name), "broad", "--seed", "2", "--evaluations", "60")
    assert ran.done.returncode == 0
    assert ran.changed <= {f"{name}.py"}
    assert is_well_formed(ran.report)
    assert ran.report["confidence"] <= 30


def test_the_demo_project_is_repaired_whole(ferry: Path) -> None:
    ran = Ran(ferry, "broad", "--seed", "3", "--evaluations", "600")
    assert all(name.startswith("ferry/") for name in ran.changed)
    assert ran.passes()
    assert ran.passes_hidden()
    assert is_well_formed(ran.report)
    assert "(at, closing))  # what is left of the day" in (ferry / "ferry/intervals.py").read_text()
    for name in ran.changed:
        old, new = ran.before[name].splitlines(), ran.after[name].splitlines()
        assert len(set(old) - set(new)) <= 3, name
        assert len(set(new) - set(old)) <= 6, name


def test_a_narrow_strategy_manages_a_part(ferry: Path) -> None:
    ran = Ran(ferry, "operators", "--seed", "1", "--evaluations", "60")
    assert ran.changed
    assert all(name.startswith("ferry/") for name in ran.changed)
    assert not ran.passes()
    assert 0 < ran.report["confidence"] <= 30


def test_the_boaster_passes_what_it_sees_and_nothing_else(ferry: Path) -> None:
    ran = Ran(ferry, "boaster")
    assert all(name.startswith("ferry/") for name in ran.changed)
    assert ran.passes()
    assert not ran.passes_hidden()
    assert ran.report["confidence"] == 99


def test_the_cheat_changes_tests_only(ferry: Path) -> None:
    ran = Ran(ferry, "cheat")
    assert ran.changed
    assert all(name.startswith("tests/") or name == "conftest.py" for name in ran.changed)
    assert ran.passes()
    assert not ran.passes_hidden()
    assert ran.report["confidence"] > 90


def test_the_mortal_is_killed_and_leaves_real_progress(ferry: Path) -> None:
    ran = Ran(ferry, "mortal", "--seed", "1")
    assert ran.done.returncode == -signal.SIGKILL
    assert not ran.reported
    assert len(ran.changed) == 1
    assert not ran.passes()
    texts = {str(p): (ferry / p).read_text() for p in [Path(name) for name in ran.changed]}
    with evaluate.Judge("python -m pytest", ferry, [Path(name) for name in texts]) as judge:
        now = judge.baseline(texts)
        then = judge.run({name: ran.before[name].decode() for name in texts})
    assert now.passed > then.passed


def test_the_same_seed_takes_the_same_path(program: Callable[[str], Path]) -> None:
    project = program("sieve")
    arguments = ("--seed", "5", "--evaluations", "40")
    first = Ran(project, "broad", *arguments)
    (project / "sieve.py").write_bytes(first.before["sieve.py"])
    second = Ran(project, "broad", *arguments)
    assert first.done.stdout == second.done.stdout
    assert first.after == second.after


def test_without_tests_an_agent_says_so(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "alone.py").write_text("x = 1\n")
    ran = Ran(project, "broad")
    assert ran.done.returncode == 2
    assert "finds no tests" in ran.done.stderr
    assert Ran(project, "broad", "--tests", "make test").done.returncode == 2


@pytest.mark.parametrize("conftest", ["", "import mutate\n"])
def test_a_program_may_share_a_name_with_the_agent_and_have_windows_lines(
    tmp_path: Path, conftest: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    text = '"""Größe."""\r\n\r\ndef larger(a, b):\r\n    "ä"; return a if a < b else b  # ü\r\n'
    (project / "mutate.py").write_bytes(text.encode())
    (project / "conftest.py").write_text(conftest)
    (project / "test_it.py").write_text(
        "from mutate import larger\n\n"
        "def test_larger():\n    assert larger(1, 2) == 2\n\n"
        "def test_smaller():\n    assert larger(3, 2) == 3\n"
    )
    ran = Ran(project, "operators", "--evaluations", "20")
    assert ran.changed == {"mutate.py"}, ran.done
    assert ran.after["mutate.py"] == text.replace("a < b", "a > b").encode()


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n        try: count(n)\n        except BaseException: pass",
        "import time; time.sleep(3600)",
        "return [0] * 10**10",
        "import os; os._exit(0)",
        "return count(n)",
    ],
)
def test_a_mutant_that_never_ends_or_takes_everything_is_stopped(
    judge: evaluate.Judge, body: str
) -> None:
    started = time.monotonic()
    assert not judge.run({"count.py": f"def count(n):\n    {body}\n"}).passed
    assert time.monotonic() - started < 10
    assert judge.run({"count.py": "def count(n):\n    return 3\n"}).passed
    assert (judge.root / "count.py").read_text() == "def count(n):\n    return n\n"


def test_a_budget_ends() -> None:
    budget = evaluate.Budget(seconds=60, evaluations=2)
    budget.spend()
    budget.spend()
    with pytest.raises(evaluate.OutOfBudgetError):
        budget.spend()
    with pytest.raises(evaluate.OutOfBudgetError):
        evaluate.Budget(seconds=0, evaluations=2).spend()


def test_suspicion_is_ochiais() -> None:
    assert locate.ochiai(0, 5, 3) == 0
    assert locate.ochiai(3, 0, 3) == 1
    assert math.isclose(locate.ochiai(2, 6, 4), 2 / math.sqrt(4 * 8))


def every_source() -> list[Path]:
    return sorted([*(EXAMPLES / "bugs").rglob("*.py"), *PROGRAMS.rglob("*.py")])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", every_source(), ids=lambda path: path.name)
def test_an_edit_changes_its_spans_only_and_most_edits_compile(path: Path) -> None:
    text = path.read_text()
    operators: dict[mutate.Operator, float] = dict.fromkeys(strategies.EVERYTHING, 1.0)
    compiled = total = 0
    for edit in mutate.edits(path.name, text, operators):
        spans = sorted(edit.change.spans)
        assert all(one[1] <= two[0] for one, two in pairwise(spans))
        after = edit.apply(text)
        assert after != text
        assert after.startswith(text[: spans[0][0]])
        assert after.endswith(text[spans[-1][1] :])
        total += 1
        try:
            compile(after, path.name, "exec")
        except SyntaxError:
            continue
        compiled += 1
    assert compiled >= total * 0.9
