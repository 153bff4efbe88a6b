"""`waggle members`: who is here, how far each counts, and the operator's word on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Forger
from tests.race.field import Field

from waggle.agents.folds import FOLDS
from waggle.base.clock import stamp
from waggle.base.errors import KINDS
from waggle.eventual.tasks import TaskAdd
from waggle.faces import machine
from waggle.store.repo.locate import find
from waggle.store.space import Space

YEAR_2100 = stamp(4_102_444_800_000)


@pytest.fixture
def forger(field: Field) -> Iterator[Forger]:
    """Another replica whose log of three entries came here."""
    field.json("init")
    with Space(find(str(field.top), {}), "main", FOLDS, machine.outside()) as space:
        forger = Forger(space.objects)
        forger.point(forger.frame([forger.line(TaskAdd(title=f"forged {n}")) for n in range(3)]))
        space.find_logs()
        yield forger


def titles(field: Field) -> list[str]:
    return sorted(task["title"] for task in field.json("tasks")["tasks"])


def test_members_are_listed_and_distrusted_and_trusted_again(field: Field, forger: Forger) -> None:
    field.json("task", "add", "mine", "--as", "ann")
    own, other = field.json("members")["members"]
    assert (own["own"], own["entries"], own["admitted"], own["agents"]) == (True, 1, 1, ["ann"])
    assert (other["id"], other["entries"], other["agents"]) == (forger.replica, 3, ["eve"])
    assert other["last"] == "2026-01-01 00:00:00Z"
    assert other["held_back"] is other["decree"] is other["future"] is None

    prefix = forger.replica[:8]
    done = field.json("members", "distrust", prefix, "--after", "1", "--reason", "it lies")
    assert done["kind"] == "member.distrust"
    assert (done["member"]["admitted"], done["durable"]["frame"]) == (1, True)
    assert titles(field) == ["forged 0", "mine"]
    shown = field.waggle("members").out
    assert "1 of 3 entries count" in shown
    assert "distrusted after entry 1 since" in shown
    assert "it lies" in shown
    field.json("members", "distrust", prefix, "--reason", "all of it")
    assert titles(field) == ["mine"]
    assert field.json("members", "trust", prefix, "--reason", "sorry")["member"]["admitted"] == 3
    assert len(titles(field)) == 4
    assert field.waggle("verify").status == 0


def test_a_decree_is_made_once_for_a_key(field: Field, forger: Forger) -> None:
    words = ("members", "distrust", forger.replica, "--reason", "x", "--key", "k")
    first = field.json(*words)
    field.json("members", "trust", forger.replica, "--reason", "y")
    again = field.json(*words)
    assert again["decree"] == first["decree"]
    assert again["notes"] == ["a later decree on this replica is in force"]
    assert len(field.entries("member.distrust")) == 1
    words = ("members", "trust", forger.replica, "--reason", "x", "--key", "k")
    assert field.refused(*words)[1]["code"] == "invalid"


def test_only_the_operator_decrees(field: Field, forger: Forger, tmp_path: Path) -> None:
    others = ({"WAGGLE_RUN": "1"}, {"WAGGLE_OPERATOR_KEY": str(tmp_path / "other.key")})
    (tmp_path / "other.key").write_text("ab" * 32)
    entry = forger.ids([forger.line()])[0]
    for words in (("trust",), ("distrust",), ("admit", entry)):
        name, *more = words
        for env in others:
            call = ("members", name, "no such replica", *more, "--reason", "x")
            status, error = field.refused(*call, env=env)
            assert (status, error["code"]) == (6, "not_allowed"), (name, env)
    assert field.waggle("members", env=others[0]).status == 0
    assert field.json("log")["entries"][0]["kind"] == "task.add"


def test_a_fork_is_shown_and_settled(field: Field, forger: Forger) -> None:
    root = field.refs("refs/waggle/main")[forger.ref]
    lines = field.json("log", "--limit", "0")["entries"]
    before = lines[0]["id"]
    ids = []
    for title in ("left", "right"):
        line = forger.line(TaskAdd(title=title))
        ids.append(forger.ids([line], before)[0])
        forger.point(forger.frame([line], first=4, before=before, parents=(root,)))
        field.waggle("rebuild")
    assert len(titles(field)) == 3
    assert "two histories" in field.waggle("members").out
    shown = field.waggle("verify")
    assert ids[0] in shown.out
    assert ids[1] in shown.out
    assert shown.status == KINDS["damaged"].status
    words = ("members", "admit", forger.replica[:6], ids[1][:12], "--reason", "ours")
    done = field.json(*words)
    assert (done["member"]["admitted"], done["member"]["forked"]) == (4, "settled")
    assert "right" in titles(field)
    shown = field.waggle("verify")
    assert shown.status == 0
    assert f"{ids[0]} and {ids[1]}; the operator has settled it" in shown.out
    assert field.json("verify")["settled"] == [forger.replica]
    field.json("members", "distrust", forger.replica, "--reason", "after all")
    words = ("members", "admit", forger.replica[:6], ids[0][:12], "--reason", "no, theirs")
    assert ["changes nothing" in note for note in field.json(*words)["notes"]] == [True]


def test_what_is_from_the_future_is_shown_with_the_words_that_admit_it(field: Field) -> None:
    field.json("init")
    with Space(find(str(field.top), {}), "main", FOLDS, machine.outside()) as space:
        forger = Forger(space.objects)
        lines = [
            forger.line(TaskAdd(title=title), at=YEAR_2100 + n) for n, title in enumerate("ab")
        ]
        forger.point(forger.frame(lines))
        space.find_logs()
    assert titles(field) == []
    (other,) = (one for one in field.json("members")["members"] if not one["own"])
    assert (other["held_back"], other["future"]) == ("future", "2100-01-01 00:00:00Z")
    (words,) = re.findall("`waggle (.*)`", field.waggle("members").out)
    field.json(*words.split(), "--reason", "its clock ran ahead")
    assert titles(field) == ["a", "b"]


def test_what_cannot_be_meant_is_refused(field: Field, forger: Forger) -> None:
    def code(*words: str) -> str:
        return str(field.refused("members", *words)[1]["code"])

    reason = ("--reason", "x")
    assert code("trust", "0123", *reason) == "not_found"
    assert code("trust", "no id", *reason) == "invalid"
    assert code("trust", forger.replica) == "usage"
    assert code("distrust", forger.replica, "--after", "-1", *reason) == "usage"
    assert code("admit", forger.replica, "0" * 64, *reason) == "not_found"
    assert code("--space", "main", "trust", forger.replica, *reason) == "usage"
    assert code("trust", forger.replica, "--reason", "\udcff") == "invalid"
    assert code("trust", forger.replica, "--reason", "x" * 2000) == "invalid"
    assert field.entries("member.trust") == []
    unknown = "ab" * 16
    done = field.json("members", "trust", unknown, *reason)
    assert (done["member"]["id"], done["member"]["entries"]) == (unknown, 0)


def test_a_later_decree_is_later_whatever_the_clock_said(field: Field, forger: Forger) -> None:
    field.json("members", "distrust", forger.replica, "--reason", "x")
    for _ in range(3):
        field.json("members", "trust", forger.replica, "--reason", "y")
        done = field.json("members", "distrust", forger.replica, "--reason", "z")
        assert done["member"]["admitted"] == 0
        assert done["notes"] == []
    made = [
        one["made"] for kind in ("trust", "distrust") for one in field.entries(f"member.{kind}")
    ]
    assert len(set(made)) == 7


def test_who_distrusts_its_own_log_is_told_what_follows(field: Field) -> None:
    field.json("init")
    field.json("task", "add", "mine")
    (own,) = field.json("members")["members"]
    done = field.json("members", "distrust", own["id"], "--reason", "retired")
    assert ["in another clone" in note for note in done["notes"]] == [True]
    assert titles(field) == []
    field.json("members", "trust", own["id"], "--reason", "back", "--key", "k")
    assert titles(field) == ["mine"]


def test_names_from_a_log_cannot_move_the_cursor(field: Field, forger: Forger) -> None:
    field.json("task", "add", "x", "--as", "ann")
    hostile = json.dumps({"name": "e\u001b[2Jve"}).encode()
    line = forger.line().replace(b'{"name":"eve"}', hostile)
    root = field.refs("refs/waggle/main")[forger.ref]
    before = field.json("log", "--limit", "0")["entries"]
    last = next(one["id"] for one in before if one["replica"] == forger.replica)
    forger.point(forger.frame([line], first=4, before=last, parents=(root,)))
    field.waggle("rebuild")
    out = field.waggle("members").out
    assert "\x1b" not in out
    assert "ve" in out
