"""A stock client drives a whole task: add, take, checkpoint, publish, vote, check, choose."""

from __future__ import annotations

import json

import pytest
from tests.mcp.agent import ERAS, Era, agent
from tests.mcp.wire import Wire
from tests.race.field import BUG, FIX, TEST, Field


@pytest.mark.parametrize("era", ERAS)
def test_a_whole_task(field: Field, era: Era) -> None:
    with agent(field, "--model", "m1", era=era, name="ann") as ann:
        ann.call("join", roles=["build"])
        added = ann.call("task_add", title="make the test pass", tests=[TEST], key="add")
        task = added["task"]["id"]
        assert ann.call("task_take", task=task, key="take")["claimed"]

        field.write({"calc.py": FIX})
        saved = ann.call("checkpoint", task=task, note="fixed, not tested", key="save")
        assert field.content(saved["commit"], "calc.py") == FIX.rstrip()
        made = ann.call("publish", task=task, summary="adds", confidence=90, key="publish")
        candidate = made["candidate"]["id"]

        (seen,) = ann.call("candidates", id=task)["candidates"]
        assert seen["id"] == candidate
        assert f"+{FIX.splitlines()[1]}" in ann.call("diff", candidate=candidate)["diff"]
        ann.call("vote", candidate=candidate, score=100, blind=True, as_="bob", key="vote")
        (check,) = ann.call("check", candidate=candidate, as_="bob", key="check")["checks"]
        assert check["exit"] == 0

        choice = ann.call("choose", task=task)
        assert choice["winner"]["id"] == candidate
        assert choice["winner"]["votes"]["up"] == 1
        assert choice["winner"]["checks"]["passed"] == 1
        done = ann.call("task_done", task=task, result=candidate, key="done")
        assert done["task"]["state"] == "done"
        assert task in ann.read(f"waggle://task/{task[:8]}")
    (vote,) = field.entries("vote.cast")
    assert vote["by"] == {"model": "m1", "name": "bob"}
    assert vote["blind"] is True
    (published,) = field.entries("candidate.publish")
    assert published["by"]["name"] == "ann"


@pytest.mark.parametrize("era", ERAS)
def test_who_asks_for_it_is_told_how_far_a_check_is(field: Field, era: Era) -> None:
    tests = [TEST, f"{TEST} -v"]
    with agent(field, era=era, name="ann") as ann:
        task = ann.call("task_add", title="make the test pass")["task"]["id"]
        field.write({"calc.py": FIX})
        candidate = ann.call("publish", task=task)["candidate"]["id"]
        heard = ann.watched("check", candidate=candidate, tests=tests)
    assert heard == [(1, None, f"running {tests[0]}"), (2, None, f"running {tests[1]}")]


def test_a_client_of_each_era_gets_the_same_lists(field: Field) -> None:
    lists = []
    for era in ERAS:
        with agent(field, era=era) as one:
            lists.append((one.tools(), one.addresses()))
    assert lists[0] == lists[1]


def test_two_agents_at_two_servers_of_one_store_see_each_other(field: Field) -> None:
    with agent(field, name="ann") as ann, agent(field, name="bob") as bob:
        task = ann.call("task_add", title="one for two")["task"]["id"]
        assert bob.call("task_take", task=task)["claimed"]
        taken = ann.call("task_take", task=task)
        assert not taken["claimed"]
        assert taken["holder"].endswith("/bob")
        assert [one["id"] for one in bob.call("tasks", mine=True)["tasks"]] == [task]
        assert task in ann.read("waggle://tasks")


def test_a_key_is_done_once_at_whatever_server_and_however_often(field: Field, wire: Wire) -> None:
    call = {"name": "task_add", "arguments": {"title": "once", "key": "k"}}
    begun = {wire.begin("tools/call", call) for _ in range(20)}
    answers = [wire.receive() for _ in begun]
    assert {one["id"] for one in answers} == begun
    (task,) = {one["result"]["structuredContent"]["task"]["id"] for one in answers}
    with agent(field) as another:
        assert another.call("task_add", title="once", key="k")["task"]["id"] == task
        assert [one["id"] for one in another.call("tasks")["tasks"]] == [task]


def test_an_agent_works_in_its_own_worktree(field: Field) -> None:
    place = field.folder / "worktree"
    field.git("worktree", "add", "-q", "--detach", str(place))
    with agent(field, cwd=place) as one:
        task = one.call("task_add", title="x")["task"]["id"]
        (place / "calc.py").write_text(FIX)
        commit = one.call("publish", task=task)["candidate"]["commit"]
    assert field.content(commit, "calc.py") == FIX.rstrip()
    assert (field.top / "calc.py").read_text() == BUG
    assert json.loads(field.waggle("show", task, "--json").out)["candidates"]
