"""How an agent is run: its folder, its prompt, its variables, its process group."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.race.field import PYTHON, TEST, Field, alive, until

TELL = """
import json, os, sys
told = {"cwd": os.getcwd(), "stdin": sys.stdin.read(), "argv": sys.argv[1:],
        "group": os.getpgrp() == os.getpid(), "env": dict(os.environ)}
json.dump(told, open(%r, "w"))
"""


def teller(field: Field, name: str = "teller") -> tuple[str, Path]:
    path = field.marks / f"{name}.json"
    return field.agent(name, TELL % str(path)), path


def test_each_agent_has_a_worktree_of_its_own_outside_the_repository(field: Field) -> None:
    commands, paths = zip(*(teller(field, name) for name in ("one", "two")), strict=True)
    ran = field.race("--agent", commands[0], "--agent", commands[1], status=10)
    folders = [json.loads(path.read_text())["cwd"] for path in paths]
    assert len(set(folders)) == 2
    assert all(Path(folder).is_relative_to(field.worktrees) for folder in folders)
    assert not any(os.path.exists(folder) for folder in folders), "left behind after the race"
    assert field.git("worktree", "list").count("\n") == 0
    assert [run["status"] for run in ran.result["runs"]] == ["empty", "empty"]


def test_all_start_from_the_same_commit(field: Field) -> None:
    first = field.git("rev-parse", "HEAD")
    field.commit({"calc.py": "def add(a, b):\n    return 3\n"})
    path = field.marks / "seen"
    looker = field.agent("looker", f"open({str(path)!r}, 'w').write(open('calc.py').read())")
    ran = field.race("--agent", looker, "--base", first, status=10)
    assert "a - b" in path.read_text()
    assert field.json("show", ran.result["task"])["base"] == first


@pytest.mark.parametrize("isolate", ["worktree", "clone"])
def test_an_agent_publishes_votes_and_checkpoints_by_itself(field: Field, isolate: str) -> None:
    """In a clone too everything lands in the user's repository."""
    agent = field.agent(
        "busy",
        "import json, subprocess\n"
        "def waggle(*words):\n"
        "    done = subprocess.run(['waggle', *words, '--json'], capture_output=True, text=True)\n"
        "    assert done.returncode == 0, done\n"
        "    return json.loads(done.stdout)\n"
        "open('calc.py', 'w').write('half done')\n"
        "waggle('checkpoint', '--note', 'half')\n"
        "subprocess.run(['git', 'commit', '-qam', 'my own'], check=True)\n"
        "mine = waggle('publish', '--commit', 'HEAD', '--confidence', '70')['candidate']['id']\n"
        "waggle('vote', mine, '--up')\n"
        "open('calc.py', 'w').write('done')\n",
    )
    ran = field.race("--agent", agent, "--isolate", isolate)
    assert ran.run()["status"] == "done", ran
    first, last = field.entries("candidate.publish")
    assert [one["by"]["name"] for one in (first, last)] == ["busy", "busy"]
    assert first["confidence"] == 70
    assert field.content(first["commit"], "calc.py") == "half done"
    assert field.content(last["commit"], "calc.py") == "done"
    assert "half" in [entry.get("note") for entry in field.entries("checkpoint.save")]
    (vote,) = field.entries("vote.cast")
    assert vote["by"]["name"] == "busy"
    # A vote for one's own candidate is a claim.
    assert ran.result["winner"]["votes"]["voters"] == 0


def test_a_clone_has_a_git_folder_of_its_own(field: Field) -> None:
    agent = field.agent(
        "reckless",
        "import os, subprocess\n"
        "assert os.path.isdir('.git')\n"
        "subprocess.run(['git', 'branch', 'mine'], check=True)\n"
        "open('calc.py', 'w').write('x')\n",
    )
    ran = field.race("--agent", agent, "--isolate", "clone")
    assert ran.result["touched"] == []
    assert field.git("branch", "--list", "mine") == ""
    assert field.content(ran.result["winner"]["commit"], "calc.py") == "x"


NASTY = "two words\n\"quoted\" 'single' $(touch pwned) `touch pwned` ; touch pwned\n\\ü {braces} é"


def test_the_prompt_is_data(field: Field) -> None:
    """On standard input, in WAGGLE_PROMPT, and as one argument: byte for byte, never executed."""
    command, path = teller(field)
    ran = field.waggle("race", NASTY, "--agent", command + " --say {prompt} last", "--json")
    told = json.loads(path.read_text())
    assert told["stdin"] == NASTY
    assert told["env"]["WAGGLE_PROMPT"] == NASTY
    assert told["argv"] == ["--say", NASTY, "last"]
    assert ran.run()["status"] == "empty", "something was touched"
    assert not (field.top / "pwned").exists()


def test_a_long_line_reaches_the_agent_whole(field: Field) -> None:
    command, path = teller(field)
    prompt = "make it so " * 100
    field.waggle("race", prompt, "--agent", command)
    assert json.loads(path.read_text())["stdin"] == prompt


