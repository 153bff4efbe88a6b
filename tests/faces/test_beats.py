"""`waggle join`, `beat`, `leave` and what `members` shows of agents."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.race.field import Field

from waggle.log.beat import NOTE_CHARS_MAX

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
TRACE = """
import sys
from waggle.__main__ import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture
def team(field: Field) -> Field:
    """A field with a store."""
    field.json("init")
    return field


def agents(field: Field) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in field.json("members")["agents"]}


def test_an_agent_joins_beats_and_leaves(team: Field) -> None:
    words = ("--role", "build", "--role", "deploy", "--lease", "600", "--as", "ann")
    joined = team.json("join", *words, "--model", "m1", env={"WAGGLE_SESSION": "s1"})
    assert (joined["agent"], joined["roles"], joined["lease"]) == ("ann", ["build", "deploy"], 600)
    task = team.json("task", "add", "parse")["task"]["id"]
    beaten = team.json("beat", "--as", "ann", "--note", "reading", "--doing", task[:8])
    assert (beaten["joined"], beaten["back"], beaten["doing"]) == (None, False, task)
    ann = agents(team)["ann"]
    assert (ann["state"], ann["note"], ann["doing"]) == ("alive", "reading", task)
    assert (ann["session"], ann["model"], ann["roles"]) == ("s1", "m1", ["build", "deploy"])
    assert ann["lease"] == 600
    assert ann["level"] == 0
    assert ann["phi"] is None, "no node runs"
    team.json("leave", "--as", "ann", "--reason", "done")
    ann = agents(team)["ann"]
    assert (ann["state"], ann["reason"], ann["note"]) == ("left", "done", "")
    assert [one["by"]["name"] for one in team.entries("agent.join")] == ["ann"]
    assert len(team.entries("agent.leave")) == 1


def test_beats_are_no_entries_and_no_objects(team: Field) -> None:
    team.json("join", "--as", "ann")
    entries = len(team.json("log", "--limit", "0")["entries"])
    objects = team.git("count-objects", "-v")
    for number in range(20):
        team.json("beat", "--as", "ann", "--note", str(number))
    assert len(team.json("log", "--limit", "0")["entries"]) == entries
    assert team.git("count-objects", "-v") == objects
    assert agents(team)["ann"]["note"] == "19"


def test_who_beats_without_having_joined_joins_and_is_told(team: Field) -> None:
    first = team.json("beat", "--as", "ann")
    assert first["joined"] == team.json("log")["entries"][0]["id"]
    assert team.json("beat", "--as", "ann")["joined"] is None
    assert "was no member, and joined" in team.waggle("beat", "--as", "bob").out
    team.json("leave", "--as", "ann")
    again = team.json("beat", "--as", "ann")
    assert again["joined"] not in {None, first["joined"]}
    assert agents(team)["ann"]["state"] == "alive"


def test_who_joins_by_beating_joins_as_before(team: Field) -> None:
    team.json("join", "--role", "build", "--lease", "900", "--as", "ann")
    team.json("leave", "--as", "ann")
    team.json("beat", "--as", "ann")
    ann = agents(team)["ann"]
    assert (ann["roles"], ann["lease"]) == (["build"], 900)


def test_a_lost_file_of_beats_costs_no_second_join(team: Field) -> None:
    team.json("join", "--lease", "900", "--as", "ann")
    (team.top / ".git" / "waggle" / "beats" / "main.db").unlink()
    assert agents(team)["ann"]["state"] == "alive", "its join is a sign of life"
    beaten = team.json("beat", "--as", "ann")
    assert beaten["joined"] is None
    assert agents(team)["ann"]["lease"] == 900


def test_a_repeated_key_gives_the_first_result(team: Field) -> None:
    first = team.json("join", "--lease", "60", "--as", "ann", "--key", "k1")
    again = team.json("join", "--lease", "90", "--as", "ann", "--key", "k1")
    assert (again["join"], again["lease"]) == (first["join"], 60)
    left = team.json("leave", "--as", "ann", "--key", "k2")
    assert team.json("leave", "--as", "ann", "--key", "k2")["leave"] == left["leave"]
    assert len(team.entries("agent.leave")) == 1
    assert team.refused("leave", "--as", "ann", "--key", "k1")[1]["code"] == "invalid"


def test_what_cannot_be_meant_is_refused(team: Field) -> None:
    def code(*words: str) -> str:
        return str(team.refused(*words, "--as", "ann")[1]["code"])

    assert code("leave") == "not_found"
    assert code("join", "--lease", "9") == "usage"
    assert code("join", "--lease", "700000") == "usage"
    assert code("join", "--role", "Not A Word") == "invalid"
    assert code("beat", "--note", "x" * (NOTE_CHARS_MAX + 1)) == "limit"
    assert code("beat", "--note", "\udcff") == "invalid"
    assert code("beat", "--doing", "abcd1234") == "not_found"
    assert code("beat", "--note", f"the token is {SECRET}") == "held"
    assert agents(team) == {}
    team.json("join", "--as", "ann")
    team.json("leave", "--as", "ann")
    assert code("leave") == "not_found"


def test_members_shows_agents_under_their_replica(team: Field) -> None:
    team.json("join", "--role", "build", "--as", "ann")
    team.json("beat", "--as", "ann", "--note", "at\u001b[2J it")
    team.json("join", "--as", "bob")
    team.json("leave", "--as", "bob", "--reason", "done")
    team.json("task", "add", "x", "--as", "cat")
    out = team.waggle("members").out
    replica, ann, bob = out.splitlines()
    assert "(this store)" in replica
    assert "cat" in replica, "who never joined is shown as before"
    assert "ann: alive since" in ann
    assert "roles build: at" in ann
    assert "bob: left since" in bob
    assert bob.endswith(": done")
    assert "\x1b" not in out


def test_agents_of_other_clones_are_seen_after_a_sync(team: Field) -> None:
    hub, other = team.folder / "hub.git", team.folder / "other"
    team.git("init", "-q", "--bare", str(hub))
    team.git("clone", "-q", str(team.top), str(other))
    team.json("init", cwd=other)
    team.json("join", "--as", "ann", "--lease", "600")
    team.json("beat", "--as", "ann", "--note", "here")
    team.json("sync", str(hub))
    team.json("sync", str(hub), cwd=other)
    (ann,) = team.json("members", cwd=other)["agents"]
    assert (ann["name"], ann["state"], ann["lease"]) == ("ann", "alive", 600)
    assert ann["note"] == "here"
    team.json("leave", "--as", "ann")
    team.json("sync", str(hub))
    team.json("sync", str(hub), cwd=other)
    (ann,) = team.json("members", cwd=other)["agents"]
    assert ann["state"] == "left"


def test_a_beat_loads_nothing_heavy(real: Field) -> None:
    real.json("init")
    real.json("join", "--as", "ann")
    done = subprocess.run(
        [sys.executable, "-c", TRACE, "beat", "--as", "ann"],
        cwd=real.top, env=real.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ann is a member" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"pygit2", "zenoh", "cryptography", "rich", "asyncio", "detect_secrets"}


def test_a_copied_store_has_no_members_of_its_own(team: Field) -> None:
    team.json("join", "--as", "ann")
    team.json("seal")
    copy = team.folder / "copy"
    subprocess.run(["cp", "-a", str(team.top), str(copy)], check=True)
    beaten = team.json("beat", "--as", "ann", cwd=copy)
    assert beaten["joined"] is not None
    found = team.json("members", cwd=copy)["agents"]
    assert len({one["replica"] for one in found}) == 2
