"""Where the fault may be: spectrum-based fault localisation.

A line is suspicious if failing tests execute it and passing tests do not.  The measure is Ochiai's,
which R. Abreu, P. Zoeteweij and A. van Gemund found better than those known before it ("On the
accuracy of spectrum-based fault localization", TAIC PART 2007):

    suspicion = failing(line) / sqrt(all failing * (failing(line) + passing(line)))
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from evaluate import Texts

Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """How suspicious each line is, and which failing tests execute it.

    A line that no test seems to execute (the body of a module or a class, which runs when it is
    imported) is as suspicious as all tests that use its file make it.
    """

    lines: dict[Place, float]
    files: dict[str, float]
    witnesses: dict[Place, frozenset[str]]
    failing: frozenset[str]

    def suspicion(self, path: str, first: int, last: int) -> float:
        """The suspicion of the most suspicious line of a statement."""
        seen = [self.lines[path, n] for n in range(first, last + 1) if (path, n) in self.lines]
        return max(seen, default=0.0)

    def tests(self, path: str, first: int, last: int) -> frozenset[str]:
        """The failing tests that a change here could turn."""
        found = [self.witnesses.get((path, n), frozenset()) for n in range(first, last + 1)]
        return frozenset().union(*found) or self.failing


def ochiai(failing_here: int, passing_here: int, failing: int) -> float:
    """Ochiai's coefficient of one line."""
    if failing_here == 0:
        return 0.0
    return failing_here / math.sqrt(failing * (failing_here + passing_here))


def locate(records: list[dict[str, Any]], root: Path, texts: Texts) -> Suspects:
    """Judge every line from the records of a run that watched lines."""
    names = {os.path.realpath(root / path): path for path in texts}
    hits: dict[Place, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    files: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    failing = frozenset(record["test"] for record in records if record["outcome"] == "failed")
    for record in records:
        test = record["test"]
        side = 0 if test in failing else 1
        for file, numbers in record.get("lines", {}).items():
            path = names[os.path.realpath(file)]
            files[path][side].add(test)
            for number in numbers:
                hits[path, number][side].add(test)

    def score(seen: tuple[set[str], set[str]]) -> float:
        return ochiai(len(seen[0]), len(seen[1]), len(failing))

    lines = {place: score(seen) for place, seen in hits.items()}
    whole = {path: score(seen) for path, seen in files.items()}
    if not any(whole.values()):  # nothing could even be imported: every file is as suspicious
        whole = dict.fromkeys(texts, 1.0)
    return Suspects(
        lines=lines,
        files=whole,
        witnesses={place: frozenset(seen[0]) for place, seen in hits.items()},
        failing=failing,
    )
