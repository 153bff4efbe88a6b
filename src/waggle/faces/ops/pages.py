"""FACTS.md and HEARTBEAT.md: what is known, and who takes part. Conflicts stand out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from waggle.eventual import fact_reads
from waggle.eventual.fact_reads import Fact
from waggle.faces.ops.present import AgentShape, agent_words
from waggle.faces.ops.shapes import printable, short, when

FACTS_HINT = "do not edit: `waggle fact add ENTITY ATTRIBUTE VALUE` adds to it"
HEARTBEAT_HINT = "do not edit: agents write to it by `waggle beat`"
FACTS_MAX = 5000
"""Values on the page; `waggle fact export` has no limit."""
VALUE_CHARS = 500


def facts_body(db: sqlite3.Connection) -> str:
    """Give the text of FACTS.md below its first line."""
    found = list(islice(fact_reads.values(db), FACTS_MAX + 1))
    out = ["# Facts", ""]
    for entity, facts in groupby(found[:FACTS_MAX], key=lambda one: one.entity):
        out += [f"## {printable(entity)}", ""]
        for _, heads in groupby(facts, key=lambda one: one.attribute):
            out += _register(list(heads))
        out.append("")
    if len(found) > FACTS_MAX:
        out += ["There are more: `waggle fact export`.", ""]
    return "\n".join(out)


def _register(heads: list[Fact]) -> Iterator[str]:
    """Give the lines of one attribute; its heads come with the shown one last."""
    *others, shown = heads
    yield f"- {printable(shown.attribute)}: {_words(shown)}"
    for one in reversed(others):
        if one.value != shown.value:
            yield f"  - conflict: {_words(one)}"


def _words(fact: Fact) -> str:
    replica, _, agent = fact.writer.partition("/")
    source = f", from {printable(fact.source)}" if fact.source else ""
    value = printable(fact.value or "", VALUE_CHARS)
    return f"{value} ({printable(agent, 40)}@{replica[:6]}, {when(fact.at)}{source})"


def heartbeat_body(agents: Sequence[AgentShape]) -> str:
    """Give the text of HEARTBEAT.md below its first line."""
    out = ["# Heartbeat", ""]
    for state in ("alive", "suspect", "lapsed", "left"):
        found = [one for one in agents if one.state == state]
        if found:
            out += [f"## {state.capitalize()}", ""]
            out += [f"- {agent_words(one)} ({short(one.replica)})" for one in found]
            out.append("")
    return "\n".join(out)
