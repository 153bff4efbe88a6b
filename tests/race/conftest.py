"""Fields to race in: real git, real processes, real signals."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests import their helper as tests.race.field, from wherever pytest was started.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.race.field import Field  # noqa: E402 - it is found from here on


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """A small project with a bug and a test, and nothing of waggle's in it."""
    made = Field(tmp_path)
    yield made
    made.close()
