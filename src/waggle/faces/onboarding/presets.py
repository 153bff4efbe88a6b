"""Which agent reads which files of a work tree: its MCP servers, and its instructions.

Only files within the repository are named: what an agent keeps in the user's home is the user's.
Sources, seen in November 2026:

- Claude Code: https://code.claude.com/docs/en/mcp (project scope: `.mcp.json`) and
  https://code.claude.com/docs/en/memory (`CLAUDE.md`, or `.claude/CLAUDE.md`).
- Codex: https://developers.openai.com/codex/mcp (`mcp_servers` in `.codex/config.toml`, which is
  read in trusted projects only) and https://agents.md.
- Gemini CLI: https://geminicli.com/docs/tools/mcp-server (`mcpServers` in `.gemini/settings.json`)
  and https://geminicli.com/docs/cli/gemini-md (`GEMINI.md`).
- Cursor: https://cursor.com/docs/mcp (`.cursor/mcp.json`) and https://cursor.com/docs/rules
  (`AGENTS.md`).
- OpenCode: https://opencode.ai/docs/mcp-servers (`mcp` in `opencode.json` or `opencode.jsonc`;
  https://opencode.ai/docs/migrate-v1 says that version 2 reads it, too) and
  https://opencode.ai/docs/rules (`AGENTS.md`).
- Copilot in VS Code: https://code.visualstudio.com/docs/agents/reference/mcp-configuration
  (`servers` in `.vscode/mcp.json`) and
  https://code.visualstudio.com/docs/agent-customization/custom-instructions (`AGENTS.md`).
"""

from __future__ import annotations

from msgspec import Struct

from waggle.faces.onboarding.json_entry import JsonEntry
from waggle.faces.onboarding.marked import Marked
from waggle.faces.onboarding.parts import Part
from waggle.faces.onboarding.toml_entry import TomlEntry

SERVER = "waggle"
"""The name of the MCP server."""
COMMAND, ARGUMENTS = "waggle", ("mcp",)
_STDIO = {"command": COMMAND, "args": [*ARGUMENTS]}


class Preset(Struct, frozen=True, kw_only=True):
    """What one agent reads: paths relative to the work tree, the first that exists is used."""

    name: str
    servers: tuple[str, ...]
    """The file that lists MCP servers; the first is made where there is none."""
    entry: Part
    instructions: tuple[str, ...]
    note: str | None = None
    """What the user has to do besides."""


_CODEX = TomlEntry(
    within="mcp_servers",
    name=SERVER,
    marked=Marked(
        begin="# waggle:begin",
        end="# waggle:end",
        body=" (written by `waggle init`)\n[mcp_servers.waggle]\n"
        'command = "waggle"\nargs = ["mcp"]',
    ),
    inline='mcp_servers.waggle = { command = "waggle", args = ["mcp"] }',
)
_AGENTS_MD = ("AGENTS.md",)
PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="claude",
            servers=(".mcp.json",),
            entry=JsonEntry(within="mcpServers", name=SERVER, value=_STDIO),
            instructions=("CLAUDE.md", ".claude/CLAUDE.md"),
            note="Claude Code asks once whether to trust a project's servers",
        ),
        Preset(
            name="codex",
            servers=(".codex/config.toml",),
            entry=_CODEX,
            instructions=_AGENTS_MD,
            note="Codex reads .codex/config.toml in projects only that you trust; "
            "for all projects: `codex mcp add waggle -- waggle mcp`",
        ),
        Preset(
            name="gemini",
            servers=(".gemini/settings.json",),
            entry=JsonEntry(within="mcpServers", name=SERVER, value=_STDIO),
            instructions=("GEMINI.md",),
        ),
        Preset(
            name="cursor",
            servers=(".cursor/mcp.json",),
            entry=JsonEntry(within="mcpServers", name=SERVER, value=_STDIO),
            instructions=_AGENTS_MD,
            note="in Cursor, switch the server on in the settings",
        ),
        Preset(
            name="opencode",
            servers=("opencode.json", "opencode.jsonc"),
            entry=JsonEntry(
                within="mcp",
                name=SERVER,
                value={"type": "local", "command": [COMMAND, *ARGUMENTS], "enabled": True},
            ),
            instructions=_AGENTS_MD,
        ),
        Preset(
            name="copilot",
            servers=(".vscode/mcp.json",),
            entry=JsonEntry(within="servers", name=SERVER, value={"type": "stdio", **_STDIO}),
            instructions=_AGENTS_MD,
            note="in VS Code, start the server once from .vscode/mcp.json",
        ),
    )
}
"""By name, as `waggle init --agent` takes it."""
