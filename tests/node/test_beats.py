"""Beats between nodes: heard at once, without git; silence is suspected, and a beat ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import git
from tests.node.test_up import PATIENCE_S, clones, node, said

from waggle.eventual.suspicion import START

__all__ = ["clones"]  # a fixture

Agent = dict[str, Any]


def agent(folder: Path, name: str) -> Agent | None:
    """Give what a clone shows of an agent, if it knows of it."""
    agents = said(folder, "members")["agents"]
    assert isinstance(agents, list)
    return next((one for one in agents if one["name"] == name), None)


def note_is(number: int) -> Callable[[Agent], bool]:
    return lambda found: bool(found["note"] == str(number))


def eventually(folder: Path, name: str, holds: Callable[[Agent], bool], what: str) -> Agent:
    """Wait until what a clone shows of an agent is as it should be."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = agent(folder, name)
        if found is not None and holds(found):
            return found
        assert time.monotonic() < end, f"{name} never {what}: {found}"


def test_a_beat_is_heard_at_once_and_leaves_no_object(clones: list[Path]) -> None:
    one, two = clones
    with node(one), node(two):
        said(one, "join", "--as", "ann", "--role", "build")
        eventually(two, "ann", lambda ann: ann["phi"] is not None, "was heard live")
        objects = git(two, "count-objects", "-v")
        for number in range(5):
            said(one, "beat", "--as", "ann", "--note", f"at {number}")
        ann = eventually(two, "ann", lambda ann: ann["note"] == "at 4", "said its last note")
        assert (ann["state"], ann["roles"]) == ("alive", ["build"])
        assert git(two, "count-objects", "-v") == objects
        said(one, "leave", "--as", "ann", "--reason", "done")
        eventually(two, "ann", lambda ann: ann["state"] == "left", "left")


def test_a_node_that_comes_late_is_told(clones: list[Path]) -> None:
    one, two = clones
    with node(one):
        said(one, "beat", "--as", "ann", "--note", "early")
        with node(two):
            ann = eventually(two, "ann", lambda ann: ann["note"] == "early", "was told of")
    assert ann["state"] == "alive"


def test_an_agent_that_dies_is_suspected_until_it_beats_again(clones: list[Path]) -> None:
    one, two = clones
    with node(one), node(two) as listener:
        for number in range(START + 2):
            said(one, "beat", "--as", "ann", "--note", str(number))
            eventually(two, "ann", note_is(number), "was heard")
        for folder in (one, two):
            found = eventually(
                folder, "ann", lambda ann: bool(ann["state"] == "suspect"), "was suspected"
            )
            assert found["level"] in {1, 2, 3}
            assert found["phi"] >= 3
        said(one, "beat", "--as", "ann", "--note", "back")
        eventually(two, "ann", lambda ann: ann["note"] == "back", "came back")
        eventually(two, "ann", lambda ann: ann["state"] == "alive", "was trusted again")
        listener.kill()
        listener.wait()
        ann = agent(two, "ann")
        assert ann is not None
        assert (ann["state"], ann["phi"]) == ("alive", None), "without a node nobody is suspected"
