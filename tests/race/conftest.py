"""Fields to race in: real git, real processes, real signals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.race.field import Field


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """A small project with a bug and a test, and nothing of waggle's in it."""
    made = Field(tmp_path)
    yield made
    made.close()
