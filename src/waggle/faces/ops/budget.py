"""Cutting a text to a budget of tokens: whole lines, always the same ones, and how many are left.

Tokens are counted without a tokenizer, and rather too high. The byte-level tokenizers in use split
a text into words, groups of at most three digits, and runs of other signs, before they look
anything up (the patterns of `cl100k_base` and `o200k_base` in
https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py), and never make more
tokens of a piece than it has bytes. So three digits count as one token; a sign, and each byte of
what is not ASCII, as one; and three letters as one, which holds for words and names: English has
about four to a token. Letters drawn at random come to up to half as many again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

_PIECE = re.compile(r"[A-Za-z]+|[0-9]+| (?=\S)|[ \t]+|.", re.DOTALL)
_PER_TOKEN = 3
"""Letters or digits."""


def tokens_at_most(text: str) -> int:
    """Give a bound, as the head of this module says, for the tokens of a text."""
    return sum(map(_tokens, _PIECE.findall(text)))


def _tokens(piece: str) -> int:
    if piece == " ":
        return 0  # one space goes with the piece that follows
    if piece.isascii():
        return -(-len(piece) // _PER_TOKEN) if piece.isalnum() else 1
    return len(piece.encode(errors="surrogatepass"))


def quoted(text: str, chars: int) -> str:
    """Give others' words as data: on one line, in quotes, at most so many characters within them.

    Control characters, and those that turn the reading direction, become spaces.
    """
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    cut = clean if len(clean) <= chars else clean[: chars - 1].rstrip() + "…"
    return f'"{cut.replace(chr(34), chr(39))}"'


class Section(Struct, frozen=True, kw_only=True):
    """What there is to say of one thing: its lines, the most important first."""

    name: str
    lines: tuple[str, ...]
    total: int
    """How many there are; `lines` may hold only the first of them."""
    more: str
    """The command that shows all."""


def line_cost(line: str) -> int:
    """Give what a line costs at most, as text or as a string in JSON."""
    return tokens_at_most(json.dumps(line, ensure_ascii=False)) + 2


def fit(
    sections: Sequence[Section], budget: int, cost: Callable[[str], int] = line_cost
) -> list[Section]:
    """Give the sections with as many of their lines as go into a budget of tokens.

    Lines are dealt in turns: the first of each section, then the second of each, and so on; a
    section that could not have its next line gets no later one. A greater budget shows no less.
    What stands around the lines is the caller's to take off the budget.
    """
    left = budget
    shown = [0] * len(sections)
    for turn in range(max((len(one.lines) for one in sections), default=0)):
        for n, one in enumerate(sections):
            if shown[n] == turn < len(one.lines):
                price = cost(one.lines[turn])
                if price > left:
                    # Nobody gets anything any more: or else a smaller budget could show more.
                    return _cut(sections, shown)
                shown[n] += 1
                left -= price
    return _cut(sections, shown)


def _cut(sections: Sequence[Section], shown: Sequence[int]) -> list[Section]:
    return [
        Section(name=one.name, lines=one.lines[:count], total=one.total, more=one.more)
        for one, count in zip(sections, shown, strict=True)
    ]


def more_line(section: Section, shown: int) -> str:
    """Give the line that says how many are not shown."""
    return f"… {section.total - shown} more: `{section.more}`"
