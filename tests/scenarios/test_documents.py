"""The documents in docs/scenarios are run as they stand: what they show is what happens.

A block fenced as `console` is a dialogue. A line that starts with `$ ` is a command, lines that
start with `> ` continue it, and what follows up to the next command is what it prints, standard
error included. All commands of a document run one after the other, in bash, in one folder that is
empty at first; `cd` and `$?` carry over.

What differs from run to run is compared so:

    520cf762            an id (8 or more hex digits, a letter and a digit among them) stands for
                        whatever id is printed there, and for the same one ever after: commands
                        that name it are given the real one
    2026-01-01 00:00:00Z, 0.3 s, 27 ms
                        a time stands for any time
    [..]                within a line stands for anything
    [...]               as a line of its own stands for any lines, or none

`<!-- capture NAME: PATTERN -->` before a block runs PATTERN, a regular expression with one group,
over everything that was printed so far; later commands find the last match as `$NAME`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

DOCUMENTS = Path(__file__).parents[2] / "docs" / "scenarios"
BLOCK = re.compile(
    r"<!-- capture (\w+): (.*?) -->|^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
ID = r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}\b"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ|\b\d+\.\d s\b|\b\d+ ms\b"
PART = re.compile(rf"(?P<any>\[\.\.\])|(?P<time>{TIME})|(?P<id>{ID})")
COMMAND_S = 120


class Dialogue:
    """A document being run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cwd = folder
        self.status = 0
        self.known: dict[str, str] = {}
        self.printed = ""
        self._groups: list[int] = []
        tools = os.path.dirname(sys.executable)
        kept = {name: text for name, text in os.environ.items() if not name.startswith("WAGGLE_")}
        self.env = {
            **kept,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "USER": "you",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PS1": "",
        }

    def capture(self, name: str, pattern: str) -> None:
        """Remember what a pattern last matched."""
        found = re.findall(pattern, self.printed)
        assert found, f"nothing matches {pattern!r} for {name}"
        self.env[name] = found[-1]

    def run(self, command: str) -> list[str]:
        """Run a command as a shell would that had run all those before it."""
        for shown, real in self.known.items():
            command = re.sub(rf"\b{shown}\b", real, command)
        where = self.folder.parent / "where"
        script = f"cd {str(self.cwd)!r}\n(exit {self.status})\n{command}\nwas=$?\npwd > {str(where)!r}\nexit $was\n"  # noqa: E501 - one script
        with subprocess.Popen(
            ["bash", "-c", script], env=self.env, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        ) as process:  # fmt: skip
            self._groups.append(process.pid)
            printed, _ = process.communicate(timeout=COMMAND_S)
        self.status, self.cwd = process.returncode, Path(where.read_text().rstrip("\n"))
        self.printed += printed
        return printed.splitlines()

    def end(self) -> None:
        """Kill what commands have left running in the background."""
        for group in self._groups:
            with suppress(ProcessLookupError):  # all of it has ended by itself
                os.killpg(group, signal.SIGKILL)

    def fits(self, expected: list[str], actual: list[str]) -> bool:
        """Tell whether lines are as expected, and learn the ids they show."""
        if not expected:
            return not actual
        if expected[0] == "[...]":
            return any(self.fits(expected[1:], actual[at:]) for at in range(len(actual) + 1))
        if not actual:
            return False
        learned = self._match(expected[0], actual[0])
        if learned is None:
            return False
        before = dict(self.known)
        self.known.update(learned)
        if self.fits(expected[1:], actual[1:]):
            return True
        self.known = before
        return False

    def _match(self, expected: str, actual: str) -> dict[str, str] | None:
        """Give the ids that a line teaches; None where it does not fit."""
        pattern, ids, at = "", [], 0
        for part in PART.finditer(expected):
            pattern += re.escape(expected[at : part.start()])
            at = part.end()
            if part["any"]:
                pattern += ".*"
            elif part["time"]:
                pattern += f"(?:{TIME})"
            elif part["id"] in self.known:
                pattern += re.escape(self.known[part["id"]])
            else:
                pattern += f"([0-9a-f]{{{len(part['id'])}}})"
                ids.append(part["id"])
        found = re.fullmatch(pattern + re.escape(expected[at:]), actual)
        return None if found is None else dict(zip(ids, found.groups(), strict=True))


def steps(block: str) -> list[tuple[str, list[str]]]:
    """Give the commands of a block, each with the lines that it is to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith(">") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            assert found, f"output before the first command: {line!r}"
            found[-1][1].append(line)
    return found


@pytest.fixture
def dialogue(tmp_path: Path) -> Iterator[Dialogue]:
    """A dialogue in an empty folder; nothing that it starts outlives the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    made = Dialogue(folder)
    yield made
    made.end()


@pytest.mark.parametrize("name", sorted(path.name for path in DOCUMENTS.glob("*.md")))
def test_a_document_is_true(name: str, dialogue: Dialogue) -> None:
    commands = 0
    for found in BLOCK.finditer((DOCUMENTS / name).read_text()):
        if found[1]:
            dialogue.capture(found[1], found[2])
            continue
        for command, expected in steps(found[3]):
            actual = dialogue.run(command)
            commands += 1
            if not dialogue.fits(expected, actual):
                shown = "\n".join(actual)
                wanted = "\n".join(expected)
                pytest.fail(
                    f"{name}: $ {command}\n--- expected\n{wanted}\n--- printed\n{shown}",
                    pytrace=False,
                )
    assert commands > 3, "the document shows nothing"


def test_the_documents_are_there() -> None:
    names = {path.stem for path in DOCUMENTS.glob("*.md")}
    assert names >= {"first-race", "voting-by-hand", "crash-and-resume", "secrets-are-held"}
    assert names >= {"three-clones", "live", "judged-elsewhere"}


def test_a_false_document_fails(tmp_path: Path) -> None:
    """The control: wrong words, a wrong id where it was seen before, a missing or added line."""
    dialogue = Dialogue(tmp_path)
    assert dialogue.fits(["task a1b2c3d4 in 0.1 s", "[...]", "x [..] z"],
                         ["task 00ff00ff in 7.3 s", "1", "2", "x y z"])  # fmt: skip
    assert dialogue.known == {"a1b2c3d4": "00ff00ff"}
    assert dialogue.fits(["again a1b2c3d4"], ["again 00ff00ff"])
    assert not dialogue.fits(["again a1b2c3d4"], ["again 00ff00fe"])
    assert not dialogue.fits(["words"], ["word"])
    assert not dialogue.fits(["one"], ["one", "two"])
    assert not dialogue.fits(["one", "two"], ["one"])
    assert not dialogue.fits([], ["more"])
