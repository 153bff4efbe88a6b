"""The document and its plot: everything in them is computed, nothing is typed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from bench.choice.checkers import BLIND_TASKS, FALSE_POSITIVES, TRUE_POSITIVES
from bench.choice.data import DataSet
from bench.choice.known import KNOWN
from bench.choice.measure import (
    ANY,
    BEST,
    KNOWING,
    MEAN,
    RECORD,
    SIMILAR,
    Cell,
    Estimate,
    pooled,
)
from bench.choice.replay import (
    BLIND_RULES,
    CALIBRATED,
    CHECK_RULES,
    OWN_RECORD,
    UNTAUGHT,
    VOTE_RULES,
)
from waggle.choice.rules import DEFAULT

MODES: Mapping[str, str] = {
    "": "nobody looks",
    "one votes": "one checker votes",
    "three votes": "three vote",
    "blind votes": "three with shared blind spots vote",
    "one checks": "one checker's command",
    "three checks": "three commands",
    "blind checks": "three with shared blind spots",
}
POOLS = {SIMILAR: "agents within 10 points of one another", ANY: "agents of any strength"}


def _at(way: str, mode: str) -> str:
    return f"{way} | {mode}" if mode else way


def _short(way: str) -> str:
    """Give a way's name for a table: the default by its name instead of its stages."""
    rule, _, mode = way.partition(" | ")
    name = rule.replace(DEFAULT, "**default**") if rule.startswith(DEFAULT) else rule
    return f"{name}; {MODES[mode]}" if mode else name


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def single_rules(mode: str) -> list[str]:
    """Give every single rule as it chooses in a mode."""
    kind = mode.rpartition(" ")[2]
    extra: Sequence[str] = ()
    if kind == "votes":
        extra = (*VOTE_RULES, CALIBRATED)
    elif kind == "checks":
        extra = CHECK_RULES
    plain = [rule for rule in (*BLIND_RULES, CALIBRATED) if rule not in extra]
    return plain + [_at(rule, mode) for rule in extra]


def against_default(cells: Sequence[Cell]) -> dict[tuple[str, str], Estimate]:
    """Give, per mode and single rule, by how many points the default is better, pooled."""
    return {
        (mode, way): pooled(cells, _at(DEFAULT, mode), way)
        for mode in MODES
        for way in single_rules(mode)
    }


def worse(gaps: Mapping[tuple[str, str], Estimate]) -> list[str]:
    """Name what the default is worse than beyond the interval."""
    return [f"{_short(way)} ({gap})" for (_, way), gap in gaps.items() if gap.high < 0]


def _default_table(gaps: Mapping[tuple[str, str], Estimate]) -> str:
    rules = list(dict.fromkeys(way.partition(" | ")[0] for _, way in gaps))
    found = {(mode, way.partition(" | ")[0]): gap for (mode, way), gap in gaps.items()}
    rows = [[rule, *(str(found.get((mode, rule), "")) for mode in MODES)] for rule in rules]
    return _table(["the default less", *MODES.values()], rows)


def _records_table(cells: Sequence[Cell]) -> str:
    rows = [
        [said, str(pooled(cells, _at(DEFAULT, mode), _at(DEFAULT + UNTAUGHT, mode)))]
        for mode, said in MODES.items()
    ]
    return _table(["", "points that records add to the default"], rows)


def _cells_table(cells: Sequence[Cell]) -> str:
    ways = [
        MEAN, BEST, RECORD, *BLIND_RULES, OWN_RECORD, CALIBRATED, CALIBRATED + UNTAUGHT, DEFAULT,
        DEFAULT + UNTAUGHT,
    ]  # fmt: skip
    for mode in list(MODES)[1:]:
        ways += [way for way in single_rules(mode) if way.endswith(mode)]
        ways += [_at(DEFAULT, mode), _at(DEFAULT + UNTAUGHT, mode)]
    ways.append(KNOWING)
    head = ["% right (95 % interval)", *(f"k = {cell.k}" for cell in cells)]
    return _table(
        head, ([_short(way), *(str(cell.estimate(way)) for cell in cells)] for way in ways)
    )


def _known_table(whole: Sequence[Cell], halves: Sequence[Cell]) -> str:
    rows = []
    for name, ways in KNOWN.items():
        ours = {cell.k: cell for cell in whole if cell.data == name}
        learned = {cell.k: cell for cell in halves if (cell.data, cell.pool) == (name, SIMILAR)}
        for way, figures in ways.items():
            source = learned if way in {OWN_RECORD, CALIBRATED} else ours
            for k in sorted(figures.keys() & source.keys()):
                cell, known = source[k], figures[k]
                gain = f"{known - ways[MEAN][k]:+.1f}", str(pooled([cell], way, MEAN))
                window = f"{100 * cell.window:.0f} points"
                figure = f"{known:.1f}", str(cell.estimate(way))
                rows.append([name, _short(way), str(k), *figure, *gain, window])
    head = ["data", "", "k", "known", "ours", "known over the mean", "ours over the mean", "within"]
    return _table(head, rows)


