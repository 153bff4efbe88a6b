"""The fast path of a vote: the same bytes as the ordinary path, and nothing heavy loaded."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.race.field import Field

import waggle
from waggle.faces.cli import hot
from waggle.faces.cli.main import main as everything
from waggle.store.space import Draft

HEAVY = ("pygit2", "click", "rich", "msgspec", "cryptography", "asyncio", "subprocess")
TRACE = """
import sys
import waggle.__main__
sys.argv = ["waggle", *sys.argv[1:]]
try:
    waggle.__main__.main()
finally:
    print(" ".join(sorted(sys.modules)), file=sys.stderr)
"""


class Ballot:
    """A store with one candidate, in which one path after the other votes from the same start."""

    def __init__(self, field: Field) -> None:
        self.top = field.top
        self.store = field.top / ".git" / "waggle"
        self.saved = field.folder / "saved"
        with waggle.open(str(field.top), init=True) as space:
            ann = waggle.Agent(name="ann")
            task = space.append(Draft(body=waggle.TaskAdd(title="x")), ann).id
            body = waggle.Candidate(task=task, result="00" * 16, size=1)
            self.candidate = space.append(Draft(body=body), ann).id
            assert space.db, "the view is folded, as after any look at the candidate"

    def lines(self) -> list[tuple[int, bytes]]:
        """Give every entry's sequence number and line, without the clock."""
        db = sqlite3.connect(self.store / "journal.db")
        rows = db.execute("SELECT seq, line FROM entry ORDER BY seq").fetchall()
        keys = db.execute("SELECT seq, key FROM keyed ORDER BY seq").fetchall()
        db.close()
        assert len(keys) == len({key for _, key in keys})
        return [(seq, line.partition(b",")[2]) for seq, line in rows]

    def back(self) -> None:
        """Take away what was voted: the log ends with the candidate again."""
        db = sqlite3.connect(self.store / "journal.db")
        db.execute("DELETE FROM entry WHERE seq > 2")
        db.execute("DELETE FROM keyed")
        db.commit()
        db.close()
        shutil.rmtree(self.store / "view", ignore_errors=True)
        with waggle.open(str(self.top)) as space:
            assert space.db


@pytest.fixture
def ballot(field: Field, monkeypatch: pytest.MonkeyPatch) -> Ballot:
    monkeypatch.chdir(field.top)
    monkeypatch.setenv("USER", "tester")
    for name in [name for name in os.environ if name.startswith("WAGGLE_")]:
        monkeypatch.delenv(name)
    return Ballot(field)


def both(ballot: Ballot, words: list[str]) -> bool:
    """Vote on both paths from the same start and compare; tell whether the fast one took it."""
    ballot.back()
    taken = hot.vote(words)
    fast = ballot.lines()
    if taken is None:
        assert len(fast) == 2, "declined, but wrote something"
        return False
    assert taken == 0
    ballot.back()
    with pytest.raises(SystemExit) as done:
        everything(["vote", *words])
    assert done.value.code == 0, "the fast path took what the ordinary one refuses"
    assert ballot.lines() == fast
    assert len(fast) == 3
    return True


NAMES = st.text(min_size=1, max_size=20) | st.sampled_from(
    [
        "ann",
        "o'neil",
        'quo"te',
        "é ☃",
        "日本",
        "back\\slash",
        "a\u0301",
        "\u202e",
        "{}",
        "--up",
        "-x",
    ]
)
VALUES = st.sampled_from(["--as", "--model", "--vendor", "--key"])
WORDS = st.lists(
    st.sampled_from([["--up"], ["--down"], ["--json"], ["--blind"], ["--"], ["--bogus"], ["extra"]])
    | st.builds(lambda flag, text: [flag, text], VALUES, NAMES)
    | st.builds(lambda n: ["--score", str(n)], st.integers(-5, 120))
    | st.sampled_from([["--score", "abc"], ["--score", "\uff15"], ["--score=7"], ["--score", " 7"],
                       ["--score", "007"], ["--score", "7_0"], ["--score"], ["--space", "main"],
                       ["--space", "Bad"], ["--as"], ["--reason", "x"]]),
    max_size=5,
)  # fmt: skip


