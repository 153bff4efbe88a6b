"""What a verification found, while it runs and in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

PROBLEMS_MAX = 1000
"""Problems that a report lists; the rest is counted."""

Harm = Literal["error", "note"]
"""An `error` is something lost, forged or broken; a `note` is something to know of."""


class Problem(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be: in whose log, at which entry (0: all of it), why."""

    replica: str
    seq: int
    reason: str
    harm: Harm


class Fork(Struct, frozen=True, kw_only=True):
    """The proof that a replica wrote two histories, both signed by it.

    Invariant: both verify, and their ids at `seq` differ.
    """

    replica: str
    seq: int
    frames: tuple[str, str]
    """Commits; empty for a history that was heard live: the journal keeps its signed head."""
    ids: tuple[str, str]


class Report(Struct, frozen=True, kw_only=True):
    """What the verification of a space found. Counts are of what verified."""

    space: str
    logs: int
    frames: int
    entries: int
    bytes: int
    """Of entries, without newlines."""
    unsealed: int
    """Entries that stand in this store's journal only."""
    unknown: Mapping[str, int]
    """Entries of kinds that this version does not know: kept, carried on and skipped."""
    forks: tuple[Fork, ...]
    problems: tuple[Problem, ...]
    more: int
    """Problems beyond PROBLEMS_MAX."""

    @property
    def whole(self) -> bool:
        """Whether nothing is lost, forged or broken."""
        return not any(item.harm == "error" for item in self.problems)

    @property
    def sound(self) -> bool:
        """Whether it is whole, and every log has one history."""
        return self.whole and not self.forks


class Tally:
    """What was found so far."""

    def __init__(self) -> None:
        self.logs = self.frames = self.entries = self.bytes = self.unsealed = 0
        self.unknown: Counter[str] = Counter()
        self.forks: list[Fork] = []
        self.problems: list[Problem] = []
        self.more = 0

    def add(self, replica: str, seq: int, reason: str, harm: Harm = "error") -> None:
        """Note a problem; beyond PROBLEMS_MAX they are counted only."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(replica=replica, seq=seq, reason=reason, harm=harm))
        else:
            # Never lose sight of harm behind a flood of notes.
            if harm == "error" and not any(item.harm == "error" for item in self.problems):
                self.problems[-1] = Problem(replica=replica, seq=seq, reason=reason, harm=harm)
            self.more += 1
