"""Full-text search over the heads of facts: SQLite's FTS5, ranked by BM25.

Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3;
FTS5's query language: https://www.sqlite.org/fts5.html, section 3.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.eventual.fact_reads import COLUMNS, TABLES, Fact, fact_of

QUERY_CHARS_MAX = 1024
QUERY_WORDS_MAX = 32
_RANK = "bm25(fact_index, 4.0, 2.0, 1.0)"
"""A word in an entity's name weighs more than in an attribute's, and that more than in a value."""


class Hit(Struct, frozen=True, kw_only=True):
    """A head that a search found."""

    fact: Fact
    conflict: bool
    """Whether its register has other heads with other values."""


def search(db: sqlite3.Connection, words: str, limit: int) -> list[Hit]:
    """Give the heads that hold every word or its beginning, the best first, then by id.

    Costs what the words match, since all of that is ranked. Raises `invalid` as `expression` does.
    """
    rows = db.execute(
        f"SELECT r.conflict, {COLUMNS} FROM fact_index JOIN ({TABLES}) ON f.n = fact_index.rowid"  # noqa: S608 - constants
        f" WHERE fact_index MATCH ? ORDER BY {_RANK}, f.id LIMIT ?",
        (expression(words), limit),
    )
    return [Hit(fact=fact_of(tuple(row)), conflict=bool(conflict)) for conflict, *row in rows]


def expression(words: str) -> str:
    """Give the FTS5 expression for a user's words: each is a string and a prefix, never syntax.

    Within a string only the quote has a meaning; a NUL would end the expression. Raises `invalid`
    where there is nothing to search for, or too much.
    """
    if len(words) > QUERY_CHARS_MAX:
        raise _refused(f"the search has {len(words)} characters; at most {QUERY_CHARS_MAX} can be")
    terms = [word for word in words.replace("\0", " ").split() if any(map(str.isalnum, word))]
    if not terms:
        raise _refused(f"there is no letter or digit to search for in {words!r}")
    if len(terms) > QUERY_WORDS_MAX:
        raise _refused(f"the search has {len(terms)} words; at most {QUERY_WORDS_MAX} can be")
    return " ".join('"' + term.replace('"', '""') + '"*' for term in terms)


def _refused(message: str) -> WaggleError:
    return WaggleError("invalid", message, "Give a few words of what you look for.")
