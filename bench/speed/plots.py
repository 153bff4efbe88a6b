"""The two plots of the document, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.speed.measure import Samples
from bench.speed.table import Row


def draw(
    path: Path, counts: Sequence[int], rows: Sequence[Row], *, scale: float, axes: tuple[str, str]
) -> None:
    """Draw medians, with the range of all repetitions, over a number of things, both in logs.

    `axes` names both axes; times are shown as multiples of `scale` seconds.
    """
    # Without a date and with ids that do not change, equal figures give equal files.
    with mpl.rc_context({"svg.hashsalt": "waggle", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        plot = figure.add_subplot()
        lines: list[tuple[str, list[Samples], str]] = [
            ("waggle", [row.ours for row in rows], "o-"),
            (
                rows[0].against.replace("`", ""),
                [row.baseline for row in rows if row.baseline],
                "s--",
            ),
        ]
        for label, samples, style in lines:
            medians = [one.median / scale for one in samples]
            below = [(one.median - min(one.values)) / scale for one in samples]
            above = [(max(one.values) - one.median) / scale for one in samples]
            plot.errorbar(counts, medians, (below, above), fmt=style, capsize=3, label=label)
        plot.set(xscale="log", yscale="log", xlabel=axes[0], ylabel=axes[1])
        plot.grid(visible=True, alpha=0.3)
        plot.legend()
        figure.savefig(path, format="svg", metadata={"Date": None})
