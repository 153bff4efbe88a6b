"""Simulated checkers: right and wrong at given rates, the same whenever they look again."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

TRUE_POSITIVES = 0.9
FALSE_POSITIVES = 0.2
BLIND_TASKS = 0.1
"""Checkers that share blind spots: on so many tasks all of them let every wrong result pass ..."""
SEEING_FALSE_POSITIVES = (FALSE_POSITIVES - BLIND_TASKS) / (1 - BLIND_TASKS)
"""... and elsewhere so many that their rate over all tasks stays the same."""


class Checker(Struct, frozen=True):
    """A checker by name; with `blind` it shares its blind spots with all such checkers."""

    name: str
    seed: int
    blind: bool = False

    def passes(self, task: str, result: str, *, right: bool) -> bool:
        """Tell whether a result passes: the same for equal results, and at every asking."""
        chance = _uniform(self.seed, self.name, task, result)
        if right:
            return chance < TRUE_POSITIVES
        if not self.blind:
            return chance < FALSE_POSITIVES
        if _uniform(self.seed, "blind", task, "") < BLIND_TASKS:
            return True
        return chance < SEEING_FALSE_POSITIVES


def _uniform(*parts: object) -> float:
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64


def panels(seed: int) -> dict[str, list[Checker]]:
    """Give the panels by name: nobody, one, three independent, three with shared blind spots."""
    independent = [Checker(f"checker-{n}", seed) for n in (1, 2, 3)]
    blind = [Checker(f"kin-{n}", seed, blind=True) for n in (1, 2, 3)]
    return {"none": [], "one": independent[:1], "three": independent, "blind": blind}