def _data_table(data: Sequence[DataSet], seed: int) -> str:
    rows = []
    for one in data:
        learned, judged = one.halves(seed)
        counts = [str(len(part)) for part in (one.agents, learned, judged)]
        rows.append([one.name, *counts])
    return _table(["data", "agents", "tasks to learn on", "tasks to judge on"], rows)


def document(
    command: str,
    data: Sequence[DataSet],
    halves: Sequence[Cell],
    whole: Sequence[Cell],
    seed: int,
    plot: str,
) -> str:
    """Give the document: `halves` judge on the held-out half, `whole` on all tasks."""
    gaps = against_default(halves)
    bad = worse(gaps)
    verdict = (
        f"The default is worse beyond the interval than: {'; '.join(bad)}."
        if bad
        else "The default is worse than no single rule beyond the interval, whoever looks."
    )
    parts = [
        _HEAD.format(
            command=command,
            default=DEFAULT,
            tp=round(100 * TRUE_POSITIVES),
            fp=round(100 * FALSE_POSITIVES),
            blind=round(100 * BLIND_TASKS),
            plot=plot,
        ),
        _data_table(data, seed),
        _DEFAULT_HEAD.format(verdict=verdict),
        _default_table(gaps),
        "\n## What records add\n",
        _records_table(halves),
    ]
    for (name, pool), cells in groupby(halves, key=lambda cell: (cell.data, cell.pool)):
        parts += [f"\n## {name}, {POOLS[pool]}\n", _cells_table(list(cells))]
    if any(cell.data in KNOWN for cell in whole):
        parts += [_KNOWN_HEAD, _known_table(whole, halves)]
    return "\n".join(parts)


_HEAD = """# Choice rules on real results

Written by `{command}`; no figure is typed by hand.

Real attempts of real agents at real tasks, replayed through waggle's own folds, weights and
rules. One half of the tasks is for learning: candidates, checkers' votes and a check that tells
the truth are folded into a view, whose records of authors and voters are then used on the other
half. A draw is a task of that half and k agents at random; a way to choose is right when the
candidate that it picks is. Intervals come from resampling the tasks.

Checkers are simulated: each passes {tp} % of what is right and {fp} % of what is wrong, alike for
equal results. Three are either independent, or share blind spots: on {blind} % of the tasks all
three let everything pass, and elsewhere so much less that their rate stays {fp} %. They take part
as voters (judged by their records) or as the commands of checks. A family is a model.

The default rule is `{default}`.

![Per cent right by number of candidates]({plot})
"""
_DEFAULT_HEAD = """
## The default against every single rule

Points by which the default is better, on the held-out half, mean of all data sets, pools and k,
with 95 % intervals. {verdict}
"""
_KNOWN_HEAD = """
## Beside what was known

Known figures (% right) were taken from the whole tables, from which these data are a draw, with
other random groups of agents, and for `answers` with other agents too: there the mean single agent
itself differs, and what compares is the gain over it. Ours: all tasks, where no records are
needed, else the held-out half. Where too few agents lie within 10 points, the least window that
holds k of them is taken, and given.
"""


def draw(path: str, cells: Sequence[Cell]) -> None:
    """Draw per cent right against k, for similar agents, a panel per data set."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "waggle"
    names = list(dict.fromkeys(cell.data for cell in cells))
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 4), squeeze=False)
    lines = {
        KNOWING: ("all-knowing choice", "0.6", ":"),
        _at(DEFAULT, "three votes"): ("default, three checkers", "C2", "-"),
        _at(DEFAULT, "one votes"): ("default, one checker", "C0", "-"),
        DEFAULT: ("default, nobody looks", "C1", "-"),
        RECORD: ("agent with the best record", "C3", "--"),
        MEAN: ("mean single agent", "0.3", ":"),
    }
    for axis, name in zip(axes[0], names, strict=True):
        own = [cell for cell in cells if (cell.data, cell.pool) == (name, SIMILAR)]
        for way, (label, colour, style) in lines.items():
            ks = [cell.k for cell in own]
            found = [cell.estimate(way) for cell in own]
            values = [one.value for one in found]
            axis.plot(ks, values, style, color=colour, label=label, marker=".")
            lows, highs = [one.low for one in found], [one.high for one in found]
            axis.fill_between(ks, lows, highs, color=colour, alpha=0.08)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("candidates, k")
        axis.set_xticks([cell.k for cell in own])
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("% right, held-out tasks")
    axes[0][-1].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
