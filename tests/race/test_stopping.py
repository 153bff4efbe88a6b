"""A race is stopped, or killed, at any moment; its work is kept and it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.race.field import FIX, TEST, Field, Running, alive, until

from waggle.agents import process


def steady(field: Field, name: str) -> str:
    """Give an agent that leaves a mark, works, and waits to be told to end."""
    return field.agent(
        name,
        field.mark(f"{name} ran")
        + field.pid(f"{name}.pid")
        + "open('part.py', 'w').write('half')\n"
        + field.wait(f"{name} end")
        + f"open('calc.py', 'w').write({FIX!r})\n",
    )


def counting(field: Field, name: str) -> str:
    """Give an agent that leaves a mark and ends at once with the right result."""
    return field.agent(name, field.mark(f"{name} ran") + f"open('calc.py', 'w').write({FIX!r})\n")


def pid_of(field: Field, name: str) -> int:
    return int((field.marks / f"{name}.pid").read_text())


def begun(field: Field) -> Running:
    """Start a race of one agent that ends and one that waits; give it when both have saved."""
    race = field.start(
        "race", "go", "--agent", counting(field, "quick"), "--agent", steady(field, "slow"),
        "--test", TEST, "--checkpoint-every", "0.05", "--timeout", "3600",
        group=True,
    )  # fmt: skip
    waiting = {("check", "quick"), ("checkpoint", "slow")}
    for row in race.rows():
        waiting.discard((row.get("event", ""), row.get("agent", "")))
        if not waiting:
            return race
    raise AssertionError(f"the race ended: {race.seen} {race.end()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("whole_group", [False, True], ids=["race", "terminal"])
def test_a_stopped_race_ends_its_agents_keeps_their_work_and_says_how_to_go_on(
    field: Field, number: signal.Signals, *, whole_group: bool
) -> None:
    """Ctrl-C on a terminal reaches the race and the git processes that it runs."""
    race = begun(field)
    if whole_group:
        os.killpg(race.process.pid, number)
    else:
        race.process.send_signal(number)
    ran = race.end()
    assert ran.status == 130, ran
    error = ran.result["error"]
    assert error["code"] == "interrupted"
    assert "waggle race --resume --task" in error["next"]
    assert "Traceback" not in ran.err
    assert not alive(pid_of(field, "slow"))
    ((_, kept),) = field.refs("refs/waggle-checkpoint").items()
    assert field.content(kept, "part.py") == "half"
    ends = [(end["by"]["name"], end["status"]) for end in field.entries("run.end")]
    assert ends == [("quick", "done")], "what was stopped has not ended"

    field.go("slow end")
    words = error["next"].partition("`waggle ")[2].partition("`")[0].split()
    resumed = field.waggle(*words, "--json")
    assert resumed.status == 0, resumed
    assert [run["status"] for run in resumed.result["runs"]] == ["done", "done"]
    assert (field.marked("quick ran"), field.marked("slow ran")) == (1, 2)
    assert len(field.entries("check.record")) == 2
    assert resumed.result["touched"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_check_ends_its_test_and_leaves_no_worktree(
    field: Field, number: signal.Signals
) -> None:
    field.json("init")
    exam = field.agent("exam", field.pid("exam.pid") + field.wait("never"))
    task = field.json("task", "add", "fix add", "--test", exam)["task"]["id"]
    field.write({"calc.py": FIX})
    candidate = field.json("publish", task)["candidate"]["id"]
    check = field.start("check", candidate)
    until((field.marks / "exam.pid").exists, "the test runs")
    check.process.send_signal(number)
    ran = check.end()
    assert (ran.status, ran.result["error"]["code"]) == (130, "interrupted"), ran
    assert not alive(pid_of(field, "exam"))
    assert len(field.git("worktree", "list").splitlines()) == 1
    assert field.entries("check.record") == []


def test_stopping_is_told_to_people_on_standard_error(field: Field) -> None:
    race = begun(field)
    race.process.send_signal(signal.SIGINT)
    race.end()
    field.go("slow end")
    shown = field.waggle("race", "--resume")
    assert "run 1  quick                done" in shown.out
    assert shown.err == ""


MOMENTS = [
    ("started", "slow"), ("checkpoint", "slow"), ("ended", "quick"), ("checking", "quick"),
    ("check", "quick"),
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS, ids="-".join)
def test_a_killed_race_goes_on_and_repeats_no_finished_agent(
    field: Field, moment: tuple[str, str]
) -> None:
    race = field.start(
        "race", "go", "--agent", counting(field, "quick"), "--agent", steady(field, "slow"),
        "--test", TEST, "--checkpoint-every", "0.05",
    )  # fmt: skip
    race.until(*moment)
    race.process.kill()
    race.end()
    finished = {row["agent"] for row in race.seen if row["event"] == "ended"}
    checked = sum(row["event"] == "check" for row in race.seen)
    orphan = field.marks / "slow.pid"
    until(orphan.exists, "the slow agent starts")
    assert alive(pid_of(field, "slow")), "the control: it outlives its race"

    resumed = field.start("race", "--resume", "--checkpoint-every", "0.05")
    resumed.until("started", "slow")
    orphans = [row["agent"] for row in resumed.seen if row["event"] == "took_over"]
    assert "slow" in orphans
    field.go("slow end")
    ran = resumed.end()
    assert ran.status == 0, ran
    assert [run["status"] for run in ran.result["runs"]] == ["done", "done"], ran
    assert field.marked("slow ran") == 2
    if "quick" in finished:
        assert field.marked("quick ran") == 1
    assert len(field.entries("check.record")) == 2
    assert len(field.entries("candidate.publish")) == 2
    assert checked <= 1
    assert ran.result["winner"]["checks"] == {"passed": 1, "failed": 0, "flaky": 0}
    assert field.git("worktree", "list").count("\n") == 0
    assert field.json("verify")["verified"] is True


def test_a_race_killed_during_its_last_test_is_found_again(field: Field) -> None:
    """All agents have ended: what is missing is a check, whose orphaned test is ended too."""
    pid = field.marks / "test.pid"
    test = f"echo $$ > {pid}.part; mv {pid}.part {pid}; test -e {field.marks / 'pass'} || sleep 600"
    race = field.start("race", "go", "--agent", counting(field, "quick"), "--test", test)
    race.until("checking")
    until(pid.exists, "the test starts")
    race.process.kill()
    race.end()
    orphan = int(pid.read_text())
    assert alive(orphan), "the control: it outlives its race"
    field.go("pass")
    ran = field.waggle("race", "--resume", "--json")
    assert ran.status == 0, ran
    until(lambda: not alive(orphan), "the orphaned test is ended")
    assert field.marked("quick ran") == 1
    assert len(field.entries("check.record")) == 1


def test_grandchildren_of_a_killed_race_are_ended_though_their_parent_ended(field: Field) -> None:
    pid = field.marks / "child.pid"
    child = field.agent("child", field.pid("child.pid") + "import time\ntime.sleep(600)\n")
    parent = field.agent(
        "parent",
        field.mark("ran")
        + "import os, shlex, subprocess\n"
        + f"if not os.path.exists({str(pid)!r}):\n    subprocess.Popen(shlex.split({child!r}))\n"
        + field.wait("end")
        + "open('calc.py', 'w').write('x')\n",
    )
    race = field.start("race", "go", "--agent", parent)
    race.until("started")
    until(pid.exists, "the child starts")
    race.process.kill()
    race.end()
    field.go("end")
    until(lambda: not _leads(int(pid.read_text())), "the parent ends")
    assert alive(int(pid.read_text()))
    assert field.waggle("race", "--resume").status == 0
    assert not alive(int(pid.read_text()))


def test_an_orphan_whose_number_was_never_noted_is_ended_too(field: Field) -> None:
    """A kill may come between the start of a program and the note of its number."""
    race = begun(field)
    race.process.kill()
    race.end()
    slow = pid_of(field, "slow")
    (note,) = field.top.glob(".git/waggle/runs/*/run-2.process")
    assert json.loads(note.read_text())["pid"] == slow
    note.write_text('{"pid": null, "born": null}')
    resumed = field.start("race", "--resume")
    resumed.until("took_over", "slow")
    until(lambda: not alive(slow), "it is ended")
    field.go("slow end")
    assert resumed.end().status == 0
    assert not list(field.top.glob(".git/waggle/runs/*/*.process"))


def test_a_number_that_is_someone_elses_now_is_left_alone(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        try:
            note.write_text(json.dumps({"pid": stranger.pid, "born": 1.0}))
            assert process.end_orphans(str(note)) is False
            note.write_text(json.dumps({"pid": None, "born": None}))
            assert process.end_orphans(str(note)) is False
            assert alive(stranger.pid)
            note.write_text(json.dumps({"pid": stranger.pid, "born": process.birth(stranger.pid)}))
            assert process.end_orphans(str(note)) is True, "the control"
            until(lambda: not alive(stranger.pid), "it is ended")
        finally:
            stranger.kill()
    assert process.end_orphans(str(note)) is False


def _leads(child: int) -> bool:
    """Tell whether the leader of a process's group is alive."""
    return alive(os.getpgid(child))


