"""Networks for tests; tests/conftest.py sums up at the end of the run what happened in them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.net.hosts import Network, NetworkOf, network


@pytest.fixture
def networks(request: pytest.FixtureRequest) -> Iterator[NetworkOf]:
    """Make networks as tests.net.hosts.network does.

    Without a seed of its own a network has one that is new in every run and shown with a failure;
    NET_SEED sets it.
    """
    drawn = int(os.environ.get("NET_SEED", time.time_ns() % 1_000_000_000))
    request.node.add_report_section("call", "seed", f"repeat with NET_SEED={drawn}")
    tally: Counter[str] = Counter()

    @contextmanager
    def make(
        count: int, *, delay_ms: float = 0, loss: float = 0, seed: int = drawn
    ) -> Iterator[Network]:
        with network(count, delay_ms=delay_ms, loss=loss, seed=seed) as net:
            tally["networks"] += 1
            try:
                yield net
            finally:
                if net.switch.poll() is None:
                    tally.update(net.counts())

    yield make
    request.node.user_properties.append(("tally: hosts in network namespaces", dict(tally)))
