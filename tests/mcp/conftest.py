"""A project for agents that work over MCP, and a server of it within this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mcp.near import Near
from tests.mcp.wire import Wire
from tests.race.field import Field


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Field]:
    """A small project with a bug, and no store."""
    made = Field(tmp_path)
    yield made
    made.close()


@pytest.fixture
def field(bare: Field) -> Field:
    """The same with a store."""
    bare.json("init")
    return bare


@pytest.fixture
def near(field: Field) -> Iterator[Near]:
    """A server's calls in this process, without the protocol."""
    made = Near(field)
    yield made
    made.close()


@pytest.fixture
def wire(field: Field) -> Iterator[Wire]:
    """A server's process, by its pipes."""
    made = Wire(field)
    yield made
    made.close()
