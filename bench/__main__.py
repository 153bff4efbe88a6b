"""How fast waggle is.

    python -m bench [--data DIR] [--out docs/BENCHMARKS.md] [--work DIR]
    python -m bench --quick --out FILE

Writes the document and its plots beside it. With `--data` the choice rules are replayed on real
results too (`python -m bench.choice --data DIR`). `--quick` takes small sizes, which show that
everything runs and nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.speed import (
    appending,
    choosing,
    commands,
    facts,
    ladder,
    packing,
    plots,
    racing,
    rebuilding,
    shared,
    syncing,
    world,
)
from bench.speed.child import ROOT
from bench.speed.measure import say
from bench.speed.sizes import FULL, QUICK, Sizes
from bench.speed.table import Section

_QUICK = "These are small sizes: they show that everything runs, and no more."
OUT = ROOT / "docs" / "BENCHMARKS.md"
_HOW = (
    "Written by `{command}` in {seconds:.0f} s; no figure is typed by hand. Each is the median of"
    " its repetitions, with the smallest and the largest in brackets. What is compared was"
    " measured in the same run, by turns. The ratio is that of the medians; for entries in a"
    " second more is better, for everything else less."
)


def run(sizes: Sizes, work: Path, out: Path) -> list[Section]:
    """Measure everything in new folders below `work`, and draw the plots beside `out`."""
    races, appends, packs = (part.measure(sizes, work) for part in (racing, appending, packing))
    steps = ladder.build(sizes, work)
    rebuilds, times = rebuilding.measure(sizes, steps)
    choices, reads = choosing.measure(sizes, steps, work)
    read = next(step for step in steps if step.votes == sizes.sealed)
    processes = commands.measure(sizes, read, work)
    syncs = syncing.measure(sizes, steps, work)
    states = shared.measure(sizes, work)
    counts = [step.votes for step in steps]
    axes = ("votes in the log", "reading a choice, ms")
    plots.draw(out.with_name(choices.plot), counts, reads, scale=1e-3, axes=axes)
    axes = ("sealed entries", "rebuilding the view, s")
    plots.draw(out.with_name(rebuilds.plot), counts, times, scale=1.0, axes=axes)
    return [appends, choices, rebuilds, packs, processes, races, *syncs, *states]


def summary(sections: list[Section]) -> list[str]:
    """Say how many goals there are and which were missed."""
    judged = [row for section in sections for row in section.rows if row.goals]
    missed = [row.what for row in judged if not row.met]
    said = f"Of {len(judged)} rows with a goal, {len(judged) - len(missed)} met theirs."
    return [said, *(["", "Missed:", "", *(f"- {what}" for what in missed)] if missed else [])]


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure waggle.")
    parser.add_argument("--quick", action="store_true", help="small sizes; needs --out")
    parser.add_argument("--out", type=Path, help="the document; default docs/BENCHMARKS.md")
    parser.add_argument("--data", type=Path, help="real results for bench.choice")
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build",
        help="where repositories are made: a local disk, not memory; default build/",
    )
    options = parser.parse_args()
    if options.quick and options.out is None:
        parser.error("--quick measures nothing worth documenting: say with --out where it goes")
    out: Path = (options.out or OUT).resolve()
    started, load = time.monotonic(), os.getloadavg()[0]
    for folder in (out.parent, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.work) as name:
        work = Path(name).resolve()
        world.isolate(work)
        sections = run(QUICK if options.quick else FULL, work, out)
        machine = facts.lines(work, load)
    command = "python -m bench --quick" if options.quick else "make bench"
    how = _HOW.format(command=command, seconds=time.monotonic() - started)
    warning = [_QUICK, ""] if options.quick else []
    head = ["# How fast waggle is", "", how, "", *warning, *machine, "", *summary(sections), ""]
    text = "\n".join([*head, *(line for section in sections for line in section.lines())])
    out.write_text(text, encoding="utf-8")
    print(text)
    if options.data:
        if importlib.util.find_spec("bench.choice") is None:
            parser.error("--data needs bench.choice, which this version does not have")
        say("replaying real results")
        choice = [sys.executable, "-m", "bench.choice", "--data", str(options.data.resolve())]
        subprocess.run(choice, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
