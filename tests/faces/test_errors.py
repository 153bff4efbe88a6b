"""Errors are instructions: a stable code and status, what happened, and the safe next step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.race.field import FIX, Field

import waggle
from waggle.base.errors import KINDS

COMMANDS = (
    ["tasks"], ["task", "add", "x"], ["publish", "--text", "x"], ["vote", "abcd", "--up"],
    ["check", "abcd"], ["choose"], ["ruling", "abcd", "none"], ["show"], ["diff", "abcd"],
    ["apply"], ["checkpoint"], ["log"], ["verify"], ["rebuild"], ["digest"], ["seal"], ["held"],
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_without_a_store_every_command_says_what_to_do(field: Field, words: list[str]) -> None:
    if words[0] == "ruling":
        another_store(field)
    status, error = field.refused(*words)
    assert (status, error["code"]) == (7, "not_initialised")
    assert "waggle init" in error["next"]
    assert not (field.top / ".git" / "waggle").exists(), "asking makes no store"


def another_store(field: Field) -> None:
    """Make a store elsewhere, so that there is an operator."""
    elsewhere = field.folder / "elsewhere"
    elsewhere.mkdir()
    field.git("init", "-q", cwd=elsewhere)
    field.json("init", cwd=elsewhere)


def test_outside_a_repository(field: Field) -> None:
    nowhere = field.folder / "nowhere"
    nowhere.mkdir()
    for words in (["init"], ["tasks"], ["vote", "abcd", "--up"], ["doctor"]):
        status, error = field.refused(*words, cwd=nowhere)
        assert (status, error["code"]) == (7, "no_repository")
        assert "git init" in error["next"]


def test_people_read_it_on_standard_error_and_programs_on_standard_output(real: Field) -> None:
    real.json("init")
    text = real.waggle("choose", "abcd1234")
    assert text.status == 3
    assert text.out == ""
    first, second = text.err.splitlines()
    assert first.startswith("waggle: no task has an id that starts with abcd1234")
    assert second.startswith("List what there is: `waggle tasks`")
    program = real.waggle("choose", "abcd1234", "--json")
    assert program.status == 3
    assert program.err == ""
    error = program.object["error"]
    assert set(error) == {"code", "message", "happened", "fault", "next"}
    assert (error["happened"], error["fault"]) == ("no", "caller")


def test_every_refusal_has_its_code_and_status(field: Field) -> None:
    field.json("init")
    task = field.json("task", "add", "x")["task"]["id"]
    mine = field.json("publish", "--text", "x", "--as", "ann")["candidate"]["id"]
    field.json("task", "add", "y")
    other = field.json("publish", "--text", "y", "--as", "ann")["candidate"]["id"]
    absent = "0123456789" if not mine.startswith("0123") else "f123456789"
    cases = {
        ("vote", mine): "usage",
        ("vote", mine, "--up", "--down"): "usage",
        ("vote", mine, "--score", "101"): "usage",
        ("vote", mine, "--score", "many"): "usage",
        ("vote", mine, "--up", "--score", "abc"): "usage",
        ("vote", mine, "--up", "--bogus"): "usage",
        ("vote",): "usage",
        ("nonsense",): "usage",
        ("task", "nonsense"): "usage",
        ("vote", mine[:3], "--up"): "invalid",
        ("vote", "no-hex!", "--up"): "invalid",
        ("vote", absent, "--up"): "not_found",
        ("vote", mine, "--up", "--as", "x" * 129): "invalid",
        ("vote", mine, "--up", "--as", " x"): "invalid",
        ("vote", mine, "--up", "--key", "k" * 257): "invalid",
        ("vote", mine, "--up", "--space", "No Space"): "invalid",
        ("choose", task, "--rule", "best"): "invalid",
        ("choose", task, "--rule", "threshold"): "invalid",
        ("show", absent): "not_found",
        ("ruling", task, other): "invalid",
        ("publish", "--file", "nowhere"): "not_found",
        ("publish", "--commit", "nowhere"): "not_found",
        ("publish", "--confidence", "101", "--text", "x"): "usage",
        ("publish",): "invalid",
        ("task", "add", ""): "invalid",
        ("task", "add", "x", "--rule", "bogus"): "invalid",
        ("task", "add", "x", "--base", "nowhere"): "not_found",
        ("task", "add", "x", "--prompt", "y" * 40_000): "invalid",
        ("check", mine): "usage",
        ("check", mine, "--test", "true"): "invalid",
        ("diff", absent): "not_found",
        ("apply", "--candidate", mine): "invalid",
        ("release", "abcdef"): "not_found",
        ("log", "--limit", "-1"): "usage",
        ("tasks", "--limit", "-1"): "usage",
        ("choose", "--top", "0"): "usage",
    }
    count = len(field.json("log", "--limit", "0")["entries"])
    for words, code in cases.items():
        status, error = field.refused(*words)
        assert error["code"] == code, (words, error)
        assert status == KINDS[code].status
        assert error["message"]
        assert error["next"]
    assert len(field.json("log", "--limit", "0")["entries"]) == count, "a refusal wrote something"


def test_an_ambiguous_id_names_what_fits(field: Field) -> None:
    """Tasks are added until two ids begin alike, which is soon: there are 16^4 beginnings."""
    with waggle.open(str(field.top), init=True) as space:
        me = waggle.Agent(name="ann")
        seen: dict[str, str] = {}
        while True:
            added = space.append(waggle.Draft(body=waggle.TaskAdd(title="x")), me).id
            if twin := seen.get(added[:4]):
                break
            seen[added[:4]] = added
    status, error = field.refused("choose", added[:4])
    assert (status, error["code"]) == (3, "ambiguous")
    for one in (added, twin):
        assert one[:8] in error["message"]
        assert field.json("choose", one[:12])["task"] == one


def test_an_agent_may_neither_rule_nor_release(field: Field) -> None:
    field.json("init")
    task = field.json("task", "add", "x")["task"]["id"]
    candidate = field.json("publish", "--text", "x")["candidate"]["id"]
    for words in (["ruling", task, candidate], ["release", "abcdef"]):
        status, error = field.refused(*words, env={"WAGGLE_RUN": "run-1"})
        assert (status, error["code"]) == (6, "not_allowed")
        assert "vote" in error["next"]


def test_words_that_are_no_text_are_the_callers_fault(real: Field) -> None:
    real.json("init")
    task = real.json("task", "add", "go")["task"]["id"]
    for words in (("task", "add", "\udcff"), ("ruling", task, "none", "--reason", "\udcff")):
        status, error = real.refused(*words)
        assert (status, error["code"], error["happened"]) == (2, "invalid", "no")


def test_a_ruling_needs_this_stores_operator(field: Field) -> None:
    field.json("init")
    task = field.json("task", "add", "x")["task"]["id"]
    stranger = field.folder / "stranger.key"
    env = {"WAGGLE_OPERATOR_KEY": str(stranger)}
    assert field.refused("ruling", task, "none", env=env)[1]["code"] == "not_found"
    stranger.write_text("not a key\n")
    assert field.refused("ruling", task, "none", env=env)[1]["code"] == "damaged"
    stranger.write_text("ab" * 32 + "\n")
    status, error = field.refused("ruling", task, "none", env=env)
    assert (status, error["code"]) == (6, "not_allowed")
    field.json("init", env=env)
    assert field.json("ruling", task, "none", env=env)["candidate"] is None


def test_a_store_that_cannot_be_written_says_so(field: Field) -> None:
    if os.geteuid() == 0:
        place = field.top / ".git" / "waggle"
        place.write_text("a file in the way\n")
    else:
        (field.top / ".git").chmod(0o500)
    try:
        status, error = field.refused("init")
        assert (status, error["code"], error["happened"]) == (7, "environment", "no")
    finally:
        (field.top / ".git").chmod(0o700)


def test_a_damaged_journal_is_reported_and_left_alone(field: Field) -> None:
    field.json("init")
    journal = Path(field.top / ".git/waggle/journal.db")
    for beside in journal.parent.glob("journal.db-*"):
        beside.unlink()
    garbage = b"no database" * 1000
    journal.write_bytes(garbage)
    for words in (["tasks"], ["vote", "abcd", "--up"], ["task", "add", "x"]):
        status, error = field.refused(*words)
        assert (status, error["code"]) == (8, "damaged")
        assert "waggle doctor" in error["next"]
    assert journal.read_bytes() == garbage


def test_large_things_are_refused_before_they_are_written(field: Field) -> None:
    field.json("init")
    (field.top / ".git/waggle/config.toml").write_text("content_bytes_max = 100\n")
    field.json("task", "add", "x")
    field.write({"calc.py": FIX + "#" * 200, "big.txt": "x" * 200})
    for words in (["publish"], ["publish", "--file", "big.txt"]):
        status, error = field.refused(*words)
        assert (status, error["code"]) == (4, "limit")
        assert "content_bytes_max" in error["next"]
    assert field.json("show")["candidates"] == []


def test_settings_that_cannot_be_read_name_the_file(field: Field) -> None:
    field.json("init")
    (field.top / ".git/waggle/config.toml").write_text("content_bytes_max = 'many'\n")
    status, error = field.refused("tasks")
    assert (status, error["code"]) == (2, "invalid")
    assert "config.toml" in error["message"]
