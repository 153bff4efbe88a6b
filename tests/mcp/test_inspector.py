"""The MCP Inspector's command line, a client in another language, understands the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.race.field import PATIENCE_S, Field

from waggle.faces.mcp.table import RESOURCES, TOOLS

INSPECTOR = "@modelcontextprotocol/inspector@0.15.0"
"""A release that Node 20 runs, too."""
CACHE = os.environ.get("NPM_CONFIG_CACHE") or str(Path.home() / ".npm")
"""npm's own: tests get another home, and the package is fetched once."""

Inspect = Callable[..., dict[str, Any]]


@pytest.fixture
def inspect(field: Field) -> Inspect:
    """Give what runs the Inspector on a server of its own; skip where it cannot be had."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("the MCP Inspector was not tried: there is no npx")
    env = {**field.env, "npm_config_cache": CACHE, "npm_config_update_notifier": "false"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [npx, "--yes", INSPECTOR, *words]
        return subprocess.run(
            argv,
            cwd=field.top,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    try:
        there = run("--help")
    except subprocess.TimeoutExpired:
        pytest.skip(f"the MCP Inspector was not tried: npm did not bring it in {PATIENCE_S} s")
    if there.returncode:
        pytest.skip(f"the MCP Inspector was not tried: {there.stderr.strip()[-300:]}")

    def ask(method: str, *words: str) -> dict[str, Any]:
        server = (sys.executable, "-m", "waggle", "mcp")
        done = run("--cli", *server, "--method", method, *words)
        assert done.returncode == 0, done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return ask


def test_the_inspector_lists_calls_and_reads(inspect: Inspect) -> None:
    listed = inspect("tools/list")["tools"]
    assert [one["name"] for one in listed] == [tool.name for tool in TOOLS]
    resources = inspect("resources/list")["resources"]
    assert len(resources) == len([one for one in RESOURCES if not one.is_template])

    words = ("--tool-name", "task_add", "--tool-arg", "title=by the inspector")
    added = inspect("tools/call", *words)
    assert not added.get("isError")
    task = added["structuredContent"]["task"]
    assert task["by"].endswith("/inspector-cli")
    (content,) = inspect("resources/read", "--uri", "waggle://tasks")["contents"]
    assert task["id"] in content["text"]


def test_the_inspector_shows_an_error_as_it_is(inspect: Inspect) -> None:
    """Its client holds structured errors against the output schema, too: they must fit."""
    words = ("--tool-name", "task_show", "--tool-arg", "task=abcdef")
    refused = inspect("tools/call", *words)
    assert refused["isError"] is True
    assert refused["structuredContent"]["error"]["code"] == "not_found"
