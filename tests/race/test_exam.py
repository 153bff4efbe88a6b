"""The exam: every test on every candidate, in a clean worktree, by the base's own questions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.race.field import FIX, TEST, Field


def checks(field: Field) -> list[tuple[str, int]]:
    return [(check["command"], check["exit"]) for check in field.entries("check.record")]


def test_several_tests_are_several_checks(field: Field) -> None:
    tests = (TEST, "test -f calc.py", "exit 4")
    words = [word for test in tests for word in ("--test", test)]
    ran = field.race("--agent", field.fixer(), *words, status=10)
    assert checks(field) == [(TEST, 0), ("test -f calc.py", 0), ("exit 4", 4)]
    assert ran.result["winner"]["checks"] == {"passed": 2, "failed": 1, "flaky": 0}
    assert ran.result["passed"] is False
    assert "no candidate passed every test" in field.waggle("race", "--resume", "--task",
                                                            ran.result["task"]).out  # fmt: skip


def test_every_candidate_sits_every_test(field: Field) -> None:
    wrong = field.agent("wrong", "open('calc.py', 'w').write('def add(a, b): return 4')\n")
    ran = field.race("--agent", wrong, "--agent", field.fixer(), "--test", TEST)
    assert ran.result["winner"]["author"] == "fixer"
    (rival,) = ran.result["rivals"]
    assert rival["checks"]["failed"] == 1
    assert "1 checks passed, 0 failed, against 0 checks passed, 1 failed" in ran.result["why"][0]


def test_a_check_tells_the_end_of_its_output_and_a_digest_of_the_whole(field: Field) -> None:
    noisy = f"{sys.executable} -S -c \"print('x' * 50 + '\\n', end='')\"; echo the end"
    field.race("--agent", field.fixer(), "--test", noisy)
    (check,) = field.entries("check.record")
    assert check["tail"] == "x" * 50 + "\nthe end\n"
    assert len(check["digest"]) == 64
    assert check["by"]["name"] == "waggle-race"


def test_a_suspect_output_stays_here(field: Field) -> None:
    key = "AKIA" + "Q7VZ2K4WX9J3M5T8"
    field.race("--agent", field.fixer(), "--test", f"echo {key[:4]}''{key[4:]}")
    (check,) = field.entries("check.record")
    assert check["tail"].startswith("[held back")
    assert key not in field.waggle("log", "--raw", "--limit", "0").out


def test_each_test_finds_a_clean_worktree(field: Field) -> None:
    """No test sees what another candidate, another test or the agent's ignored files left."""
    agent = field.agent(
        "messy", f"open('calc.py', 'w').write({FIX!r})\nopen('left.tmp', 'w').write('x')\n"
    )
    clean = (
        "test ! -e left.tmp && test ! -e made && test ! -e nested && grep -q 'a + b' calc.py"
        " && git init -q nested && echo x > made && echo broken > calc.py"
    )
    words = ("--test", clean, "--test", f"{clean} && true")
    ran = field.race("--agent", agent, "--agent", field.fixer(), *words)
    assert [exit_status for _, exit_status in checks(field)] == [0, 0, 0, 0]
    assert ran.result["winner"]["checks"]["passed"] == 2


def test_an_agent_that_edits_the_exam_gains_nothing_and_is_shown(field: Field) -> None:
    cheat = field.agent(
        "cheat",
        "import os\nopen('tests/test_calc.py', 'w').write('pass')\n"
        "open('conftest.py', 'w').write('raise SystemExit(0)')\n",
    )
    shadow = field.agent("shadow", "open('pytest.py', 'w').write('print(1)')\n")
    ran = field.race("--agent", cheat, "--agent", shadow, "--test", TEST,
                     "--test", "test ! -e conftest.py", "--test", "test ! -e pytest.py",
                     status=10)  # fmt: skip
    assert ran.result["passed"] is False
    by_author = {one["author"]: one for one in [ran.result["winner"], *ran.result["rivals"]]}
    for one in by_author.values():
        assert one["checks"] == {"passed": 2, "failed": 1, "flaky": 0}
    (flag,) = by_author["cheat"]["flags"]
    assert flag.startswith("edited protected paths, tested with the base's: ")
    assert {"tests/test_calc.py", "conftest.py"} == set(flag.partition("'s: ")[2].split(", "))
    assert "pytest.py" in by_author["shadow"]["flags"][0]
    # The candidate itself keeps what its author wrote: the person who decides sees it.
    assert field.content(by_author["cheat"]["commit"], "tests/test_calc.py") == "pass"


