"""What is known, recounted from raw entries in plain Python: slow, obvious, made for comparing.

Written from the definitions (eventual/facts.py), not from the code that it is held against.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from waggle.eventual.fact_tables import ALWAYS
from waggle.eventual.facts import FactAssert, FactBody, FactRetract
from waggle.log.entry import Entry

Pair = tuple[str, str]


def body_of(entry: Entry) -> FactBody:
    assert isinstance(entry.body, FactAssert | FactRetract)
    return entry.body


def pair_of(entry: Entry) -> Pair:
    return body_of(entry).entity, body_of(entry).attribute


def value_of(entry: Entry) -> str | None:
    return entry.body.value if isinstance(entry.body, FactAssert) else None


def rank(entry: Entry) -> tuple[int, str, str]:
    return entry.at, entry.replica, entry.id


def tokens(text: str) -> list[str]:
    """Give the words of a text without case and accents."""
    bare = "".join(
        char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char)
    )
    return re.findall(r"[^\W_]+", bare.lower())


def occurs(word: str, text: str) -> bool:
    """Tell whether the parts of a word stand in a text one after another, the last one begun."""
    *whole, begun = tokens(word)
    found = tokens(text)
    return any(
        found[n : n + len(whole)] == whole and found[n + len(whole)].startswith(begun)
        for n in range(len(found) - len(whole))
    )


class Model:
    """Everything there is to know about a set of entries."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.id: entry for entry in entries}

    def pairs(self) -> list[Pair]:
        """Give every entity and attribute of which there is a fact."""
        return sorted({pair_of(entry) for entry in self.entries.values()})

    def history(self, pair: Pair, as_of: int = 2**63) -> list[Entry]:
        """Give the facts of a register up to a time, the latest first."""
        every = self.entries.values()
        found = [entry for entry in every if pair_of(entry) == pair and entry.at <= as_of]
        return sorted(found, key=rank, reverse=True)

    def heads(self, pair: Pair, as_of: int = 2**63) -> list[Entry]:
        """Give the facts of a register that none of the others names."""
        facts = self.history(pair, as_of)
        named = {one for entry in facts for one in body_of(entry).supersedes}
        return [entry for entry in facts if entry.id not in named]

    def until(self, entry: Entry) -> int:
        """Give the first stamp at which a fact of the register names this one."""
        facts = self.history(pair_of(entry))
        return min((one.at for one in facts if entry.id in body_of(one).supersedes), default=ALWAYS)

    def conflicts(self) -> list[Pair]:
        """Give the registers whose heads have differing values."""
        return [pair for pair in self.pairs() if len(set(map(value_of, self.heads(pair)))) > 1]

    def found(self, words: str) -> set[str]:
        """Give the ids of the heads that hold every word."""
        return {
            head.id
            for pair in self.pairs()
            for head in self.heads(pair)
            if (value := value_of(head)) is not None
            and all(any(occurs(word, text) for text in (*pair, value)) for word in words.split())
        }
