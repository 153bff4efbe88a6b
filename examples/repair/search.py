"""The search: change the most suspicious place, keep what makes more tests pass, begin again.

Generate and validate, as GenProg does (C. Le Goues et al., "GenProg: a generic method for automatic
software repair", TSE 2012).  Z. Qi et al. showed how often a patch that passes the tests is no
repair ("An analysis of patch plausibility and correctness for generate-and-validate patch
generation systems", ISSTA 2015).  So the search does not take the first change that helps: it looks
further in the same function, prefers what helps more, and counts the alternatives that help as
much, because each one is a doubt.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluate import Budget, Judge, Outcome, OutOfBudgetError, Texts
from locate import Suspects, locate
from mutate import Edit, edits

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from strategies import Strategy

FURTHER_IF_PARTIAL = 120
FURTHER_IF_COMPLETE = 8
STONES_MAX = 12
EDITS_ON_A_STONE_MAX = 150
PROGRESS_EVERY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A candidate that was tried."""

    texts: Texts
    outcome: Outcome
    made_by: str


@dataclass(slots=True, kw_only=True)
class Result:
    """Where a search ended.

    ``alternatives`` has, for each repair that was kept, how many other changes did as much.
    """

    first: Outcome
    best: Variant
    repairs: list[str] = field(default_factory=list)
    alternatives: list[int] = field(default_factory=list)
    tried: int = 0

    @property
    def total(self) -> int:
        """How many tests there are."""
        return len(self.best.outcome.passed | self.best.outcome.failed)

    @property
    def repaired(self) -> bool:
        """Whether every test passes, and none was lost on the way."""
        known = self.first.passed | self.first.failed
        return not self.best.outcome.failed and len(self.best.outcome.passed) >= len(known)


@dataclass(slots=True, kw_only=True)
class Search:
    """One agent's search over one project; it reads no clock and writes no file itself."""

    judge: Judge
    strategy: Strategy
    budget: Budget
    random: Random
    keep: Callable[[Texts], None]
    say: Callable[[str], None]
    stones: list[Variant] = field(default_factory=list)
    known: dict[tuple[str, str], list[Edit]] = field(default_factory=dict)

    def run(self, texts: Texts) -> Result:
        """Repair as much as the budget allows; every improvement is handed to ``keep``."""
        first = self.judge.baseline(texts)
        result = Result(first=first, best=Variant(texts=texts, outcome=first, made_by="nothing"))
        self.say(f"{len(first.passed)} of {result.total} tests pass")
        with contextlib.suppress(OutOfBudgetError):  # which ends a search as well as any
            while result.best.outcome.failed and self._step(result):
                pass
        result.tried = self.budget.spent
        return result

    def _step(self, result: Result) -> bool:
        better, alternatives = self._improve(result, result.best, None)
        if better is None and self.strategy.evolves:
            for stone in sorted(self.stones, key=_fitness, reverse=True)[:STONES_MAX]:
                better, alternatives = self._improve(result, stone, EDITS_ON_A_STONE_MAX)
                if better is not None:
                    break
        if better is None:
            return False
        result.best = better
        result.repairs.append(better.made_by)
        result.alternatives.append(alternatives)
        self.stones.clear()
        self.say(f"kept {better.made_by}: passing {_fitness(better)}/{result.total}")
        self.keep(better.texts)
        return True

    def _improve(
        self, result: Result, base: Variant, edits_max: int | None
    ) -> tuple[Variant | None, int]:
        """The best improvement near the first one found, and how many others were as good."""
        suspects = locate(self.judge.watch(base.texts, "lines"), self.judge.root, base.texts)
        best: Variant | None = None
        scope, further, alternatives = "", 0, 0
        try:
            for edit in self._ranked(base.texts, suspects)[:edits_max]:
                if best is not None and edit.scope != scope:
                    continue
                variant = self._try(result, base, edit, suspects)
                if best is not None:
                    further -= 1
                    alternatives += variant is not None and _fitness(variant) == _fitness(best)
                if variant is not None and (best is None or _fitness(variant) > _fitness(best)):
                    best, scope, alternatives = variant, edit.scope, 0
                    here = suspects.tests(edit.path, edit.first, edit.last)
                    complete = here <= variant.outcome.passed
                    further = FURTHER_IF_COMPLETE if complete else FURTHER_IF_PARTIAL
                if best is not None and further <= 0:
                    break
        except OutOfBudgetError:
            if best is None:
                raise
        return best, alternatives

    def _ranked(self, texts: Texts, suspects: Suspects) -> list[Edit]:
        ranked = []
        for path in sorted(texts):
            for edit in self._edits(path, texts[path]):
                suspicion = suspects.suspicion(path, edit.first, edit.last)
                if edit.scope == path:
                    suspicion = suspicion or suspects.files.get(path, 0.0) / 2
                stray = 1 - self.strategy.chance * self.random.random()
                if suspicion:
                    ranked.append((suspicion * edit.change.weight * stray, edit))
        ranked.sort(key=lambda pair: -pair[0])
        return [edit for _, edit in ranked]

    def _edits(self, path: str, text: str) -> list[Edit]:
        if (path, text) not in self.known:
            self.known[path, text] = list(edits(path, text, self.strategy.operators))
        return self.known[path, text]

    def _try(self, result: Result, base: Variant, edit: Edit, suspects: Suspects) -> Variant | None:
        """The variant if it is better than the best so far: first the tests it could turn."""
        text = edit.apply(base.texts[edit.path])
        if not _compiles(text):
            return None
        self.budget.spend()
        if self.budget.spent % PROGRESS_EVERY == 0:
            passing = len(result.best.outcome.passed)
            self.say(f"tried {self.budget.spent}, passing {passing}/{result.total}")
        texts = base.texts | {edit.path: text}
        tests = suspects.tests(edit.path, edit.first, edit.last)
        if not self.judge.run(texts, tests).passed:
            return None
        outcome = self.judge.run(texts)
        made_by = str(edit) if base is result.best else f"{base.made_by}, {edit}"
        variant = Variant(texts=texts, outcome=outcome, made_by=made_by)
        if _fitness(variant) > _fitness(result.best):
            return variant
        if base is result.best:
            self.stones.append(variant)
        return None


def _fitness(variant: Variant) -> int:
    return len(variant.outcome.passed)


def _compiles(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "candidate", "exec")
        except (SyntaxError, ValueError):
            return False
    return True
