"""The rows of the document: what, our figure, the baseline, the ratio, the goal, whether met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.speed.measure import Samples, spoken

_HEAD = ("what", "waggle", "baseline", "ratio", "goal", "met", "repetitions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit on the ratio to the baseline, or on our own figure in its unit."""

    limit: float
    of: Literal["ratio", "figure"] = "ratio"
    at_least: bool = False

    def text(self, unit: str) -> str:
        """Give the goal in words."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {f'{self.limit:g}x' if self.of == 'ratio' else spoken(self.limit, unit)}"

    def met(self, figure: float, ratio: float | None) -> bool:
        """Tell whether the medians keep the limit."""
        value = ratio if self.of == "ratio" else figure
        if value is None:
            raise ValueError("a goal for a ratio needs a baseline")
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison; `against` says what the baseline is."""

    what: str
    ours: Samples
    baseline: Samples | None = None
    against: str = ""
    goals: tuple[Goal, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Our median over the baseline's."""
        if self.baseline is None or not self.baseline.median:
            return None
        return self.ours.median / self.baseline.median

    @property
    def met(self) -> bool | None:
        """Whether every goal is met; None where there is none."""
        if not self.goals:
            return None
        return all(goal.met(self.ours.median, self.ratio) for goal in self.goals)

    def cells(self) -> tuple[str, ...]:
        """Give the row of the table."""
        return (
            self.what,
            str(self.ours),
            f"{self.baseline}: {self.against}" if self.baseline else "-",
            "-" if self.ratio is None else f"{self.ratio:.2f}x",
            ", ".join(goal.text(self.ours.unit) for goal in self.goals) or "-",
            {True: "yes", False: "**no**", None: "-"}[self.met],
            str(self.ours.n),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A subject: what was set up, and its rows."""

    title: str
    setting: str
    rows: tuple[Row, ...]
    plot: str = ""
    """The file name of a plot beside the document, with nothing where there is none."""

    def lines(self) -> list[str]:
        """Give the section as Markdown."""
        table = ["| " + " | ".join(row) + " |" for row in (_HEAD, *map(Row.cells, self.rows))]
        table.insert(1, "|---" * len(_HEAD) + "|")
        plot = ["", f"![{self.title}]({self.plot})"] if self.plot else []
        return [f"## {self.title}", "", self.setting, "", *table, *plot, ""]
