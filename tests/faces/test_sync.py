"""`waggle sync` with several spaces: each a shard of its own, carried or left where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import git
from tests.race.field import Field


@pytest.fixture
def clone(field: Field, tmp_path: Path) -> Path:
    """The field with a bare remote, and a second device that has a clone of it."""
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    field.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    field.git("push", "-q", "origin", "main")
    field.json("init")
    git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "second")
    field.json("init", cwd=tmp_path / "second")
    return tmp_path / "second"


def carried(synced: dict[str, Any]) -> list[str]:
    return [one["report"]["space"] for one in synced["spaces"]]


def titles(field: Field, cwd: Path, space: str) -> list[str]:
    shown = field.json("tasks", "--space", space, cwd=cwd)["tasks"]
    return [task["title"] for task in shown]


def test_a_sync_carries_every_space_that_is_here(field: Field, clone: Path) -> None:
    field.json("task", "add", "write")
    field.json("task", "add", "read", "--space", "reviews")
    assert carried(field.json("sync")) == ["main", "reviews"]
    assert carried(field.json("sync", cwd=clone)) == ["main"], "nothing of reviews is here yet"
    assert titles(field, clone, "reviews") == []
    assert carried(field.json("sync", "--space", "reviews", cwd=clone)) == ["reviews"]
    assert titles(field, clone, "reviews") == ["read"]
    assert carried(field.json("sync", cwd=clone)) == ["main", "reviews"]


def test_the_settings_say_which_spaces_are_carried(field: Field, clone: Path) -> None:
    field.json("task", "add", "read", "--space", "reviews")
    field.json("sync")
    settings = clone / ".git/waggle/config.toml"
    text = settings.read_text()
    settings.write_text(text.replace("spaces = []", 'spaces = ["reviews"]'))
    assert carried(field.json("sync", cwd=clone)) == ["reviews"]
    settings.write_text(text.replace("spaces = []", 'spaces = ["../reviews"]'))
    status, error = field.refused("sync", cwd=clone)
    assert (status, error["code"]) == (2, "invalid")
    assert "spaces: '../reviews'" in error["message"]


def test_a_remote_that_is_away_is_asked_once_for_all_spaces(field: Field, clone: Path) -> None:
    field.json("task", "add", "read", "--space", "reviews")
    away = str(clone / "nowhere.git")
    ran = field.waggle("sync", "origin", away, "--json")
    assert ran.status == 11
    main, reviews = ran.object["spaces"]
    assert [one["remote"] for one in main["report"]["remotes"]] == ["origin", away]
    assert [one["remote"] for one in reviews["report"]["remotes"]] == ["origin"]
    status, error = field.refused("sync", away)
    assert (status, error["code"]) == (7, "unreachable")
