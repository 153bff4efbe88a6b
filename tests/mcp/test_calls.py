"""Calls on a store that stays open: who acts, keys, blindness, and a store that changes."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.mcp.near import Near
from tests.race.field import FIX, Field

from waggle.eventual.tasks import TaskAdd
from waggle.faces.mcp.calls import ERROR_CHARS_MAX, TEXT_CHARS_MAX, Who
from waggle.faces.mcp.table import RESOURCES, Resource
from waggle.log.entry import Agent
from waggle.store.space import Draft

ANN = Agent(name="ann")
WRITES: dict[str, dict[str, object]] = {
    "join": {"roles": ["build"]},
    "task_add": {"title": "x"},
    "task_take": {},
    "task_edit": {"note": "new"},
    "task_done": {},
    "fact_add": {"entity": "db", "attribute": "host", "value": "a"},
    "checkpoint": {"note": "half"},
    "publish": {"text": "an answer"},
    "vote": {"score": 70},
}  # fmt: skip
"""Writes that append an entry, without the task or candidate that they are of."""


def work(near: Near) -> dict[str, str]:
    """Make a task with a candidate, and give their ids."""
    task = near.call("task_add", title="x")["task"]["id"]
    made = near.call("publish", task=task, text="a text", as_="zacharias", confidence=90)
    return {"task": task, "candidate": made["candidate"]["id"]}


# --- who acts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "server", "environment", "name"),
    [
        ("call", "server", "environment", "call"),
        (None, "server", "environment", "server"),
        (None, None, "environment", "environment"),
        (None, None, None, "client"),
    ],
)
def test_who_acts(
    field: Field, said: str | None, server: str | None, environment: str | None, name: str
) -> None:
    field.env |= {"WAGGLE_AGENT": environment} if environment else {}
    field.env["WAGGLE_SESSION"] = "s1"
    near = Near(field, Who(name=server, model="m1", vendor="v1"))
    near.call("task_add", title="x", as_=said)
    near.close()
    (entry,) = field.entries("task.add")
    assert entry["by"] == {"name": name, "session": "s1", "model": "m1", "vendor": "v1"}


# --- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", WRITES)
def test_a_repeated_key_gives_the_first_result(near: Near, tool: str) -> None:
    ids = work(near)
    if tool == "join":
        ids = {}
    wanted = {"vote": ("candidate",), "join": (), "task_add": (), "fact_add": ()}
    named = {name: ids[name] for name in wanted.get(tool, ("task",))}
    first = near.call(tool, **named, **WRITES[tool], key="once")
    entries = _entries(near)
    again = near.call(tool, **named, **WRITES[tool], key="once")
    assert _entries(near) == entries
    assert _stable(again) == _stable(first)


def _entries(near: Near) -> int:
    return int(json.loads(near.read("waggle://status").text)["entries"])


def _stable(fields: dict[str, object]) -> dict[str, object]:
    """Give a result without times that go on."""
    return {name: value for name, value in fields.items() if name != "until"}


# --- blindness -------------------------------------------------------------------------------


def test_what_is_shown_before_a_vote_tells_nobody_apart(near: Near) -> None:
    ids = work(near)
    near.call("checkpoint", task=ids["task"], as_="zacharias")
    near.call("vote", candidate=ids["candidate"], score=1, reason="unreadable", as_="yolanda")
    shown = [
        near.answer("candidates", {"id": ids["task"]}),
        near.answer("candidates", {"id": ids["candidate"][:8]}),
        near.answer("diff", {"candidate": ids["candidate"]}),
        near.read(f"waggle://task/{ids['task']}"),
    ]
    for answer in shown:
        told = answer.text + json.dumps(answer.fields)
        assert ids["candidate"][:8] in told or "a text" in told
        assert [word for word in ("zacharias", "yolanda", "unreadable") if word in told] == []
        assert [one for one in answer.fields.get("candidates", ()) if "confidence" in one] == []
    winner = near.call("choose", task=ids["task"])["winner"]
    assert (winner["author"], winner["confidence"]) == ("zacharias", 90)


# --- the store -------------------------------------------------------------------------------


def test_a_server_sees_its_own_writes_and_other_processes(near: Near) -> None:
    mine = near.call("task_add", title="mine")["task"]["id"]
    theirs = near.field.json("task", "add", "theirs")["task"]["id"]
    assert {one["id"] for one in near.call("tasks")["tasks"]} == {mine, theirs}


def test_a_store_that_is_made_later_is_taken(bare: Field) -> None:
    near = Near(bare)
    assert near.refused("tasks")["code"] == "not_initialised"
    bare.json("init")
    assert near.call("tasks")["tasks"] == []
    near.close()


def test_a_store_that_is_replaced_is_taken(near: Near) -> None:
    near.call("task_add", title="in the old one")
    shutil.rmtree(near.field.top / ".git" / "waggle")
    for ref in near.field.refs("refs/waggle"):
        near.field.git("update-ref", "-d", ref)
    assert near.refused("tasks")["code"] == "not_initialised"
    near.field.json("init")
    assert near.call("tasks")["tasks"] == []
    near.call("task_add", title="in the new one")
    assert [one["title"] for one in near.field.json("tasks")["tasks"]] == ["in the new one"]


def test_a_view_that_is_deleted_is_made_anew(near: Near) -> None:
    near.call("task_add", title="x")
    shutil.rmtree(near.field.top / ".git" / "waggle" / "view")
    assert len(near.call("tasks")["tasks"]) == 1
    assert len(near.field.json("tasks")["tasks"]) == 1


def test_settings_that_change_count_at_once(near: Near) -> None:
    near.call("tasks")
    config = near.field.top / ".git" / "waggle" / "config.toml"
    before = config.read_text()
    config.write_text("content_bytes_max = -1\n")
    assert near.refused("tasks")["code"] == "invalid"
    config.write_text(before)
    assert near.call("tasks")["tasks"] == []


# --- results ---------------------------------------------------------------------------------


def test_long_texts_are_cut_and_say_so(near: Near) -> None:
    task = near.call("task_add", title="x", prompt="long " * 5000)["task"]["id"]
    prompt = near.call("task_show", task=task)["prompt"]
    assert len(prompt) < TEXT_CHARS_MAX + 100
    assert prompt.endswith("(5000 more characters)")


def test_an_error_that_quotes_what_was_sent_stays_short(near: Near) -> None:
    error = near.refused("task_show", task="x" * 1_000_000)
    assert error["code"] == "invalid"
    assert len(error["message"]) < ERROR_CHARS_MAX + 100


def test_what_is_too_long_to_be_read_is_refused(near: Near) -> None:
    with near.context.open_space() as space:
        space.append_all([Draft(body=TaskAdd(title="long " * 150)) for _ in range(1000)], ANN)
    assert len(near.call("tasks")["tasks"]) == 50
    assert near.refused("tasks", limit=0)["code"] == "limit"


def test_a_facts_life(near: Near) -> None:
    near.call("fact_add", entity="staging db", attribute="host", value="a", as_="ann")
    near.call("fact_add", entity="staging db", attribute="host", value="b", as_="bob")
    known = near.call("fact_get", entity="staging db")["registers"][0]
    assert known["conflict"] is True
    assert near.call("fact_conflicts")["total"] == 1
    found = near.read("waggle://facts/staging%20db")
    assert found.fields["registers"][0]["seen"] == known["seen"]
    settled = {"entity": "staging db", "attribute": "host", "value": "b"}
    near.call("fact_add", **settled, supersedes=[known["seen"]])
    assert near.call("fact_conflicts")["total"] == 0
    assert near.call("fact_search", words=["staging"])["hits"]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.name)
def test_every_resource_is_json(near: Near, resource: Resource) -> None:
    ids = work(near)
    near.call("fact_add", entity="db", attribute="host", value="a")
    uri = resource.uri.format(id=ids["task"], entity="db")
    answer = near.read(uri)
    assert answer.error is None, answer
    assert json.loads(answer.text) == answer.fields


def test_publishing_takes_the_work_tree_as_it_is(near: Near) -> None:
    near.field.write({"calc.py": FIX})
    task = near.call("task_add", title="x")["task"]["id"]
    commit = near.call("publish", task=task)["candidate"]["commit"]
    assert near.field.content(commit, "calc.py") == FIX.rstrip()
    assert near.field.git("status", "--porcelain") == " M calc.py"