def test_a_deleted_exam_is_there_again(field: Field) -> None:
    vandal = field.agent("vandal", "import shutil\nshutil.rmtree('tests')\n")
    ran = field.race("--agent", vandal, "--test", f"test -f tests/test_calc.py && {TEST}",
                     status=10)  # fmt: skip
    assert ran.result["winner"]["checks"]["failed"] == 1
    assert "tests/test_calc.py" in ran.result["winner"]["flags"][0]


def test_protected_paths_can_be_named(field: Field) -> None:
    """Named ones take the place of the default: here the test itself may be edited."""
    agent = field.agent(
        "editor",
        f"open('calc.py', 'w').write({FIX!r})\nopen('tests/test_calc.py', 'w').write('# new')\n"
        "open('api.txt', 'w').write('changed')\n",
    )
    field.commit({"api.txt": "fixed\n"})
    ran = field.race(
        "--agent", agent, "--protect", "*.txt",
        "--test", "grep -q new tests/test_calc.py && grep -q fixed api.txt",
    )  # fmt: skip
    assert ran.result["winner"]["flags"] == [
        "edited protected paths, tested with the base's: api.txt"
    ]


def test_a_candidate_that_deletes_everything_is_still_tested(field: Field) -> None:
    agent = field.agent(
        "nihilist",
        "import os, shutil\n"
        "for name in os.listdir('.'):\n"
        "    if name != '.git':\n"
        "        shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)\n",
    )
    ran = field.race("--agent", agent, "--test", "test ! -e calc.py", "--test", "true")
    assert ran.result["winner"]["checks"]["passed"] == 2


def test_an_editable_install_of_the_users_own_tree_is_warned_of(field: Field) -> None:
    """The test would import the user's package, not the candidate's."""
    field.commit({"src/shop/__init__.py": "PRICE = 1\n"})
    python = field.folder / "an environment" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(python.parent.parent)], check=True
    )
    (site,) = (python.parent.parent / "lib").glob("python*/site-packages")
    path_file = site / "editable.pth"
    path_file.write_text(f"{field.top / 'src'}\n")
    agent = field.agent("pricer", "open('src/shop/__init__.py', 'w').write('PRICE = 2')\n")
    test = f"'{python}' -c 'import shop; assert shop.PRICE == 2'"
    ran = field.race("--agent", agent, "--test", test, status=10)
    (warning,) = [event for event in ran.events if event["event"] == "warning"]
    assert "shop is imported from your own work tree" in warning["message"]
    assert "--setup" in warning["message"]

    path_file.unlink()
    ran = field.race("--agent", agent, "--test", f"PYTHONPATH=src {test}")
    assert not [event for event in ran.events if event["event"] == "warning"]


def test_checking_by_hand_is_the_same_exam(field: Field) -> None:
    cheat = field.agent("cheat", "open('tests/test_calc.py', 'w').write('pass')\n")
    winner = field.race("--agent", cheat).result["winner"]["id"]
    shown = field.json("check", winner[:10], "--test", TEST, "--test", "true", "--as", "ann")
    assert [check["exit"] for check in shown["checks"]] == [1, 0]
    assert "AssertionError" in Path(shown["checks"][0]["log"]).read_text()
    assert field.json("choose")["winner"]["checks"] == {"passed": 1, "failed": 1, "flaky": 0}
    assert field.git("worktree", "list").count("\n") == 0
    # Pass and fail of one command in one environment is flaky, and counts as fail.
    once = f"test ! -e {field.marks / 'once'} && touch {field.marks / 'once'}"
    for status in (0, 1):
        assert field.json("check", winner, "--test", once)["checks"][0]["exit"] == status
    assert field.json("choose")["winner"]["checks"] == {"passed": 1, "failed": 2, "flaky": 1}
