"""The replay of results: its values equal a real space's, and it runs on a tiny table."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from bench.choice import replay
from bench.choice.__main__ import main
from bench.choice.checkers import BLIND_TASKS, FALSE_POSITIVES, TRUE_POSITIVES, Checker, panels
from bench.choice.data import DataSet, load
from bench.choice.jobs import measure
from bench.choice.measure import ANY, KNOWING, MEAN, SIMILAR, similar
from bench.choice.replay import CALIBRATED, EXPRESSIONS, bring, family, learn, winner, with_votes
from tests.conftest import World

from waggle.choice import outcome
from waggle.choice.ballot import Ballot, Standing, read
from waggle.choice.kinds import Check, Vote
from waggle.choice.rules import DEFAULT, RULES
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent, Body
from waggle.store.space import Draft, Space

ANSWERS = ("question", "category", "model", "answer", "correct", "stated_confidence", "tokens")
CODE = (
    "source", "task", "agent", "date", "correct", "cost_usd", "bytes", "tokens", "change_hash",
    "checks_passed", "checks_total",
)  # fmt: skip
AGENTS, TASKS = 6, 12


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables of the right form, with agents of different strength."""
    random = Random(5)
    answers: list[list[object]] = []
    code: list[list[object]] = []
    for task in range(TASKS):
        for agent in range(AGENTS):
            right = random.random() < 0.3 + agent / 12
            letter = "A" if right else random.choice("BCD")
            sure = random.choice(("", 45, 95))
            answers.append([task, "math", f"m{agent}", letter, int(right), sure, 9])
            date = f"2026-01-{agent + 1:02}T00:00:00"
            size = random.randrange(1, 99)
            tail = [size, "", f"h{letter}" if agent % 2 else "", "", ""]
            code.append(
                ["toy", f"t{task}", f"v/m{agent // 2}-{agent}", date, int(right), "", *tail]
            )
    _write(tmp_path / "answers.csv.gz", ANSWERS, answers)
    _write(tmp_path / "code.csv.gz", CODE, code)
    return tmp_path


def _append(space: Space, by: Agent, body: Body) -> str:
    return space.append(Draft(body=body), by).id


def _live(
    space: Space, data: DataSet, learned: Sequence[str], judged: str, checkers: Sequence[Checker]
) -> tuple[Ballot, dict[str, str]]:
    """Play it through a real space; give the ballot on the judged task, and agents by candidate."""
    agents: dict[str, str] = {}
    ballot_of = ""
    for task in [*learned, judged]:
        work = _append(space, Agent(name="boss"), TaskAdd(title=task))
        ballot_of = work
        for name in data.agents:
            attempt = data.attempts[name][task]
            told = replay.candidate_of(task, name, attempt)
            fields = {field: getattr(told, field) for field in told.__struct_fields__}
            entry = _append(space, replay.agent_of(name), type(told)(**{**fields, "task": work}))
            agents[entry] = name
            for checker in checkers:
                passes = checker.passes(task, told.result, right=attempt.right)
                vote = Vote(candidate=entry, score=100 if passes else 0)
                _append(space, replay.voter_of(checker), vote)
            if task != judged:
                status = 0 if attempt.right else 1
                exam = Check(candidate=entry, command="exam", environment="here", exit=status)
                _append(space, replay.EXAMINER, exam)
    return read(space.db, ballot_of), agents


def _comparable(standing: Standing) -> dict[str, object]:
    names = ("family", "result", "size", "confidence", "authorship", "votes", "passed", "failed")
    return {name: getattr(standing, name) for name in names}


def test_ballots_made_as_values_equal_those_of_a_real_space(world: World, folder: Path) -> None:
    checkers = panels(1)["three"]
    for number, data in enumerate(load(str(folder))):
        learned, held_out = data.halves(1)
        judged = held_out[0]
        ballot, agents = _live(world.space(f"s{number}"), data, learned, judged, checkers)
        records = learn(data, learned, checkers)
        tried = [(name, data.attempts[name][judged]) for name in data.agents]
        brought = with_votes(judged, bring(judged, tried, records), checkers, records)
        made = {one.agent: one.standing for one in brought}
        assert {agents[one.id]: _comparable(one) for one in ballot.standings} == {
            agent: _comparable(standing) for agent, standing in made.items()
        }
        for rule in (CALIBRATED, "approvals", "votes", "agreement", "size", DEFAULT):
            stages = outcome.parse(rule)
            live = outcome.choose(ballot, stages).winner
            assert live is not None
            # Ids differ, and so does who wins a tie: the winner has to be as good by the rule.
            running = tuple(made.values())
            keys = [stage.rule.score(running, stage.number).keys for stage in stages]
            picked = winner(brought, rule).standing.id
            same = made[agents[live.id]].id
            assert [key[picked] for key in keys] == [key[same] for key in keys]


