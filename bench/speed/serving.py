"""Agents by MCP: starting the server, calling it, and what it costs an agent to know of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import bpe_openai  # type: ignore[import-untyped]
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from bench.speed import commands, settling, world
from bench.speed.measure import Samples, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section
from waggle.faces.mcp.server import tools
from waggle.faces.mcp.table import TOOLS_TOKENS_MAX
from waggle.faces.ops.prime import TOKENS_MAX

_TOKENIZER = "o200k_base"
_IMPORT = (sys.executable, "-c", "import mcp")
_PYTHON = (sys.executable, "-c", "import sqlite3")
_SETTING = (
    "`waggle mcp` as a process of its own, called over standard input and output by the official"
    " SDK's client. A start ends when the client has shaken hands; a call holds the client's and"
    " the server's work, and for a vote a durable insert. The store has a few hundred entries:"
    " tasks, claims, candidates, facts, conflicts, members. Tokens are those of `{tokenizer}`, of"
    " the whole list of tools as clients get it, and of what `waggle prime` prints there."
)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure all of it."""
    say("serving MCP")
    where = world.repository(folder / "serving")
    with world.space_in(where) as space:
        candidate = settling.settle(space)
    rows = (
        _starts(sizes, where),
        *asyncio.run(_calls(sizes, where, candidate)),
        _tools(),
        *_prime(sizes, where),
    )
    setting = _SETTING.format(tokenizer=_TOKENIZER)
    return Section(title="Agents by MCP", setting=setting, rows=rows)


@asynccontextmanager
async def _session(where: Path) -> AsyncIterator[ClientSession]:
    """Start a server in a repository and shake hands with it; end it with the context."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "waggle", "mcp"], cwd=where, env=dict(os.environ)
    )
    async with stdio_client(server) as (source, sink), ClientSession(source, sink) as session:
        await session.initialize()
        yield session


async def _start(where: Path) -> float:
    began = perf_counter()
    async with _session(where):
        return perf_counter() - began


def _starts(sizes: Sizes, where: Path) -> Row:
    mine, theirs = alternate(
        sizes.server_starts,
        lambda: asyncio.run(_start(where)),
        timed(lambda: commands.run(_IMPORT, where)),
    )
    return Row(
        what="`waggle mcp`, from its start until it has shaken hands",
        ours=mine,
        baseline=theirs,
        against='`python -c "import mcp"`',
    )


async def _calls(sizes: Sizes, where: Path, candidate: str) -> list[Row]:
    """Let calls of tools take turns with a ping, over one session."""
    async with _session(where) as session:

        async def call(tool: str, arguments: dict[str, object]) -> None:
            answer = await session.call_tool(tool, arguments)
            assert not answer.is_error, answer

        async def ping(_number: int) -> None:
            await session.send_ping()

        async def fact(number: int) -> None:
            await call("fact_get", {"entity": settling.entity(number)})

        async def vote(number: int) -> None:
            await call("vote", {"candidate": candidate, "score": number % 101})

        await session.list_tools()  # a client asks for it first, and checks answers by it
        columns: tuple[list[float], ...] = ([], [], [])
        for number in range(sizes.server_calls):
            for column, work in zip(columns, (ping, fact, vote), strict=True):
                column.append(await _took(work, number))
    pings, facts, votes = (Samples(tuple(column)) for column in columns)
    return [
        Row(what=f"a call of `{tool}`", ours=mine, baseline=pings, against="a ping")
        for tool, mine in (("fact_get", facts), ("vote", votes))
    ]


async def _took(work: Callable[[int], Awaitable[None]], number: int) -> float:
    began = perf_counter()
    await work(number)
    return perf_counter() - began


def _tokens(text: str) -> Samples:
    count = len(bpe_openai.get_encoding(_TOKENIZER).encode(text))
    return Samples((float(count),), "tokens")


def _tools() -> Row:
    listed = [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools()]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    return Row(
        what=f"the list of {len(listed)} tools",
        ours=_tokens(text),
        goals=(Goal(limit=TOOLS_TOKENS_MAX, of="figure"),),
    )


def _prime(sizes: Sizes, where: Path) -> tuple[Row, ...]:
    goals = (Goal(limit=TOKENS_MAX, of="figure"),)

    def prime(*options: str) -> str:
        words: tuple[str | Path, ...] = (commands.WAGGLE, "prime", *options)
        return commands.run(words, where, WAGGLE_AGENT=settling.NEWCOMER.name).stdout

    text = prime()
    missing = [name for name in settling.SHOWN if f"\n{name}:" not in text]
    assert not missing, f"the store has nothing for {missing}"
    mine, python = alternate(
        sizes.commands,
        timed(prime),
        timed(lambda: commands.run(_PYTHON, where)),
    )
    return (
        Row(what="what `waggle prime` prints", ours=_tokens(text), goals=goals),
        Row(what="the same with `--json`", ours=_tokens(prime("--json")), goals=goals),
        Row(what="`waggle prime` as a command", ours=mine, baseline=python,
            against='`python -c "import sqlite3"`'),
    )  # fmt: skip
