"""What a log says cannot steer a terminal, and a reader who leaves breaks nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.race.field import Field

from waggle.faces.cli.main import main
from waggle.faces.cli.output import escaped, visible
from waggle.faces.ops import registry

EVIL = "\x1b[31mred\x1b]0;owned\x07 \x9b2J \u202ereversed\u2066 \r\nfake: line\x08\x7f\u2028x"
PLAIN = "Maß & ☃ 日本 🐝\tindented"


def harmless(text: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in text)


def test_visible() -> None:
    assert visible(PLAIN) == PLAIN
    assert harmless(visible(EVIL))
    assert "\n" not in visible(EVIL)


def test_escaped_json_has_the_same_value() -> None:
    value = {"text": EVIL + PLAIN + "\U000e0001"}
    shown = escaped(json.dumps(value, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == value


def test_control_characters_never_reach_the_terminal(field: Field) -> None:
    """From titles, prompts, reasons, summaries, file names and contents."""
    field.json("init")
    task = field.json("task", "add", f"title {EVIL}", "--prompt", f"prompt {EVIL}")["task"]["id"]
    field.write({"calc.py": f"content {EVIL}\n", "evil\x1b[2J.txt": "x\n",
                 "tests/evil\x9b.py": "x\n"})  # fmt: skip
    one = field.json("publish", "--summary", f"summary {EVIL}", "--as", "ann")["candidate"]["id"]
    field.json("vote", one, "--down", "--reason", f"reason {EVIL}")
    field.json("ruling", task, one, "--reason", f"because {EVIL}\nfake: line")
    field.json("checkpoint", "--note", EVIL)
    for words in (["tasks"], ["show"], ["show", one], ["choose"], ["diff", one], ["log"],
                  ["log", "--raw"], ["apply"], ["publish", EVIL], ["choose", EVIL],
                  ["choose", "--rule", EVIL], ["vote", EVIL, "--up"], [EVIL]):  # fmt: skip
        ran = field.waggle(*words)
        assert harmless(ran.out), words
        assert harmless(ran.err), words
        assert "\nfake:" not in ran.out + ran.err, words
    shown = field.waggle("show", "--json")
    assert shown.out.rstrip("\n").isprintable()
    assert shown.object["prompt"] == f"prompt {EVIL}"
    assert "red" in field.waggle("show").out, "the control: the text itself is shown"


@pytest.mark.parametrize("words", [["log", "--limit", "0"], ["--help"], ["race", "--help"],
                                   ["log", "--json"]], ids=" ".join)  # fmt: skip
def test_a_reader_who_leaves_is_no_error(field: Field, words: list[str]) -> None:
    """`waggle log | head -0`: silent, and the status is that of the command."""
    field.json("init")
    for n in range(3):
        field.json("task", "add", f"task {n}")
    process = subprocess.Popen(
        [sys.executable, "-m", "waggle", *words], cwd=field.top, env=field.env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert err == b""
    assert process.returncode == 0


def test_a_vote_whose_reader_left_is_cast(field: Field) -> None:
    field.json("init")
    field.json("task", "add", "x")
    one = field.json("publish", "--text", "x", "--as", "ann")["candidate"]["id"]
    field.json("choose")
    process = subprocess.Popen(
        [sys.executable, "-m", "waggle", "vote", one, "--up"], cwd=field.top, env=field.env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert len(field.entries("vote.cast")) == 1


def test_a_defect_is_told_in_the_form_of_every_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_name: str) -> None:
        raise ZeroDivisionError("nobody thought of that")

    monkeypatch.setattr(registry, "find", broken)
    assert main(["tasks", "--json"]) == 1
    captured = capfd.readouterr()
    (line,) = captured.out.splitlines()
    assert '"code":"internal"' in line
    assert '"happened":"maybe"' in line
    assert "ZeroDivisionError: nobody thought of that" in captured.err
