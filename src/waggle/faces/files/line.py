"""One line of QUEUE.md, to text and back: `[seq:143] [depends:142] [agent:deploy] push to staging`.

Values of attributes are percent-encoded where they need it (RFC 3986, section 2.1), and a title is
written with backslashes where a line could not hold it. Pure.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote, unquote

from msgspec import Struct

SAFE = "/@+~:"
"""Characters that attributes keep as they are, besides letters, digits and `_.-`."""
_ATTRIBUTE = re.compile(r"\[([a-z]+)(?::([^\]\s]*))?\]\s*")
_BULLET = re.compile(r"[-*+]\s+(?:\[([ xX])\]\s+)?")
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
_UNESCAPE = re.compile(r"\\(u\{[0-9a-f]{1,6}\}|.)", re.DOTALL)


State = Literal["open", "done", "dropped"]
_STATES: dict[str, State] = {"open": "open", "done": "done", "dropped": "dropped"}


class LineError(ValueError):
    """A line that cannot be read, and why, for whoever wrote it."""


class Line(Struct, frozen=True, kw_only=True):
    """What a line says."""

    seq: str = ""
    """Its number: of a task, or one that other new lines refer to; empty where it has none."""
    title: str
    depends: tuple[str, ...] = ()
    """Numbers of other lines, sorted."""
    agent: str = ""
    """Who works on it."""
    priority: int | None = None
    labels: tuple[str, ...] = ()
    state: State = "open"
    notes: tuple[str, ...] = ()
    """What waggle itself points out, such as `conflict:title`; nothing that can be edited."""


def write(line: Line) -> str:
    """Give a line's text, without its newline."""
    parts = [f"[seq:{line.seq}]"] if line.seq else []
    if line.depends:
        parts.append(f"[depends:{','.join(line.depends)}]")
    if line.agent:
        parts.append(f"[agent:{quote(line.agent, SAFE)}]")
    if line.priority is not None:
        parts.append(f"[priority:{line.priority}]")
    parts += [f"[label:{quote(label, SAFE)}]" for label in line.labels]
    if line.state != "open":
        parts.append(f"[state:{line.state}]")
    parts += [f"[{note}]" for note in line.notes]
    return " ".join([*parts, _escaped(line.title)])


def read(text: str) -> Line:
    """Give what a line says; raise LineError.

    A list's bullet and checkbox may stand before it, as in `- [x] [seq:143] push to staging`.
    """
    bullet = _BULLET.match(text)
    ticked = False
    if bullet:
        text = text[bullet.end() :]
        ticked = bullet[1] in {"x", "X"}
    found: dict[str, list[str]] = {}
    while (part := _ATTRIBUTE.match(text)) is not None:
        found.setdefault(part[1], []).append(unquote(part[2] or "", errors="replace"))
        text = text[part.end() :]
    found.setdefault("state", ["done" if ticked else "open"])
    return _line(found, _unescaped(text.strip()))


def _line(found: dict[str, list[str]], title: str) -> Line:
    unknown = found.keys() - {
        "seq", "depends", "agent", "priority", "label", "state", "conflict", "cycle",
    }  # fmt: skip
    if unknown:
        raise LineError(f"there is no attribute [{min(unknown)}:...]")
    for name in ("seq", "agent", "priority", "state"):
        if len(found.get(name, ())) > 1:
            raise LineError(f"[{name}:...] stands twice")
    if not title:
        raise LineError("it has no title")
    state = _STATES.get(found["state"][0])
    if state is None:
        raise LineError(f"[state:{found['state'][0]}] is none of {', '.join(_STATES)}")
    depends = [one for value in found.get("depends", ()) for one in value.split(",")]
    if "" in depends:
        raise LineError("[depends:...] names nothing")
    return Line(
        seq=found.get("seq", [""])[0],
        title=title,
        depends=tuple(sorted(set(depends))),
        agent=found.get("agent", [""])[0],
        priority=_priority(found["priority"][0]) if "priority" in found else None,
        labels=tuple(sorted(set(found.get("label", ())))),
        state=state,
    )


def _priority(text: str) -> int:
    if not (len(text) == 1 and text in "0123456789"):
        raise LineError(f"[priority:{text}] is no number from 0 (most urgent) to 9")
    return int(text)


def _escaped(title: str) -> str:
    """Give a title on one line that reads back as it was."""
    text = "".join(
        _ESCAPES.get(char) or (char if char.isprintable() else f"\\u{{{ord(char):x}}}")
        for char in title
    )
    if text[:1] in {" ", "["}:
        text = "\\" + text
    if text.endswith(" "):
        text = text[:-1] + r"\u{20}"
    return text


def _unescaped(text: str) -> str:
    named = {"n": "\n", "r": "\r", "t": "\t"}

    def char(found: re.Match[str]) -> str:
        word = found[1]
        if len(word) > 1:
            code = int(word[2:-1], 16)
            return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else found[0]
        return named.get(word, word)

    return _UNESCAPE.sub(char, text)
