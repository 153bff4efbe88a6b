"""Shell completion: words that are right, fast, harmless, and never an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.race.field import Field

from waggle.faces.ops import registry
from waggle.faces.ops.completion import SHELLS, VARIABLE

TITLE = "a,b\x1b[2J `rm`\n$(rm)"


def complete(field: Field, words: str, *, shell: str = "zsh", cwd: Path | None = None) -> list[str]:
    """Give the values that are offered for the last word."""
    asked = {
        VARIABLE: f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = field.waggle(env=asked, cwd=cwd)
    assert done.status == 0, done
    assert done.err == ""
    return done.out.splitlines()[1::3]


@pytest.fixture
def task(field: Field) -> str:
    """A task with a hostile title."""
    field.waggle("init")
    added: str = field.waggle("task", "add", TITLE, "--json").object["task"]["id"]
    return added


def test_commands_are_completed(field: Field) -> None:
    first = {name.partition(" ")[0] for name in registry.NAMES}
    assert set(complete(field, "waggle ")) == first
    assert complete(field, "waggle ta") == ["task", "tasks"]
    assert "take" in complete(field, "waggle task ")
    assert complete(field, "waggle members tr") == ["trust"]
    assert complete(field, "waggle members distrust --re") == ["--reason"]


def test_values_that_are_fixed_are_completed(field: Field) -> None:
    assert complete(field, "waggle task list --state ") == ["open", "done", "dropped"]
    assert complete(field, "waggle completion ") == [*SHELLS]


def test_tasks_are_completed_by_what_one_sees_of_them(field: Field, task: str) -> None:
    other = field.waggle("task", "add", "other", "--json").object["task"]["id"]
    gone = field.waggle("task", "add", "gone", "--json").object["task"]["id"]
    field.waggle("task", "done", gone)
    field.waggle("tasks")
    assert complete(field, "waggle show ") == [other[:8], task[:8]]
    assert complete(field, f"waggle show {task[:5]}") == [task[:8]]
    assert complete(field, f"waggle publish {task[:20].upper()}") == [task[:20]]
    assert complete(field, "waggle show zz") == []
    assert complete(field, "waggle show %") == []


def test_candidates_and_spaces_are_completed(field: Field, task: str) -> None:
    one = field.waggle("publish", task, "--text", "x", "--json").object["candidate"]["id"]
    assert complete(field, "waggle vote ") == [one[:8]]
    assert complete(field, f"waggle vote {one[:3]}") == [one[:8]]
    field.waggle("task", "add", "there", "--space", "else")
    field.waggle("tasks", "--space", "else")
    assert complete(field, "waggle tasks --space ") == ["else", "main"]
    assert complete(field, "waggle vote --space else ") == []
    assert len(complete(field, "waggle show --space else ")) == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_words_of_others_cannot_steer_a_shell(field: Field, task: str, shell: str) -> None:
    field.waggle("tasks")
    asked = {VARIABLE: f"{shell}_complete", "COMP_WORDS": "waggle show ", "COMP_CWORD": "2"}
    if shell == "fish":
        asked["COMP_CWORD"] = ""
    out = field.waggle(env=asked).out
    assert task[:8] in out
    assert "\x1b" not in out
    rows = out.rstrip("\n").split("\n")
    assert len(rows) == (3 if shell == "zsh" else 1)
    if shell == "bash":
        assert rows == [f"plain,{task[:8]}"]


def test_where_nothing_can_be_known_nothing_is_offered(field: Field, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert complete(field, "waggle show ", cwd=nowhere) == []
    assert complete(field, "waggle show ") == [], "there is no store yet"
    field.waggle("init")
    assert complete(field, "waggle show --space ../../x ") == []
    assert complete(field, "waggle tasks --space ") == []
    view = field.top / ".git" / "waggle" / "view"
    view.mkdir(exist_ok=True)
    (view / "main.db").write_bytes(b"no database" * 100)
    assert complete(field, "waggle show ") == []


@pytest.mark.parametrize("asked", ["", "zsh", "zsh_complete", "tcsh_source", "zsh_nonsense"])
def test_a_shell_that_asks_wrongly_gets_no_words_and_no_errors(field: Field, asked: str) -> None:
    done = field.waggle(env={VARIABLE: asked})
    assert done.status == 1
    assert done.out + done.err == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_taken_by_its_shell(field: Field, shell: str) -> None:
    done = field.waggle("completion", shell)
    assert done.status == 0
    assert VARIABLE in done.out
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    subprocess.run([program, "-n"], input=done.out, text=True, check=True)


def test_bash_completes_by_the_script(real: Field) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    real.waggle("init")
    added = real.waggle("task", "add", "the parser", "--json").object["task"]["id"]
    real.waggle("tasks")
    script = real.waggle("completion", "bash").out
    lines = (
        script,
        "COMP_WORDS=(waggle show '')",
        "COMP_CWORD=2",
        "_waggle_completion waggle",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", "\n".join(lines)],
        cwd=real.top, env={**os.environ, **real.env, "PATH": path}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [added[:8]]


def test_an_unknown_shell_is_refused(field: Field) -> None:
    done = field.waggle("completion", "tcsh", "--json")
    assert done.object["error"]["code"] == "invalid"


def test_asking_for_names_loads_no_operation(real: Field) -> None:
    code = (
        "import os, sys; from waggle.faces.cli.main import main; main([]);"
        "print([name for name in sys.modules if name.startswith('waggle.agents')"
        " or name in ('pygit2', 'rich', 'zenoh', 'mcp')], file=sys.stderr)"
    )
    asked = {VARIABLE: "zsh_complete", "COMP_WORDS": "waggle ", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=real.top, env={**os.environ, **asked}, text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert "prime" in done.stdout
    assert "pygit2" not in done.stderr
    assert "rich" not in done.stderr