def test_a_worktree_that_was_half_made_is_made_anew(field: Field) -> None:
    """Taken as it is, the files that are missing in it would count as deleted."""
    race = field.start(
        "race", "go", "--agent", steady(field, "slow"), "--checkpoint-every", "0.05",
        "--setup", f"echo x >> '{field.marks / 'setup ran'}'; "
                   f"test -e '{field.marks / 'free'}' || sleep 600",
    )  # fmt: skip
    race.until("planned")
    until(lambda: field.marked("setup ran") == 1, "setup is under way")
    race.process.kill()
    race.end()
    (folder,) = field.worktrees.glob("*/*/run-1")
    (folder / "calc.py").unlink()  # as if git had not come to it yet
    field.go("free")
    field.go("slow end")
    ran = field.waggle("race", "--resume", "--json")
    assert ran.status == 0, ran
    assert field.marked("setup ran") == 2
    names = field.git("ls-tree", "-r", "--name-only", ran.result["winner"]["commit"])
    assert "calc.py" in names.splitlines()


def test_an_agent_that_ended_as_its_race_was_killed_does_not_run_again(field: Field) -> None:
    """Between an agent's end and its entry in the log lie a last checkpoint and the publishing."""
    race = begun(field)
    race.process.kill()
    race.end()
    slow = pid_of(field, "slow")
    os.kill(slow, signal.SIGKILL)
    until(lambda: not alive(slow), "the slow agent is gone")
    (runs,) = (field.top / ".git" / "waggle" / "runs").iterdir()
    # As the race writes it down when it sees the end.
    how = {"exit": 0, "timed_out": False, "duration_ms": 1234}
    (runs / "run-2.outcome.json").write_text(json.dumps(how))
    (folder,) = field.worktrees.glob("*/*/run-2")
    (folder / "last.py").write_text("written after the last checkpoint")
    ran = field.waggle("race", "--resume", "--json")
    assert field.marked("slow ran") == 1
    assert ran.run(2)["status"] == "done"
    assert ran.run(2)["duration_ms"] == 1234
    end = field.entries("run.end")[-1]
    (candidate,) = [
        entry for entry in field.entries("candidate.publish") if entry["by"]["name"] == "slow"
    ]
    assert end["by"]["name"] == "slow"
    assert field.content(candidate["commit"], "last.py") == "written after the last checkpoint"


def test_there_is_nothing_to_resume_when_all_is_done(field: Field) -> None:
    ran = field.race("--agent", counting(field, "quick"), "--test", TEST)
    status, error = field.refused("race", "--resume")
    assert (status, error["code"]) == (3, "not_found")
    again = field.waggle("race", "--resume", "--task", ran.result["task"][:8], "--json")
    assert again.status == 0
    assert field.marked("quick ran") == 1


def test_a_repeated_key_races_once(field: Field) -> None:
    for _ in range(2):
        ran = field.race("--agent", counting(field, "quick"), "--test", TEST, "--key", "nightly")
        assert ran.result["winner"]["author"] == "quick"
    assert field.marked("quick ran") == 1
    assert len(field.entries("task.add")) == 1


def test_a_resumed_race_keeps_its_time_limit(field: Field) -> None:
    race = begun(field)
    race.process.kill()
    race.end()
    field.go("slow end")
    assert field.waggle("race", "--resume").status == 0
    (task,) = field.entries("task.add")
    assert task["timeout_s"] == 3600
