"""Nothing that an agent did is lost, and what came of it is recorded as what it is."""

from __future__ import annotations

import pytest
from tests.race.field import FIX, TEST, Field, until

SECRET = "AKIA" + "Q7VZ2K4WX9J3M5T8"
"""In the form of a cloud provider's key; made up."""


def refs_of(field: Field) -> dict[str, str]:
    return field.refs("refs/waggle-checkpoint")


def test_work_is_saved_while_it_goes_on_and_the_log_does_not_swell(field: Field) -> None:
    """Two changes, two checkpoints on one ref that is replaced; a pause adds none."""
    agent = field.agent(
        "slow",
        "open('calc.py', 'w').write('one')\n"
        "open('new file.py', 'w').write('untracked')\n"
        "open('scratch.tmp', 'w').write('ignored')\n"
        + field.wait("second")
        + "open('calc.py', 'w').write('two')\n"
        + field.wait("end"),
    )
    race = field.start("race", "go", "--agent", agent, "--checkpoint-every", "0.05")
    race.until("checkpoint")
    ((ref, first),) = refs_of(field).items()
    assert field.content(first, "calc.py") == "one"
    assert field.content(first, "new file.py") == "untracked"
    assert "scratch.tmp" not in field.git("ls-tree", "-r", "--name-only", first)
    field.go("second")
    race.until("checkpoint")
    assert list(refs_of(field)) == [ref]
    assert field.content(refs_of(field)[ref], "calc.py") == "two"
    # The chain stays short: a checkpoint's parent is the base, not the one before it.
    assert field.git("rev-parse", f"{ref}^") == field.git("rev-parse", "HEAD")
    field.go("end")
    ran = race.end()
    assert ran.run()["status"] == "done"
    assert [entry["n"] for entry in field.entries("checkpoint.save")] == [1, 2]
    assert refs_of(field) == {}, "the candidate's frame holds the content now"


def test_an_unchanged_worktree_is_not_saved_again(field: Field) -> None:
    """Looked at as often as another one, whose every change is saved meanwhile."""
    idle = field.agent("idle", "open('calc.py', 'w').write('once')\n" + field.wait("end"))
    steps = "".join(
        f"open('calc.py', 'w').write('step {n}')\n" + field.wait(f"step {n}") for n in range(4)
    )
    busy = field.agent("busy", steps + field.wait("end"))
    race = field.start(
        "race", "go", "--agent", idle, "--agent", busy, "--checkpoint-every", "0.02"
    )  # fmt: skip
    for n in range(4):
        race.until("checkpoint", "busy")
        field.go(f"step {n}")
    field.go("end")
    race.end()
    saved = [entry["by"]["name"] for entry in field.entries("checkpoint.save")]
    assert (saved.count("idle"), saved.count("busy")) == (1, 4)


@pytest.mark.parametrize(
    ("dies", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("raise SystemExit(3)", "exit status 3"),
    ],
)
def test_a_dying_agents_work_becomes_a_candidate(field: Field, dies: str, said: str) -> None:
    agent = field.agent(
        "mortal", f"import os, signal\nopen('calc.py', 'w').write({FIX!r})\n{dies}\n"
    )
    ran = field.race("--agent", agent, "--test", TEST)
    assert ran.run()["status"] == "crashed"
    assert ran.result["winner"]["flags"] == [f"its agent ended with {said}"]
    assert field.content(ran.result["winner"]["commit"], "calc.py") == FIX.rstrip("\n")
    assert ran.result["winner"]["checks"]["passed"] == 1


def test_what_brought_nothing_is_told_apart(field: Field) -> None:
    nothing = field.agent("nothing", "pass\n")
    crash = field.agent("crash", "raise SystemExit(1)\n")
    undone = field.agent(
        "undone", "old = open('calc.py').read()\nfor text in ('x', old):\n"
        "    open('calc.py', 'w').write(text)\n",
    )  # fmt: skip
    ran = field.race(*(word for one in (nothing, crash, undone) for word in ("--agent", one)),
                     status=10)  # fmt: skip
    assert [run["status"] for run in ran.result["runs"]] == ["empty", "crashed", "empty"]
    assert ran.result["winner"] is None
    assert ran.result["status"] == "open"
    assert field.entries("candidate.publish") == []


def test_a_result_past_a_limit_is_no_candidate_but_is_kept(field: Field) -> None:
    field.json("init")
    settings = field.top / ".git" / "waggle" / "config.toml"
    settings.write_text("content_bytes_max = 1000\n")
    large = field.agent("large", "open('big.bin', 'wb').write(bytes(2000))\n")
    ran = field.race("--agent", large, "--agent", field.fixer(), "--test", TEST)
    assert ran.run(1)["status"] == "limit"
    assert "big.bin" in ran.run(1)["note"]
    assert ran.result["winner"]["author"] == "fixer"
    ((_, kept),) = refs_of(field).items()
    assert field.git("cat-file", "-s", f"{kept}:big.bin") == "2000"


