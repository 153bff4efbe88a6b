"""The tests import what they share as tests.live.nodes, from wherever pytest was started."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = str(Path(__file__).parent.parent.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.live.nodes import Nodes  # noqa: E402 - it is found from here on


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
