"""What the sync tests did; tests/conftest.py sums it up at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest


@pytest.fixture
def happened(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts that a test hands to the summary, whether it passes or fails."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append(("tally: fleets of replicas at random", dict(counts)))