@settings(
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(words=WORDS, place=st.integers(0, 5), prefix=st.sampled_from([4, 8, 64]))
def test_whatever_the_words_both_paths_write_the_same(
    ballot: Ballot, words: list[list[str]], place: int, prefix: int
) -> None:
    flat = [word for part in [*words[:place], [ballot.candidate[:prefix]], *words[place:]]
            for word in part]  # fmt: skip
    both(ballot, flat)


PLAIN = [
    [],
    ["--json"],
    ["--as", 'o\'neil "x" é'],
    ["--as", "ann", "--model", "m 1", "--vendor", "ü", "--key", "k"],
    ["--key", "päper/1", "--space", "main"],
]


@pytest.mark.parametrize("score", [["--up"], ["--down"], ["--score", "0"], ["--score", "50"],
                                   ["--score", "100"]], ids="-".join)  # fmt: skip
def test_the_fast_path_takes_every_plain_vote(
    ballot: Ballot, score: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in PLAIN:
        assert both(ballot, [ballot.candidate[:8], *score, *words]), words
        assert both(ballot, [*words, *score, ballot.candidate]), words
    monkeypatch.setenv("WAGGLE_AGENT", "agent é")
    monkeypatch.setenv("WAGGLE_MODEL", "model")
    monkeypatch.setenv("WAGGLE_VENDOR", "vendor")
    monkeypatch.setenv("WAGGLE_SESSION", "s1")
    assert both(ballot, [ballot.candidate, *score])


def test_both_print_the_same(ballot: Ballot, capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["--up"], ["--score", "7", "--json"]):
        assert both(ballot, [ballot.candidate, *words])
        fast, ordinary = capfd.readouterr().out.splitlines()
        if "--json" in words:
            first, second = json.loads(fast), json.loads(ordinary)
            assert list(first) == list(second)
            for name in ("vote", "token"):  # the ids differ: they hash the clock
                del first[name], second[name]
            assert first == second
        else:
            assert fast.split(":", 1)[1] == ordinary.split(":", 1)[1]


def test_the_fast_path_loads_nothing_heavy(field: Field, ballot: Ballot) -> None:
    def loaded(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", TRACE, "vote", ballot.candidate, *words],
            cwd=field.top, env=field.env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "vote" in done.stdout
        return {name.partition(".")[0] for name in done.stderr.split()}

    for words in (["--up"], ["--down", "--json", "--as", "x", "--key", "y"]):
        assert not loaded(*words) & set(HEAVY)
    assert set(HEAVY) & loaded("--up", "--reason", "a reason to scan") >= {"click", "msgspec"}


def test_what_the_view_does_not_know_goes_the_ordinary_way(field: Field, ballot: Ballot) -> None:
    shutil.rmtree(ballot.store / "view")
    assert hot.vote([ballot.candidate, "--up"]) is None
    assert field.json("vote", ballot.candidate, "--up")["score"] == 100


def test_an_id_that_something_unfolded_may_fit_is_left_to_the_ordinary_path(
    ballot: Ballot,
) -> None:
    """An abbreviation is unique only where all that is here has been looked at."""
    ann = waggle.Agent(name="ann")
    with waggle.open(str(ballot.top)) as space:
        task = space.append(Draft(body=waggle.TaskAdd(title="x")), ann).id
        body = waggle.Candidate(task=task, result="00" * 16, size=1)
        many = [one.id for one in space.append_all([Draft(body=body)] * 600, ann)]
        beginnings = Counter(one[:4] for one in [*many, ballot.candidate])
        known = {one[:4]: one for one in many if beginnings[one[:4]] == 1}
        assert space.db, "the view knows the candidates, and not what comes now"
        twin = ""
        while twin not in known:
            added = space.append_all([Draft(body=waggle.TaskAdd(title="x"))] * 200, ann)
            twin = next((one.id[:4] for one in added if one.id[:4] in known), "")
    assert hot.vote([twin, "--up"]) is None
    assert hot.vote([known[twin], "--up"]) == 0, "a whole id is unique all the same"


def test_a_copied_store_never_votes_on_the_fast_path(field: Field, ballot: Ballot) -> None:
    copy = field.folder / "copy"
    subprocess.run(["cp", "-a", str(field.top), str(copy)], check=True)
    before = field.json("log", "--limit", "0", cwd=copy)["entries"][0]["replica"]
    field.json("vote", ballot.candidate, "--up", cwd=copy)
    entries = field.json("log", "--limit", "0", cwd=copy)["entries"]
    (vote,) = [entry for entry in entries if entry["kind"] == "vote.cast"]
    assert vote["replica"] != before
