"""`render` and `import`: the state as files, edited by hand, and entries again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import git
from tests.race.field import Field

PAGES = ("QUEUE.md", "FACTS.md", "HEARTBEAT.md")


@pytest.fixture
def notes(field: Field) -> Path:
    """A folder with the pages of a store with a few tasks."""
    field.json("init")
    first = field.json("task", "add", "build the thing")["task"]["id"]
    field.json("task", "add", "push to staging", "--depends", first)
    field.json("task", "add", "clean up", "--priority", "7", "--label", "later")
    render(field)
    return field.top / "notes"


def render(field: Field) -> dict[str, bool]:
    pages = field.json("render", "notes")["pages"]
    return {os.path.basename(one["path"]): one["written"] for one in pages}


def queue(folder: Path) -> list[str]:
    return [row for row in (folder / "QUEUE.md").read_text().splitlines() if row.startswith("[")]


def change(folder: Path, how: Callable[[str], str]) -> None:
    path = folder / "QUEUE.md"
    path.write_text(how(path.read_text()))


def take_in(field: Field) -> dict[str, Any]:
    return field.json("import", "notes/QUEUE.md")


def titles(field: Field, *words: str) -> list[str]:
    return sorted(one["title"] for one in field.json("task", "list", *words)["tasks"])


def test_the_queue_has_a_line_for_each_open_task(notes: Path) -> None:
    assert queue(notes) == [
        "[seq:1] build the thing",
        "[seq:3] [priority:7] [label:later] clean up",
        "[seq:2] [depends:1] push to staging",
    ]


def test_an_unchanged_state_leaves_the_files_untouched(field: Field, notes: Path) -> None:
    before = [(notes / name).stat() for name in PAGES]
    assert render(field) == dict.fromkeys(PAGES, False)
    after = [(notes / name).stat() for name in PAGES]
    assert [(one.st_ino, one.st_mtime_ns) for one in after] == [
        (one.st_ino, one.st_mtime_ns) for one in before
    ]
    field.json("fact", "add", "staging", "host", "10.0.0.7")
    assert render(field) == {"QUEUE.md": False, "FACTS.md": True, "HEARTBEAT.md": False}
    assert "- host: 10.0.0.7" in (notes / "FACTS.md").read_text()


def test_edits_of_the_queue_become_entries(field: Field, notes: Path) -> None:
    def edited(text: str) -> str:
        text = text.replace("[seq:1] build the thing", "- [x] [seq:1] build the thing")
        text = text.replace("[seq:3] [priority:7] [label:later] clean up\n", "")
        text = text.replace("push to staging", "push to production")
        return text + "[agent:deploy] [depends:2] tell everybody\n"

    change(notes, edited)
    done = take_in(field)
    assert (len(done["added"]), len(done["edited"]), len(done["removed"])) == (1, 2, 1)
    assert done["not_read"] == []
    assert titles(field, "--state", "open") == ["push to production", "tell everybody"]
    assert titles(field, "--state", "done") == ["build the thing"]
    shown = field.json("task", "show", done["added"][0])
    assert shown["task"]["holder"].endswith("/deploy")
    numbers = [row.split("]")[0] for row in queue(notes)]
    assert numbers == ["[seq:2", "[seq:4"], "the page shows the state as it is now"


def test_what_happened_meanwhile_stands_beside_the_edit(field: Field, notes: Path) -> None:
    change(notes, lambda text: text.replace("clean up", "clean up well"))
    task = field.json("task", "list", "--label", "later")["tasks"][0]["id"]
    words = ("--title", "clean up now", "--as", "other")
    field.json("task", "edit", task, *words)
    field.json("task", "add", "came meanwhile")
    take_in(field)
    assert "came meanwhile" in titles(field), "a task that the page never showed is none to remove"
    (conflict,) = field.json("task", "show", task)["conflicts"]
    assert {one["value"] for one in conflict["values"]} == {"clean up well", "clean up now"}
    assert any("[conflict:title]" in row for row in queue(notes))


def test_a_line_that_cannot_be_read_is_kept_marked_and_reported(field: Field, notes: Path) -> None:
    change(notes, lambda text: text + "[priority:urgent] call home\nwater the plants\n")
    ran = field.waggle("import", "notes/QUEUE.md", "--json")
    assert ran.status == 11
    (lost,) = ran.object["not_read"]
    assert lost["text"] == "[priority:urgent] call home"
    assert "water the plants" in titles(field)
    text = (notes / "QUEUE.md").read_text()
    assert f"<!-- waggle: {lost['reason']} -->\n[priority:urgent] call home\n" in text
    change(notes, lambda text: text.replace("[priority:urgent]", "[priority:0]"))
    assert take_in(field)["not_read"] == []
    assert "call home" in titles(field)
    assert "Not understood" not in (notes / "QUEUE.md").read_text()


def test_the_same_edit_taken_in_twice_counts_once(field: Field, notes: Path) -> None:
    change(notes, lambda text: text + "water the plants\nwater the plants\n")
    edited = (notes / "QUEUE.md").read_text()
    first = take_in(field)
    (notes / "QUEUE.md").write_text(edited)
    assert take_in(field)["added"] == first["added"]
    assert titles(field).count("water the plants") == 2


def test_the_same_line_on_a_page_that_looks_the_same_is_another_task(field: Field) -> None:
    field.json("init")
    folder = field.top / "notes"
    found = []
    for _ in range(2):
        render(field)
        assert queue(folder) == []
        change(folder, lambda text: text + "water the plants\n")
        found += take_in(field)["added"]
        change(folder, lambda text: text.replace("[seq:", "- [x] [seq:"))
        assert len(take_in(field)["edited"]) == 1
    assert len(set(found)) == 2


def test_nothing_that_somebody_wrote_is_written_over(field: Field, notes: Path) -> None:
    change(notes, lambda text: text + "an edit\n")
    status, error = field.refused("render", "notes")
    assert (status, error["code"]) == (6, "would_lose")
    assert "waggle import" in error["next"]
    take_in(field)
    (notes / "FACTS.md").write_text("my own notes\n")
    before = (notes / "QUEUE.md").read_bytes()
    field.json("task", "add", "more")
    assert field.refused("render", "notes")[1]["code"] == "would_lose"
    assert (notes / "QUEUE.md").read_bytes() == before, "all or nothing"


def test_what_is_no_page_is_not_imported(field: Field, notes: Path) -> None:
    assert field.refused("import", "notes/nowhere.md")[1]["code"] == "not_found"
    assert field.refused("import", "notes/FACTS.md")[1]["code"] == "invalid"
    (notes / "QUEUE.md").write_bytes(b"\xff\xfe")
    assert field.refused("import", "notes/QUEUE.md")[1]["code"] == "invalid"
    (notes / "QUEUE.md").write_text(f"<!-- waggle: queue {'0' * 16} -->\nx\n")
    status, error = field.refused("import", "notes/QUEUE.md")
    assert (status, error["code"]) == (3, "not_found")


def test_a_claim_of_another_device_is_theirs_to_give_up(field: Field, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    field.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    field.json("init")
    task = field.json("task", "add", "shared")["task"]["id"]
    field.json("sync")
    git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "second")
    there = tmp_path / "second"
    field.json("init", cwd=there)
    field.json("sync", cwd=there)
    field.json("task", "take", task, "--as", "eve", cwd=there)
    field.json("sync", cwd=there)
    field.json("sync")
    render(field)
    (row,) = queue(field.top / "notes")
    assert row.startswith("[seq:1] [agent:eve@")
    change(field.top / "notes", lambda text: text.replace(row, "[seq:1] shared"))
    ran = field.waggle("import", "notes/QUEUE.md", "--json")
    assert ran.status == 11
    assert "theirs to give up" in ran.object["not_read"][0]["reason"]
