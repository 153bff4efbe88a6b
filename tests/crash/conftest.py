"""What the crash tests did and found, summed up at the end of the run, under xdist too."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

# The tests import their harness as tests.crash.harness, from wherever pytest was started.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

_PROPERTY = "crash"


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts that a test hands to the summary, whether it passes or fails."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append((_PROPERTY, dict(counts)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the sums below the results."""
    total: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, value in getattr(report, "user_properties", ()):
                if name == _PROPERTY:
                    total.update(value)
    if not total:
        return
    terminalreporter.section("crash safety")
    lost = total.pop("acknowledged entries lost", 0)
    for name, count in sorted(total.items()):
        terminalreporter.write_line(f"{count:>8}  {name}")
    terminalreporter.write_line(f"{lost:>8}  acknowledged entries lost")
