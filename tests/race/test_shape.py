"""A race's own words: how many at once, by which rule, and what it prints."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.race.field import FIX, TEST, Field, Ran


def test_no_more_agents_run_at_once_than_asked(field: Field) -> None:
    """Each agent leaves word when it begins and ends; the order of lines tells how many ran."""
    path = field.marks / "turns"
    agent = field.agent(
        "turn",
        f"import os, time\nout = os.open({str(path)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(out, b'+')\ntime.sleep(0.05)\nopen('calc.py', 'w').write(str(os.getpid()))\n"
        "os.write(out, b'-')\n",
    )
    # A test takes a place as an agent does.
    test = f"printf + >> {path}; sleep 0.05; printf - >> {path}"
    field.race("--agent", agent, "-n", "5", "--jobs", "2", "--test", test)
    turns, now, most = path.read_text(), 0, 0
    for turn in turns:
        now += 1 if turn == "+" else -1
        most = max(most, now)
    assert turns.count("+") == turns.count("-") == 10
    assert most == 2, turns


def test_the_rule_of_a_race_chooses(field: Field) -> None:
    short = field.agent("short", "open('calc.py', 'w').write('x')\n")
    long = field.agent("long", f"open('calc.py', 'w').write({FIX!r} + '#' * 500)\n")
    ran = field.race("--agent", short, "--agent", long, "--test", TEST,
                     "--rule", "size > checks", status=10)  # fmt: skip
    assert ran.result["winner"]["author"] == "short"
    assert ran.result["why"][0].startswith("size: ")
    assert field.json("choose")["rule"] == "size > checks"
    status, error = field.refused("race", "go", "--agent", "true", "--rule", "best")
    assert (status, error["code"]) == (2, "invalid")
    assert "calibrated" in error["next"]
    assert len(field.json("tasks")["tasks"]) == 1, "a refused race leaves no task"


def test_json_lines_end_in_one_result(field: Field) -> None:
    ran = field.race("--agent", field.fixer(), "--agent", "true", "--test", TEST)
    assert all("event" in event and "ok" not in event for event in ran.events)
    order = [event["event"] for event in ran.events if event.get("agent") == "fixer"]
    assert order == ["planned", "started", "checkpoint", "ended", "checking", "check"]
    result = ran.result
    assert {"ok", "task", "status", "winner", "rivals", "why", "runs", "touched"} <= set(result)
    assert result["status"] == "leading"
    assert [run["status"] for run in result["runs"]] == ["done", "empty"]
    assert ran.err == ""


def test_plain_lines_where_there_is_no_terminal(field: Field) -> None:
    ran = field.waggle("race", "fix it", "--agent", field.fixer(), "--test", TEST)
    rows = ran.out.splitlines()
    assert "run 1 fixer started" in rows
    assert any(row.startswith("run 1 fixer check passed: ") for row in rows)
    assert any(row.startswith("  1. ") and "checks 1/1" in row for row in rows)
    assert "\x1b" not in ran.out


def on_a_terminal(field: Field, *args: str) -> str:
    """Run waggle on a terminal of its own and give what it drew."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "waggle", *args],
        cwd=field.top,
        env={**field.env, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    drawn = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side has closed
            break
        if not piece:
            break
        drawn += piece
    os.close(terminal)
    assert process.wait() == 0, drawn
    return drawn.decode()


def test_a_live_table_on_a_terminal(field: Field) -> None:
    """Brackets in names and messages are text: they are no styles, and break nothing."""
    odd = field.agent("[red]odd", f"open('calc.py', 'w').write({FIX!r})\n")
    drawn = on_a_terminal(field, "race", "go", "--agent", odd, "--agent", "no-such[/x]-program",
                          "--test", TEST)  # fmt: skip
    for heading in ("agent", "state", "time", "saved", "size", "checks", "place", "why"):
        assert heading in drawn
    assert "[red]odd" in drawn
    assert "1 ok" in drawn
    assert "crashed" in drawn
    assert "1/1" in drawn, "the choice stands below"


def test_a_person_who_waits_for_a_check_sees_what_runs(field: Field) -> None:
    field.json("init")
    field.json("task", "add", "fix it")
    field.write({"calc.py": FIX})
    one = field.json("publish")["candidate"]["id"]
    words = ("check", one, "--test", TEST, "--test", f"{TEST} -v")
    drawn = on_a_terminal(field, *words)
    first, second = (drawn.index(f"running {TEST}{more}\r\n") for more in ("", " -v"))
    assert first < second < drawn.index("passed in")
    ran = field.waggle(*words)
    assert (ran.status, ran.err) == (0, "")
    assert "running" not in ran.out


def test_presets_are_listed(field: Field) -> None:
    shown = field.json("race", "--list-agents")["agents"]
    assert {"claude", "codex", "gemini", "aider", "opencode"} <= {one["name"] for one in shown}
    assert all(one["source"].startswith("https://") for one in shown)
    text = field.waggle("race", "--list-agents")
    assert text.status == 0
    assert "claude" in text.out


def asks(field: Field, *words: str) -> tuple[int, str]:
    status, error = field.refused("race", *words)
    return status, error["code"]


def test_what_cannot_be_raced_is_refused(field: Field) -> None:
    assert asks(field) == (2, "usage")
    assert asks(field, "go") == (2, "usage")
    assert asks(field, "go", "--agent", "'unclosed") == (2, "invalid")
    assert asks(field, "go", "--agent", "") == (2, "invalid")
    assert asks(field, "go", "--agent", "true", "-n", "0") == (2, "usage")
    for option in ("--jobs", "--timeout", "--checkpoint-every", "--max-size"):
        for number in ("0", "-1"):
            assert asks(field, "go", "--agent", "true", option, number) == (2, "usage")
    assert asks(field, "go", "--agent", "true", "--timeout", "nan") == (2, "usage")
    assert asks(field, "go", "--agent", "true", "--base", "nowhere") == (3, "not_found")
    assert asks(field, "go", "--agent", "true", "--isolate", "vm") == (2, "usage")
    assert asks(field, "--resume", "--task", "abcdef12") == (3, "not_found")
    assert field.json("tasks")["tasks"] == []


def test_a_race_without_a_result_says_so_by_its_status(field: Field) -> None:
    ran = field.waggle("race", "go", "--agent", "true", "--test", TEST)
    assert ran.status == 10
    assert "no candidate came of it" in ran.out


def test_only_ones_own_tasks_commands_are_run(field: Field) -> None:
    """A task that came from another replica brings commands of strangers."""
    other = Field(field.folder / "other")
    trap = f"touch '{field.marks / 'sprung'}'"
    theirs = other.race("--agent", other.fixer(), "--setup", f"test -e {other.top} || {trap}",
                        "--test", f"test -e {field.marks / 'away'} && {trap}; true")  # fmt: skip
    (field.marks / "away").touch()
    field.json("init")
    other.json("seal")
    field.git("fetch", "-q", str(other.top), "refs/waggle/*:refs/waggle/*")
    field.json("rebuild")
    task = theirs.result["task"]
    assert field.json("show", task)["task"] == task

    status, error = field.refused("race", "--resume", "--task", task)
    assert (status, error["code"]) == (6, "not_allowed")
    winner = field.json("choose", task)["winner"]["id"]
    status, error = field.refused("check", winner)
    assert (status, error["code"]) == (2, "usage")
    assert "--test" in error["next"]
    assert field.json("check", winner, "--test", TEST)["checks"][0]["exit"] == 0
    assert field.marked("sprung") == 0
    assert not (field.marks / "sprung").exists()


def test_the_end_is_printed_though_the_reader_left(field: Field) -> None:
    """`waggle race | head -1`: the race goes on, and its work is in the log."""
    race = field.start("race", "go", "--agent", field.fixer(), "--test", TEST)
    race.until("planned")
    assert race.process.stdout is not None
    race.process.stdout.close()
    assert race.process.stderr is not None
    err = race.process.stderr.read()
    assert (race.process.wait(), err) == (0, "")
    assert field.json("choose")["winner"]["checks"]["passed"] == 1


def test_results_are_the_same_object_that_choose_gives(field: Field) -> None:
    ran: Ran = field.race("--agent", field.fixer(), "--test", TEST)
    chosen = field.json("choose")
    for name in ("task", "status", "winner", "rivals", "why"):
        assert ran.result[name] == chosen[name]
