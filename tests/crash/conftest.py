"""What the crash tests did and found; tests/conftest.py sums it up at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

PROPERTY = "tally: crash safety"
"""Under which name reports carry the counts; tests/conftest.py sums them up."""


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts that a test hands to the summary, whether it passes or fails."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append((PROPERTY, dict(counts)))
