"""Write docs/MCP.md: its tables come from the code, and a test holds the page against this.

python tools/mcp_page.py > docs/MCP.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from waggle.faces.mcp.schemas import input_schema
from waggle.faces.mcp.table import RESOURCES, TOOLS, TOOLS_TOKENS_MAX, Tool

_PAGE = """# Agents over MCP

Written by `python tools/mcp_page.py`; do not edit.

`waggle mcp` is a Model Context Protocol server on standard input and output. Its tools are the
operations of the command line, so both give the same results and the same errors.

```json
{{"mcpServers": {{"waggle": {{"command": "waggle", "args": ["mcp", "--as", "ann"]}}}}}}
```

Start it in the repository, or in the agent's own worktree: work is published from there. It needs
a store (`waggle init`), but starts without one and takes it when it is made.

**Who acts:** `as` in the call, else `--as`, else `WAGGLE_AGENT`, else the client's own name.
`--model` and `--vendor` (or `WAGGLE_MODEL`, `WAGGLE_VENDOR`) say what the agent is, and
`WAGGLE_SESSION` names its session.

**Keys:** every write takes a `key`. A call that is repeated with its key is done once and gives the
first result, so after a lost answer it is safe to repeat.

**Blindness:** `candidates`, `diff` and the resource of a task show neither authors, models nor
votes. `choose` shows them: vote before you look. A vote says with `blind` that you did.

## Tools

{n} tools; the whole list is at most {tokens:,} tokens (o200k_base). Arguments in bold are needed.

{tools}

A result comes as text and, by the tool's output schema, structured; what has no value is left out,
and texts beyond 20,000 characters are cut and say so. One call is done after the other. `check`
runs tests and takes as long as they do; a call that was begun is finished though it is cancelled.
A client that asks for progress hears of each command that `check` begins and of each remote that
`sync` is through with.

## Resources

JSON texts, for reading.

{resources}

## Errors

A refused call has `isError`, the words as text, and structured:

```json
{{"error": {{"code": "limit", "message": "…", "happened": "no", "fault": "caller", "next": "…"}}}}
```

`happened` says whether it was done (`no` or `maybe`), `next` is the safe next step; the codes stand
in [REFERENCE.md](REFERENCE.md#errors). A command `waggle X` in it is the tool X. A tool or argument
that does not exist is such an error, too. A resource that cannot be read is a JSON-RPC error with
the same fields in `data`, and a line that is no message is answered with the code -32700.

The server ends when its client closes standard input, or on SIGTERM; so does a test that it runs.
"""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _tools() -> Iterator[str]:
    yield _row("tool", "what it does", "arguments")
    yield _row("---", "---", "---")
    for tool in TOOLS:
        yield _row(f"`{tool.name}`", tool.about, ", ".join(_arguments(tool)))


def _arguments(tool: Tool) -> Iterator[str]:
    schema = input_schema(tool)
    for name in schema["properties"]:
        yield f"**`{name}`**" if name in schema.get("required", ()) else f"`{name}`"


def _resources() -> Iterator[str]:
    yield _row("address", "what it is")
    yield _row("---", "---")
    for one in RESOURCES:
        yield _row(f"`{one.uri}`", one.about)


def page() -> str:
    """Give the whole page."""
    return _PAGE.format(
        n=len(TOOLS),
        tokens=TOOLS_TOKENS_MAX,
        tools="\n".join(_tools()),
        resources="\n".join(_resources()),
    )


if __name__ == "__main__":
    sys.stdout.write(page())
