"""The public interface and the documents that are written from the code."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import waggle

ROOT = Path(__file__).parent.parent


def test_all_lists_exactly_what_can_be_loaded() -> None:
    places: dict[str, str] = vars(waggle)["_PLACES"]
    assert sorted(waggle.__all__) == sorted(places)
    for name in waggle.__all__:
        assert getattr(waggle, name) is not None


def test_the_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "REFERENCE.md").read_text(encoding="utf-8")
    assert module.reference() == written, "run `make docs`"


def test_the_example_in_the_package_works(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with waggle.open(str(tmp_path), init=True) as space:
        me = waggle.Agent(name="ann", model="m1")
        task = space.append(waggle.Draft(body=waggle.TaskAdd(title="name the bees")), me)
        first = waggle.Candidate(task=task.id, text="Bea", result="0" * 32)
        space.append(waggle.Draft(body=first), me)
        winner = waggle.choose(space, task.id).winner
    assert winner is not None
    assert winner.author.endswith("/ann")


def test_the_command_tells_its_version() -> None:
    command = Path(sys.executable).parent / "waggle"
    done = subprocess.run([str(command), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"waggle {waggle.__version__}\n"


def test_the_demo_is_won_by_an_honest_agent_and_keeps_the_dead_one(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "waggle"
    done = subprocess.run(
        [str(command), "demo", "--json", "--folder", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["repaired"] is True
    assert result["winner"] not in {"boaster", "cheat", "mortal", None}
    winner = result["race"]["winner"]
    assert winner["checks"] == {"passed": 2, "failed": 0, "flaky": 0}
    authors = {place["candidate"]["author"]: place for place in result["race"]["choice"]["places"]}
    assert authors["boaster"]["candidate"]["confidence"] == 99
    assert authors["boaster"]["candidate"]["checks"]["failed"] == 1
    assert any("protected paths" in flag for flag in authors["cheat"]["candidate"]["flags"])
    dead = authors["mortal"]["candidate"]
    assert dead["flags"] == ["its agent ended with signal 9"]
    kept = subprocess.run(
        ["git", "show", "--stat", "--format=", dead["commit"]],
        cwd=result["folder"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ferry/" in kept.stdout, "the dead agent's work is in git"
