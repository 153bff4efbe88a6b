"""What is known of the whole tables from which the data were drawn, to hold ours against.

Per cent right, k random agents within 10 points of one another. The figures come with the data
(README.md there); they are here so that the document can show them beside ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.choice.measure import BEST, KNOWING, MEAN
from bench.choice.replay import CALIBRATED, OWN_RECORD

KNOWN: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "openhands-swe-bench-verified": {
        MEAN: {3: 73.8, 5: 74.5, 10: 75.0, 20: 74.9},
        BEST: {3: 75.7, 5: 77.1, 10: 78.3, 20: 78.8},
        "checks | one checks": {3: 80.2, 5: 82.1, 10: 83.2, 20: 83.2},
        "checks | three checks": {3: 82.6, 5: 85.7, 10: 88.7, 20: 90.6},
        "checks | blind checks": {3: 80.8, 5: 83.6, 10: 86.3, 20: 88.1},
        KNOWING: {3: 83.1, 5: 86.3, 10: 89.6, 20: 91.9},
    },
    "answers": {
        MEAN: {3: 64.2, 5: 59.4, 10: 62.8},
        BEST: {3: 66.5, 5: 62.4, 10: 67.0},
        "agreement": {3: 68.6, 5: 66.8, 10: 72.0},
        "confidence": {5: 61.9},
        OWN_RECORD: {5: 64.4},
        CALIBRATED: {5: 67.5},
    },
}
