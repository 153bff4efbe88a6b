"""Cutting a text to a budget of tokens: whole lines, always the same ones, and how many are left.

Tokens are counted without a tokenizer, and too high rather than too low. The byte-level tokenizers
in use split a text into words, groups of at most three digits, and other signs before they look
anything up (the patterns of `cl100k_base` and `o200k_base` in
https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py), and never make more
tokens of a piece than it has bytes. So three digits count as one token, as do a sign, each byte of
what is not ASCII, and a space unless a letter or sign of ASCII follows. Three letters count as two:
of English that is more than twice too many, and a stranger who writes letters at random to fill
the context gets no further than that (a test measures both).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from msgspec import Struct

_PIECE = re.compile(
    r"(?P<word>[A-Z]?[a-z]+|[A-Z]+)|(?P<number>[0-9]+)|(?P<joined> (?=[!-/:-~]))"
    r"|(?P<space>[ \t]+)|(?P<sign>.)",
    re.DOTALL,
)
_CUT = "…"


def tokens_at_most(text: str) -> int:
    """Give a bound, as the head of this module says, for the tokens of a text."""
    return sum(_tokens(piece) for piece in _PIECE.finditer(text))


def _tokens(piece: re.Match[str]) -> int:
    length = piece.end() - piece.start()
    match piece.lastgroup:
        case "word":
            return -(-2 * length // 3)
        case "number":
            return -(-length // 3)
        case "joined":
            return 0
        case "space":
            return 1
        case _:
            return len(piece[0].encode(errors="surrogatepass"))


def quoted(text: str, size: int) -> str:
    """Give others' words as data: on one line, in quotes, at most `size` bytes of UTF-8 in them.

    Control characters, and those that turn the reading direction, become spaces.
    """
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    clean = clean.replace('"', "'")
    raw = clean.encode()
    if len(raw) > size:
        clean = raw[: size - len(_CUT.encode())].decode(errors="ignore").rstrip() + _CUT
    return f'"{clean}"'


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


def fit(sections: Sequence[Section], budget: int) -> list[Section]:
    """Give the sections with as many of their lines as go into a budget of tokens.

    Lines are dealt in turns: the first of each section, then the second of each, and so on. The
    first one that is too dear ends it, so that a greater budget never shows less. What stands
    around the lines is the caller's to take off the budget.
    """
    shown = [0] * len(sections)
    for turn in range(max((len(one.lines) for one in sections), default=0)):
        for n, one in enumerate(sections):
            if turn < len(one.lines):
                budget -= line_cost(one.lines[turn])
                if budget < 0:
                    return _cut(sections, shown)
                shown[n] += 1
    return _cut(sections, shown)


def _cut(sections: Sequence[Section], shown: Sequence[int]) -> list[Section]:
    return [
        Section(name=one.name, lines=one.lines[:count], total=one.total, more=one.more)
        for one, count in zip(sections, shown, strict=True)
    ]


def more_line(section: Section, shown: int) -> str:
    """Give the line that says how many are not shown."""
    return f"… {section.total - shown} more: `{section.more}`"
