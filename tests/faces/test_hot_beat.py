"""The fast path of a beat: the same as the ordinary path, and nothing heavy loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import pytest
from tests.race.field import Field

from waggle.faces.cli import hot_beat
from waggle.faces.cli.main import main as everything
from waggle.store.hearing.beats import Beats

HEAVY = {"pygit2", "click", "rich", "cryptography", "asyncio", "subprocess", "zenoh"}
CALL = """
import sys
from waggle.faces.cli import hot_beat
status = hot_beat.beat(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture
def member(field: Field, monkeypatch: pytest.MonkeyPatch) -> Field:
    """A field in which `ann` has joined; commands stand in it."""
    field.json("init")
    field.json("join", "--as", "ann", "--lease", "600")
    field.json("join", "--as", "\u00fcbel", "--lease", "600")
    field.json("beat", "--as", "ann", "--note", "at \u00fc\u202e")
    monkeypatch.chdir(field.top)
    return field


def held(field: Field) -> list[Any]:
    return [one.beat for one in Beats(str(field.top / ".git" / "waggle"), "main").heard()]


@pytest.mark.parametrize(
    "words", [["--as", "ann"], ["--json", "--as", "ann"], ["--as", "\u00fcbel", "--model", "m"]]
)
def test_both_paths_say_the_same_and_renew(
    member: Field, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    before = max(beat.counter for beat in held(member))
    assert hot_beat.beat(words) == 0
    between = max(beat.counter for beat in held(member))
    with pytest.raises(SystemExit) as done:
        everything(["beat", *words])
    assert done.value.code == 0
    assert before < between < max(beat.counter for beat in held(member))
    fast, ordinary = capfd.readouterr().out.splitlines()
    stamp = len("2026-01-01 00:00:00Z")
    at = fast.index("20")
    assert fast[:at] == ordinary[:at]
    assert fast[at + stamp :] == ordinary[at + stamp :], "all but the time"


@pytest.mark.parametrize(
    "words",
    [
        ["--as", "bob"], ["--as", "ann", "--note", "x"], ["--as", "ann", "--doing", ""],
        ["--as", "ann", "--key", "k"], ["--help"], ["--as"], ["x"], ["--as", " "],
        ["--as", "ann", "--space", "../x"],
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_ordinary_path_unchanged(
    member: Field, words: list[str]
) -> None:
    before = held(member)
    assert hot_beat.beat(words) is None
    assert held(member) == before


def test_a_copied_store_never_beats_on_the_fast_path(
    member: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = member.folder / "copy"
    subprocess.run(["cp", "-a", str(member.top), str(copy)], check=True)
    monkeypatch.chdir(copy)
    assert hot_beat.beat(["--as", "ann"]) is None


def test_without_a_store_or_its_beats_it_does_nothing(
    member: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = member.top / ".git" / "waggle"
    shutil.rmtree(store / "beats")
    assert hot_beat.beat(["--as", "ann"]) is None
    monkeypatch.chdir(member.folder)
    assert hot_beat.beat(["--as", "ann"]) is None


def test_the_fast_path_loads_nothing_heavy(member: Field) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL, "--as", "ann"],
        cwd=member.top, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("beat: ann is a member until")
    assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY
