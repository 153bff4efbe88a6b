"""Nodes on the live path, and a folder with a short name for their sockets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

import pytest
from tests.live.nodes import Nodes


@pytest.fixture
def meeting() -> Iterator[str]:
    """A folder with a short path: pytest's own are too long for a socket's name."""
    folder = tempfile.mkdtemp(prefix="waggle-")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def nodes(meeting: str) -> Iterator[Nodes]:
    """Nodes in processes of their own; whatever is left of them is killed at the end."""
    nodes = Nodes(meeting)
    yield nodes
    nodes.end()