def test_a_suspect_result_is_held_and_the_others_go_on(field: Field) -> None:
    leak = field.agent("leak", f"open('calc.py', 'w').write('key = \"{SECRET}\"')\n")
    ran = field.race("--agent", leak, "--agent", field.fixer(), "--test", TEST)
    assert ran.run(1)["status"] == "held"
    assert "calc.py:1" in ran.run(1)["note"]
    assert ran.result["winner"]["author"] == "fixer"
    (held,) = field.json("held")["held"]
    assert held["findings"]
    assert SECRET not in ran.out
    assert SECRET not in field.waggle("log", "--raw", "--limit", "0").out
    pushable = list(field.refs("refs/waggle/"))
    reachable = field.git("log", "-p", "--format=", *pushable)
    assert SECRET not in reachable
    assert "a + b" in reachable, "the control: the other candidate is reachable"
    ((_, kept),) = refs_of(field).items()
    assert SECRET in field.content(kept, "calc.py")
    # The operator has a look and lets it go.
    field.json("release", held["id"])
    assert {one["author"] for one in field.json("show")["candidates"]} == {"leak", "fixer"}


def test_a_suspect_prompt_never_starts_a_race(field: Field) -> None:
    agent = field.agent("never", field.mark("ran"))
    status, error = field.refused("race", f"use the key {SECRET}", "--agent", agent)
    assert (status, error["code"]) == (5, "held")
    assert SECRET not in error["message"]
    assert field.marked("ran") == 0
    assert field.entries("task.add") == []


def test_an_agent_past_its_time_is_ended_flagged_and_kept(field: Field) -> None:
    agent = field.agent(
        "endless", f"open('calc.py', 'w').write({FIX!r})\nimport time\ntime.sleep(600)\n"
    )
    ran = field.race("--agent", agent, "--timeout", "1.5", "--test", TEST)
    assert ran.run()["status"] == "timeout"
    assert ran.result["winner"]["flags"] == ["ran past its time of 1.5 s"]
    assert ran.result["winner"]["checks"]["passed"] == 1


def test_a_test_past_its_time_fails(field: Field) -> None:
    ran = field.race("--agent", field.fixer(), "--test", "sleep 600", "--timeout", "1.5", status=10)
    assert ran.result["winner"]["checks"] == {"passed": 0, "failed": 1, "flaky": 0}
    assert [check["exit"] for check in field.entries("check.record")] == [124]


def test_a_change_past_its_budget_carries_a_flag(field: Field) -> None:
    agent = field.agent("wordy", "open('calc.py', 'w').write('#' * 3000)\n")
    ran = field.race("--agent", agent, "--max-size", "2000")
    assert ran.result["winner"]["flags"] == ["larger than 2000 bytes"]
    text = field.waggle("choose").out
    assert "! larger than 2000 bytes" in text


def test_a_repository_within_the_worktree_is_kept_as_files(field: Field) -> None:
    """Git alone would keep its commit's id, or nothing: agents do run `git init`."""
    agent = field.agent(
        "nester",
        "import os, subprocess\n"
        "for name in ('unborn', 'born'):\n"
        "    subprocess.run(['git', 'init', '-q', name], check=True)\n"
        "    open(f'{name}/main.py', 'w').write(name)\n"
        "subprocess.run(['git', '-C', 'born', 'add', '.'], check=True)\n"
        "subprocess.run(['git', '-C', 'born', 'commit', '-qm', 'x'], check=True)\n"
        "open('calc.py', 'w').write('x')\n",
    )
    ran = field.race("--agent", agent)
    commit = ran.result["winner"]["commit"]
    assert field.content(commit, "unborn/main.py") == "unborn"
    assert field.content(commit, "born/main.py") == "born"
    assert field.content(commit, "calc.py") == "x"


def test_commits_of_an_agents_own_change_nothing(field: Field) -> None:
    """What counts is the folder's content, wherever the agent's HEAD stands."""
    agent = field.agent(
        "committer",
        "import subprocess\n"
        "open('calc.py', 'w').write('one')\n"
        "subprocess.run(['git', 'commit', '-qam', 'one'], check=True)\n"
        "open('calc.py', 'w').write('two')\n"
        "subprocess.run(['git', 'add', '.'], check=True)\n",
    )
    commit = field.race("--agent", agent).result["winner"]["commit"]
    assert field.content(commit, "calc.py") == "two"
    assert field.git("rev-parse", f"{commit}^") == field.git("rev-parse", "HEAD")
    assert field.git("log", "-1", "--format=%an <%ae>", commit) == (
        "candidate <candidate@waggle.invalid>"
    )


def test_an_agent_that_destroys_its_folder_stops_no_other(field: Field) -> None:
    wrecker = field.agent("wrecker", "import os, shutil\nshutil.rmtree(os.getcwd())\n")
    ran = field.race("--agent", wrecker, "--agent", field.fixer(), "--test", TEST)
    assert ran.run(1)["status"] == "crashed"
    assert ran.result["winner"]["author"] == "fixer"
    assert field.git("worktree", "list").count("\n") == 0


def test_the_log_of_a_race_verifies(field: Field) -> None:
    field.race("--agent", field.fixer(), "--agent", "true", "--test", TEST)
    field.json("seal")
    shown = field.json("verify")
    assert shown["verified"] is True
    assert shown["report"]["unsealed"] == 0
    field.git("fsck", "--strict")
    until(lambda: field.json("doctor")["healthy"], "the doctor is content")
