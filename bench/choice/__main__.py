"""Replay real results through the choice rules, and write docs/CHOICE.md with its plot.

python -m bench.choice --data DIR [--out docs/CHOICE.md] [--seed N] [--draws N]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from bench.choice import report
from bench.choice.jobs import measure, tables

DRAWS = 1000
PROCESSES = 2


def main(arguments: Sequence[str]) -> int:
    """Measure, write the document and its plot; 1 where the default is worse than a rule."""
    parser = argparse.ArgumentParser(prog="python -m bench.choice", description=__doc__)
    parser.add_argument("--data", required=True, help="folder with answers.csv.gz and code.csv.gz")
    parser.add_argument("--out", default=os.path.join("docs", "CHOICE.md"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws of agents and task a cell")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    given = parser.parse_args(arguments)
    halves, whole = measure(given.data, given.draws, given.seed, given.processes)
    plot = os.path.join(os.path.dirname(given.out), "choice.svg")
    command = f"python -m bench.choice --data DIR --seed {given.seed} --draws {given.draws}"
    data = list(tables(given.data).values())
    text = report.document(command, data, halves, whole, given.seed, os.path.basename(plot))
    os.makedirs(os.path.dirname(given.out) or ".", exist_ok=True)
    report.draw(plot, halves)
    with open(given.out, "w", encoding="utf-8") as file:
        file.write(text)
    bad = report.worse(report.against_default(halves))
    print(f"wrote {given.out} and {plot}")
    for one in bad:
        print(f"the default rule is worse than {one}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
