"""Open tasks whose titles are alike: the same work put down twice is the commonest waste.

Candidates come from an inverted table of word beginnings, a few of the rarest words of the title
at a time, so the work is bounded however many tasks there are. They are judged by the trigrams
that two titles share, as a Jaccard index in whole percent; the same measure, with two spaces put
before and one after each word, as in https://www.postgresql.org/docs/current/pgtrgm.html.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from zlib import crc32

import msgspec
from msgspec import Struct

from waggle.eventual.task_kinds import TaskAdd

STEM_CHARS = 5
"""So much of a word counts, so that `parser` finds `parsing`: stemming by truncation."""
STEMS_MAX = 12
"""How many words of a title are kept, the longest ones."""
RAREST = 4
"""How many words of a title are looked up."""
ROWS_MAX = 200
"""How many tasks are compared for one word, those that came here last."""
ALIKE_PERCENT = 40
SHOWN_MAX = 3
_WORD = re.compile(r"\w+")
_title = msgspec.json.Decoder(TaskAdd)


class Similar(Struct, frozen=True, kw_only=True):
    """An open task whose title is like another's."""

    id: str
    title: str
    percent: int
    """100 means the same words."""


def words(title: str) -> list[str]:
    """Give the words of a title in one form of letters and case."""
    return _WORD.findall(unicodedata.normalize("NFKC", title).casefold())


def stems(title: str) -> set[int]:
    """Give numbers for the beginnings of a title's words; two words may share one."""
    found = sorted(
        {word[:STEM_CHARS] for word in words(title)}, key=lambda stem: (-len(stem), stem)
    )
    return {crc32(stem.encode()) for stem in found[:STEMS_MAX]}


def trigrams(title: str) -> set[str]:
    """Give all runs of three characters in a title's words, with spaces around each word."""
    padded = (f"  {word} " for word in words(title))
    return {text[i : i + 3] for text in padded for i in range(len(text) - 2)}


def likeness(one: set[str], other: set[str]) -> int:
    """Give how much of two sets is common to both, in percent."""
    return 100 * len(one & other) // (len(one | other) or 1)


def similar(db: sqlite3.Connection, title: str, before: tuple[int, str]) -> list[Similar]:
    """Give the open tasks whose titles are most like one, added before (stamp, id)."""
    counted = []
    for stem in stems(title):
        rows = db.execute(
            "SELECT n FROM task_word WHERE word=? ORDER BY n DESC LIMIT ?", (stem, ROWS_MAX)
        )
        numbers = [n for (n,) in rows]
        counted.append((len(numbers), stem, numbers))
    near = sorted({n for _, _, numbers in sorted(counted)[:RAREST] for n in numbers})
    mine, found = trigrams(title), []
    for n in near:
        row = db.execute("SELECT id, at, coalesce(now, body) FROM task WHERE n=?", (n,)).fetchone()
        other = _title.decode(row[2]).title
        percent = likeness(mine, trigrams(other))
        if percent >= ALIKE_PERCENT and (row[1], row[0]) < before:
            found.append(Similar(id=row[0], title=other, percent=percent))
    return sorted(found, key=lambda one: (-one.percent, one.id))[:SHOWN_MAX]
