"""The speed bench runs whole on small sizes. Nothing here asserts how long anything takes."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import count
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # behind everything else: the bench is run from the project's folder

from bench.speed.measure import Samples, alternate, spoken  # noqa: E402
from bench.speed.table import Goal, Row, Section  # noqa: E402

SECTIONS = [
    "Appending",
    "Reading a choice",
    "Rebuilding and verifying",
    "Packed size",
    "Commands",
    "Racing",
    "The live path",
    "Many writers",
    "Syncing by git",
    "Shared state",
    "The task set",
    "Facts",
    "Beats",
    "Agents by MCP",
]
FIGURE = re.compile(r"[\d,.]+ \S+( \([\d,.]+ to [\d,.]+\))?")


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_small_sizes_give_a_whole_document(tmp_path: Path) -> None:
    out, work = tmp_path / "made" / "B.md", tmp_path / "work"
    done = bench("--quick", "--out", out, "--work", work)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "small sizes" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    judged = 0
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 7, row
        what, figure, baseline, ratio, goal, met, repetitions = cells
        if what == "what":
            continue
        assert FIGURE.fullmatch(figure), row
        assert int(repetitions) >= 1
        assert (baseline == "-" or baseline.startswith("0 ")) == (ratio == "-"), row
        assert (goal == "-") == (met == "-"), row
        judged += goal != "-"
    assert f"Of {judged} rows with a goal" in text
    for plot in re.findall(r"!\[.+\]\((.+)\)", text):
        assert ET.parse(out.parent / plot).getroot().tag.endswith("svg")  # noqa: S314 - our own
    assert len(list(out.parent.glob("*.svg"))) == text.count("![") == 2
    assert list(work.iterdir()) == [], "the repositories were left behind"


def test_small_sizes_never_replace_the_document() -> None:
    done = bench("--quick")
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_works_take_turns() -> None:
    order, numbers = [], count(1)

    def work(name: str) -> float:
        order.append(name)
        return float(next(numbers))

    one, other = alternate(3, lambda: work("A"), lambda: work("B"))
    assert order == ["A", "B"] * 3
    assert one == Samples((1.0, 3.0, 5.0))
    assert other.median == 4.0


def test_a_figure_reads_well() -> None:
    assert spoken(0.000_152_34, "s") == "152 µs"
    assert spoken(1.5, "s") == "1.50 s"
    assert spoken(0.0123, "s") == "12.3 ms"
    assert str(Samples((0.002, 0.001, 0.009))) == "2.00 ms (1.00 to 9.00)"
    assert str(Samples((0.5,)).rate(30_000)) == "60,000 entries/s"
    with pytest.raises(ValueError, match="nothing was measured"):
        Samples(())


def test_goals_are_judged_by_medians() -> None:
    ours, baseline = Samples((1.0, 3.0, 100.0)), Samples((2.0, 2.0, 2.0))

    def met(*goals: Goal) -> bool | None:
        return Row(what="x", ours=ours, baseline=baseline, against="y", goals=goals).met

    assert met() is None
    assert met(Goal(limit=1.5)) is True
    assert met(Goal(limit=1.4)) is False
    assert met(Goal(limit=3, of="figure")) is True
    assert met(Goal(limit=3.1, of="figure", at_least=True)) is False
    assert met(Goal(limit=1.5), Goal(limit=2, of="figure")) is False
    with pytest.raises(ValueError, match="needs a baseline"):
        _ = Row(what="x", ours=ours, goals=(Goal(limit=1),)).met


def test_a_missed_goal_stands_out() -> None:
    row = Row(what="x", ours=Samples((3.0,)), goals=(Goal(limit=2, of="figure"),))
    lines = Section(title="t", setting="s", rows=(row,)).lines()
    assert "| x | 3.00 s | - | - | ≤ 2.00 s | **no** | 1 |" in lines