def test_records_learned_are_counts_of_rights_and_wrongs(folder: Path) -> None:
    data = next(one for one in load(str(folder)) if one.name == "answers")
    learned, _ = data.halves(1)
    checkers = panels(1)["one"]
    records = learn(data, learned, checkers)
    for agent in data.agents:
        rights = [data.attempts[agent][task].right for task in learned]
        bins = records.authors[family(replay.agent_of(agent))].values()
        assert sum(pair[0] for pair in bins) == sum(rights)
        assert sum(pair[1] for pair in bins) == len(rights) - sum(rights)
    tp, fp, tn, fn = records.voters["model:checker-1"]
    assert tp + fp + tn + fn == len(learned) * AGENTS


def test_checkers_have_the_rates_that_they_are_given() -> None:
    for checker in (Checker("c", 1), Checker("c", 1, blind=True)):
        looks = [(f"t{n}", "r") for n in range(4000)]
        for right, rate in ((True, TRUE_POSITIVES), (False, FALSE_POSITIVES)):
            passed = sum(checker.passes(task, result, right=right) for task, result in looks)
            assert abs(passed / len(looks) - rate) < 0.03
            again = sum(checker.passes(task, result, right=right) for task, result in looks)
            assert again == passed


def test_blind_spots_are_shared_and_independent_errors_are_not() -> None:
    tasks = [f"t{n}" for n in range(4000)]

    def all_fooled(checkers: Sequence[Checker]) -> float:
        fooled = [all(one.passes(task, "r", right=False) for one in checkers) for task in tasks]
        return sum(fooled) / len(fooled)

    every = panels(1)
    assert all_fooled(every["three"]) < 0.02
    assert all_fooled(every["blind"]) > 0.8 * BLIND_TASKS


def test_every_rule_is_measured() -> None:
    assert {text.partition("(")[0] for text in EXPRESSIONS} == set(RULES)


def test_similar_agents_lie_within_ten_points_or_the_least_window() -> None:
    strengths = {"a": 0.1, "b": 0.5, "c": 0.55, "d": 0.58, "e": 0.9}
    groups, window = similar(strengths, 2)
    assert groups == [["b", "c"], ["b", "c", "d"], ["c", "d"]]
    assert window == pytest.approx(0.1)
    groups, window = similar(strengths, 4)
    assert window == pytest.approx(2 * 0.32)
    assert ["b", "c", "d", "e"] in groups


def test_all_is_bounded_by_the_all_knowing_choice(folder: Path) -> None:
    halves, whole = measure(str(folder), draws=40, seed=1, processes=1)
    assert {(cell.data, cell.pool, cell.k) for cell in halves} == {
        (name, pool, k) for name in ("answers", "toy") for pool in (SIMILAR, ANY) for k in (3, 5)
    }
    for cell in [*halves, *whole]:
        knowing = cell.samples[KNOWING]
        for way, samples in cell.samples.items():
            assert (samples <= knowing + 1e-9).all(), way
        assert 0 < cell.estimate(MEAN).value < 100


def test_the_document_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        out = tmp_path / name / "CHOICE.md"
        arguments = ["--data", str(folder), "--out", str(out), "--draws", "30", "--processes", "1"]
        assert main(arguments) in {0, 1}
        written.append((out.read_text(), (tmp_path / name / "choice.svg").read_text()))
    assert written[0] == written[1]
    text, plot = written[0]
    assert "python -m bench.choice --data DIR --seed 1 --draws 30" in text
    assert re.search(r"\| \*\*default\*\* \| \d+\.\d \(\d+\.\d to \d+\.\d\) \|", text)
    assert str(folder) not in text
    assert plot.startswith("<?xml")
