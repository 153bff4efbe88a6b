"""The task set as agents use it: what they saw, what they did not, and who works on what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.race.field import Field

TAKEN = 13


def add(field: Field, title: str, *words: str, cwd: Path | None = None) -> str:
    return str(field.json("task", "add", title, *words, cwd=cwd)["task"]["id"])


def ready(field: Field, *words: str, cwd: Path | None = None) -> list[str]:
    return [one["title"] for one in field.json("task", "ready", *words, cwd=cwd)["tasks"]]


def values(shown: dict[str, Any], name: str) -> list[str]:
    """Give the values of a field that are at odds, the shown one first."""
    found = [conflict for conflict in shown["conflicts"] if conflict["field"] == name]
    return [one["value"] for conflict in found for one in conflict["values"]]


@pytest.fixture
def begun(field: Field) -> Field:
    """A field with a store."""
    field.json("init")
    return field


# --- a task's life -----------------------------------------------------------------------------


def test_a_task_from_the_first_word_to_done(begun: Field) -> None:
    parse = add(begun, "write the parser", "--priority", "3", "--label", "core")
    ship = add(begun, "ship it", "--depends", parse[:8], "--priority", "0")
    assert ready(begun) == ["write the parser"]
    taken = begun.json("task", "take", "--as", "ann")
    assert (taken["claimed"], taken["exclusive"], taken["task"]["id"]) == (True, False, parse)
    assert "not exclusive" in taken["note"]
    assert ready(begun) == []
    begun.json("publish", parse, "--text", "a parser", "--as", "ann")
    candidate = begun.json("show", parse)["candidates"][0]["id"]
    done = begun.json("task", "done", parse, "--result", candidate[:8], "--as", "ann")
    assert (done["task"]["state"], done["task"]["holder"]) == ("done", None)
    assert ready(begun) == ["ship it"]
    shown = begun.json("task", "show", parse)
    assert (shown["result"], shown["dependents"]) == (candidate, [ship])
    assert begun.json("task", "show", ship)["needs"] == [{"id": parse, "state": "done"}]
    begun.json("task", "edit", parse, "--state", "open", "--as", "ann")
    assert ready(begun) == ["write the parser"]


def test_lists_are_filtered(begun: Field) -> None:
    one = add(begun, "one", "--label", "a", "--label", "b")
    two = add(begun, "two", "--label", "a")
    begun.json("task", "edit", two, "--state", "dropped", "--note", "no need")
    three = add(begun, "three")
    begun.json("task", "remove", three)

    def titles(*words: str) -> list[str]:
        return [task["title"] for task in begun.json("task", "list", *words)["tasks"]]

    assert titles() == ["one"]
    assert titles("--all") == ["one", "two", "three"]
    assert titles("--state", "dropped") == ["two"]
    assert titles("--all", "--label", "a") == ["one", "two"]
    assert titles("--label", "a", "--label", "b") == ["one"]
    assert [task["title"] for task in begun.json("tasks")["tasks"]] == ["two", "one"]
    begun.json("task", "take", one, env={"WAGGLE_AGENT": "bob"})
    assert titles("--mine") == []
    mine = begun.json("task", "list", "--mine", env={"WAGGLE_AGENT": "bob"})["tasks"]
    assert [(task["title"], task["mine"]) for task in mine] == [("one", "held")]


def test_a_removed_task_is_reachable_and_no_longer_the_default(begun: Field) -> None:
    first, second = add(begun, "first"), add(begun, "second")
    assert begun.json("task", "remove", second)["task"]["removed"] is True
    assert begun.json("task", "show")["task"]["id"] == first
    assert begun.json("task", "show", second)["task"]["removed"] is True
    begun.json("task", "edit", second, "--state", "open")
    assert ready(begun) == ["first", "second"], "an edit restores what was removed"


def test_the_title_that_is_shown_is_the_edited_one_everywhere(begun: Field) -> None:
    task = add(begun, "frist", "--prompt", "do it")
    begun.json("task", "edit", task, "--title", "first", "--prompt", "do it well")
    assert begun.json("tasks")["tasks"][0]["title"] == "first"
    assert begun.json("choose", task)["title"] == "first"
    assert begun.json("show", task)["prompt"] == "do it well"


# --- what was seen, and what was not -------------------------------------------------------------


def test_two_agents_in_one_store_who_edit_unseen_conflict_until_one_has_seen(begun: Field) -> None:
    task = add(begun, "name the bees")
    begun.json("task", "edit", task, "--title", "name all bees", "--as", "ann")
    written = begun.json("task", "edit", task, "--title", "count the bees", "--as", "bob")
    assert values(written, "title") == ["count the bees", "name all bees"]
    again = begun.json("task", "edit", task, "--title", "count them", "--as", "bob")
    assert values(again, "title") == ["count them", "name all bees"], "one's own is superseded"
    listed = begun.json("task", "list", "--conflicts")["tasks"]
    assert [one["conflicts"] for one in listed] == [["title"]]
    seen = begun.json("task", "show", task)["task"]["seen"]
    settled = begun.json("task", "edit", task, "--title", "name and count", "--supersedes", seen)
    assert settled["conflicts"] == []
    assert begun.json("task", "list", "--conflicts")["tasks"] == []


def test_a_token_covers_what_was_shown_and_nothing_later(begun: Field) -> None:
    task = add(begun, "x")
    begun.json("task", "edit", task, "--priority", "1", "--as", "ann")
    seen = begun.json("task", "show", task)["task"]["seen"]
    begun.json("task", "edit", task, "--priority", "2", "--as", "bob")
    written = begun.json(
        "task", "edit", task, "--priority", "3", "--as", "cy", "--supersedes", seen
    )
    assert values(written, "priority") == ["3", "2"]
    over = begun.json("task", "edit", task, "--priority", "4", "--as", "cy", "--supersedes", "all")
    assert over["conflicts"] == []


def test_equal_values_are_no_conflict_and_other_fields_are_apart(begun: Field) -> None:
    task = add(begun, "x")
    begun.json("task", "edit", task, "--label", "a", "--label", "b", "--as", "ann")
    begun.json("task", "edit", task, "--label", "b", "--label", "a", "--as", "bob")
    begun.json("task", "edit", task, "--note", "hm", "--as", "cy")
    shown = begun.json("task", "show", task)
    assert shown["conflicts"] == []
    assert (shown["task"]["labels"], shown["note"]) == (["a", "b"], "hm")


def test_two_results_of_one_task_are_a_conflict(begun: Field) -> None:
    task = add(begun, "x")
    ids = [
        begun.json("publish", task, "--text", text, "--as", text)["candidate"]["id"]
        for text in ("ann", "bob")
    ]
    begun.json("task", "done", task, "--result", ids[0], "--as", "ann")
    written = begun.json("task", "done", task, "--result", ids[1], "--as", "bob")
    assert values(written, "state") == [f"done with {one[:8]}" for one in reversed(ids)]


def test_a_removal_does_not_take_away_an_edit_that_it_did_not_see(begun: Field) -> None:
    task = add(begun, "x")
    begun.json("task", "edit", task, "--note", "half done", "--as", "ann")
    kept = begun.json("task", "remove", task, "--as", "bob")["task"]
    assert kept["removed"] is False
    assert "ann" in kept["notes"][0]
    assert ready(begun) == ["x"]
    gone = begun.json("task", "remove", task, "--as", "bob", "--supersedes", kept["seen"])["task"]
    assert (gone["removed"], ready(begun)) == (True, [])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["task", "edit", "{task}"], "invalid"),
        (["task", "edit", "{task}", "--state", "lost"], "invalid"),
        (["task", "edit", "{task}", "--note", "x", "--supersedes", "ffffffff"], "not_found"),
        (["task", "edit", "{task}", "--note", "x", "--supersedes", "zz"], "invalid"),
        (["task", "edit", "ffffffff", "--note", "x"], "not_found"),
        (["task", "release", "{task}"], "not_found"),
        (["task", "done", "{task}", "--result", "ffffffff"], "not_found"),
        (["task", "add", "y", "--depends", "ffffffff"], "not_found"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    begun: Field, words: list[str], code: str
) -> None:
    task = add(begun, "x")
    before = len(begun.json("log", "--limit", "0")["entries"])
    _, error = begun.refused(*(word.format(task=task) for word in words))
    assert error["code"] == code
    assert error["next"]
    assert len(begun.json("log", "--limit", "0")["entries"]) == before


# --- waiting -------------------------------------------------------------------------------------


def test_a_circle_is_shown_and_never_ready(begun: Field) -> None:
    a = add(begun, "hen")
    b = add(begun, "egg", "--depends", a)
    written = begun.json("task", "edit", a, "--depends", b)
    assert written["cycle"] == [a, b]
    found = begun.json("task", "ready")
    assert (found["tasks"], found["cycles"]) == ([], [sorted((a, b))])
    assert "waits for itself" in begun.waggle("task", "show", a).out
    begun.json("task", "edit", a, "--no-depends")
    assert ready(begun) == ["hen"]
    assert begun.json("task", "ready")["cycles"] == []


def test_what_will_not_be_done_blocks_no_longer_and_is_pointed_out(begun: Field) -> None:
    build = add(begun, "build")
    deploy = add(begun, "deploy", "--depends", build)
    begun.json("task", "edit", build, "--state", "dropped")
    found = begun.json("task", "ready")["tasks"]
    assert [one["id"] for one in found] == [deploy]
    assert found[0]["notes"] == [f"it depends on {build[:8]}, which was dropped"]


def test_the_most_urgent_comes_first_then_the_oldest(begun: Field) -> None:
    for title, priority in (("c", "5"), ("a", "0"), ("d", "5"), ("b", "2")):
        add(begun, title, "--priority", priority)
    assert ready(begun) == ["a", "b", "c", "d"]
    assert ready(begun, "--limit", "2") == ["a", "b"]


# --- alike ---------------------------------------------------------------------------------------


def test_similar_open_tasks_are_pointed_out(begun: Field) -> None:
    first = add(begun, "make the parser accept comments")
    add(begun, "paint the shed")
    added = begun.json("task", "add", "Parser: accept the comments", "--key", "k")
    assert [one["id"] for one in added["similar"]] == [first]
    assert begun.json("task", "add", "another", "--key", "k") == added
    begun.json("task", "done", first)
    again = begun.json("task", "add", "the parser accepts comments")["similar"]
    assert [one["id"] for one in again] == [added["task"]["id"]], "what is done is not open work"


# --- claims --------------------------------------------------------------------------------------


def test_who_comes_second_is_told_and_can_take_over(begun: Field) -> None:
    task = add(begun, "x")
    begun.json("task", "take", task, "--as", "ann")
    late = begun.waggle("task", "take", task, "--as", "bob", "--json")
    assert late.status == TAKEN
    assert (late.object["claimed"], late.object["claim"]) == (False, None)
    assert late.object["holder"].endswith("/ann")
    assert len(begun.entries("task.claim")) == 1
    assert begun.json("task", "take", task, "--as", "bob", "--anyway")["claimed"] is True
    told = begun.json("task", "ready", env={"WAGGLE_AGENT": "ann"})["lost"]
    assert [(one["task"], one["to"].split("/")[1]) for one in told] == [(task, "bob")]
    begun.json("task", "release", task, "--as", "ann")
    assert begun.json("task", "ready", env={"WAGGLE_AGENT": "ann"})["lost"] == []


def test_taking_again_renews_and_releasing_frees(begun: Field) -> None:
    task = add(begun, "x")
    short = begun.json("task", "take", task, "--lease", "60")
    longer = begun.json("task", "take", task, "--lease", "6000")
    assert longer["claim"] == short["claim"]
    assert longer["until"] > short["until"]
    released = begun.json("task", "release", task)
    assert released["claims"] == [short["claim"]]
    assert ready(begun) == ["x"]


def test_a_task_that_is_not_open_cannot_be_taken(begun: Field) -> None:
    task = add(begun, "x")
    begun.json("task", "done", task)
    status, error = begun.refused("task", "take", task)
    assert (status, error["code"]) == (2, "invalid")
    assert "--state open" in error["next"]
    assert begun.refused("task", "take")[1]["message"] == "no task is ready"


TWICE = {
    "edit": (["task", "edit", "{task}", "--note", "a"], ["task", "edit", "{task}", "--note", "b"]),
    "done": (["task", "done", "{task}"], ["task", "done", "{other}"]),
    "remove": (["task", "remove", "{task}"], ["task", "remove", "{other}"]),
    "take": (["task", "take", "{task}"], ["task", "take"]),
    "renewal": (["task", "take", "{mine}", "--lease", "9"], ["task", "take", "{other}"]),
    "release": (["task", "release", "{mine}"], ["task", "release", "{mine}"]),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_write_with_a_key_that_was_seen_gives_the_first_result(begun: Field, name: str) -> None:
    ids = {title: add(begun, title) for title in ("task", "other", "mine")}
    begun.json("task", "take", ids["mine"])
    first, second = ([word.format(**ids) for word in words] for words in TWICE[name])
    one = begun.json(*first, "--key", "k")
    count = len(begun.json("log", "--limit", "0")["entries"])
    assert begun.json(*second, "--key", "k") == one
    assert len(begun.json("log", "--limit", "0")["entries"]) == count
    assert begun.refused("vote", ids["task"], "--up", "--key", "k")[1]["code"] in {
        "invalid",
        "not_found",
    }


# --- two clones ----------------------------------------------------------------------------------


@pytest.fixture
def clones(begun: Field) -> tuple[Path, Path]:
    """Two clones of one bare remote, each with a store."""
    bare, other = begun.folder / "hub.git", begun.folder / "other"
    begun.git("clone", "-q", "--bare", str(begun.top), str(bare))
    begun.git("remote", "add", "origin", str(bare))
    begun.git("clone", "-q", str(bare), str(other))
    begun.json("init", cwd=other)
    return begun.top, other


def sync(field: Field, *places: Path) -> None:
    for place in places:
        field.json("sync", cwd=place)


def test_two_clones_claim_at_once_and_agree_who_won(
    begun: Field, clones: tuple[Path, Path]
) -> None:
    here, there = clones
    task = add(begun, "x", cwd=here)
    sync(begun, here, there)
    claims = [
        begun.json("task", "take", task, "--as", name, cwd=place)
        for name, place in (("ann", here), ("bob", there))
    ]
    assert [one["claimed"] for one in claims] == [True, True], "neither could know"
    sync(begun, here, there, here)
    holders = {begun.json("task", "show", task, cwd=place)["task"]["holder"] for place in clones}
    assert holders == {claims[0]["holder"]}, "the earlier one, everywhere"
    told = begun.json("task", "ready", cwd=there, env={"WAGGLE_AGENT": "bob"})
    assert [one["to"] for one in told["lost"]] == [claims[0]["holder"]]
    mine = begun.json("task", "list", "--mine", cwd=there, env={"WAGGLE_AGENT": "bob"})["tasks"]
    assert [one["mine"] for one in mine] == ["lost"]
    assert begun.json("task", "ready", cwd=here, env={"WAGGLE_AGENT": "ann"})["lost"] == []
    late = begun.waggle("task", "take", task, "--as", "bob", cwd=there)
    assert late.status == TAKEN


def test_two_clones_edit_at_once_and_both_show_the_conflict(
    begun: Field, clones: tuple[Path, Path]
) -> None:
    here, there = clones
    task = add(begun, "x", cwd=here)
    sync(begun, here, there)
    begun.json("task", "edit", task, "--title", "left", "--supersedes", "all", cwd=here)
    begun.json("task", "remove", task, "--supersedes", "all", cwd=there)
    begun.json("task", "edit", task, "--title", "right", "--supersedes", "all", cwd=there)
    sync(begun, here, there, here)
    shown = [begun.json("task", "show", task, cwd=place) for place in clones]
    assert values(shown[0], "title") == values(shown[1], "title") == ["right", "left"]
    assert [one["task"]["removed"] for one in shown] == [False, False]
    begun.json("task", "edit", task, "--title", "both", "--supersedes", "all", cwd=there)
    sync(begun, there, here)
    assert begun.json("task", "show", task, cwd=here)["conflicts"] == []
    digests = {begun.json("digest", cwd=place)["digest"] for place in clones}
    assert len(digests) == 1
