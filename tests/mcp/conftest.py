"""A project for agents that work over MCP, and a server of it within this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests import their helpers as tests.…, from wherever pytest was started.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.mcp.near import Near  # noqa: E402 - it is found from here on
from tests.mcp.wire import Wire  # noqa: E402 - the same
from tests.race.field import Field  # noqa: E402 - the same


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