def test_the_variables_say_where_an_agent_stands(field: Field) -> None:
    command, path = teller(field)
    field.env["GIT_DIR"] = str(field.top / ".git")  # as a git hook would have set it
    ran = field.race("--agent", command, status=10)
    env = json.loads(path.read_text())["env"]
    assert env["WAGGLE_TASK"] == ran.result["task"]
    assert env["WAGGLE_AGENT"] == "teller"
    assert env["WAGGLE_SPACE"] == "main"
    assert env["WAGGLE_RUN"] == "run-1"
    assert env["PWD"] == json.loads(path.read_text())["cwd"]
    assert "GIT_DIR" not in env, "would lead the agent's git into the user's repository"


def test_an_agent_reports_its_confidence(field: Field) -> None:
    agent = field.agent(
        "sure",
        "import json, os\n"
        "open('calc.py', 'w').write('x')\n"
        "claims = {'confidence': 83, 'tokens': 1200, 'summary': 'rewrote it'}\n"
        "json.dump(claims, open(os.environ['WAGGLE_REPORT'], 'w'))\n",
    )
    boaster = field.agent(
        "broken",
        "import os\nopen('calc.py', 'w').write('y')\n"
        "open(os.environ['WAGGLE_REPORT'], 'w').write('{\"confidence\": \"very\"}')\n",
    )
    ran = field.race("--agent", agent, "--agent", boaster)
    by_author = {one["author"]: one for one in [ran.result["winner"], *ran.result["rivals"]]}
    assert by_author["sure"]["confidence"] == 83
    assert by_author["sure"]["summary"] == "rewrote it"
    assert by_author["broken"]["confidence"] is None
    assert any(event["event"] == "report_ignored" for event in ran.events)


def test_grandchildren_end_with_their_agent(field: Field) -> None:
    """Also those that ignore being asked, and those whose parent ended first."""
    up = field.marks / "up"
    child = field.agent(
        "child",
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + field.pid("up") + "time.sleep(600)\n",
    )
    agent = field.agent(
        "parent",
        f"import shlex, subprocess\nsubprocess.Popen(shlex.split({child!r}))\n"
        + field.wait("up")
        + "open('calc.py', 'w').write('x')\n",
    )
    field.race("--agent", agent)
    pid = int(up.read_text())
    until(lambda: not alive(pid), "the grandchild ends")


def test_setup_prepares_every_worktree_and_each_exam(field: Field) -> None:
    setup = "echo ready > prepared.tmp"
    agent = field.agent("user", "open('calc.py', 'w').write(open('prepared.tmp').read())")
    ran = field.race("--agent", agent, "--setup", setup, "--test", "test -f prepared.tmp")
    assert field.content(ran.result["winner"]["commit"], "calc.py") == "ready"
    assert ran.result["winner"]["checks"] == {"passed": 1, "failed": 0, "flaky": 0}


def test_a_failing_setup_is_told_and_no_agent_runs(field: Field) -> None:
    agent = field.agent("never", field.mark("ran"))
    ran = field.race("--agent", agent, "--setup", "echo no network >&2; exit 7", status=10)
    run = ran.run()
    assert run["status"] == "crashed"
    assert "setup ended with status 7" in run["note"]
    log = run["note"].partition("its output is in ")[2].partition(". ")[0]
    assert Path(log).read_text() == "no network\n"
    assert field.marked("ran") == 0
    assert field.git("worktree", "list").count("\n") == 0


def test_a_program_that_is_not_there_is_told(field: Field) -> None:
    ran = field.race("--agent", "no-such-agent-here --go", "--agent", field.fixer(), "--test", TEST)
    assert ran.run(1)["status"] == "crashed"
    assert "no-such-agent-here" in ran.run(1)["note"]
    assert ran.result["winner"]["author"] == "fixer"


def test_runs_of_one_program_are_told_apart(field: Field) -> None:
    ran = field.race("--agent", field.fixer(), "-n", "3")
    assert [run["agent"] for run in ran.result["runs"]] == ["fixer", "fixer.2", "fixer.3"]
    assert len(field.entries("candidate.publish")) == 3
    assert {plan["name"] for plan in field.entries("run.plan")} == {"fixer", "fixer.2", "fixer.3"}


def test_no_agent_may_act_as_the_operator(field: Field) -> None:
    """Neither the agent itself nor its work while it is tested."""
    said = field.marks / "said"
    ruling = "waggle ruling $WAGGLE_TASK none --json"
    agent = f"sh -c 'echo x > calc.py; {ruling} >> {said}'"
    inside = f"waggle ruling abcd1234 none --json >> {said}; true"
    field.race("--agent", agent, "--test", inside)
    errors = [json.loads(row)["error"]["code"] for row in said.read_text().splitlines()]
    assert errors == ["not_allowed", "not_allowed"]
    assert field.entries("ruling.make") == []


def test_agents_without_an_interpreter_script_are_named_by_their_program(field: Field) -> None:
    ran = field.race("--agent", f"{PYTHON} -c pass", "--agent", "true", status=10)
    assert [run["agent"] for run in ran.result["runs"]][1] == "true"
