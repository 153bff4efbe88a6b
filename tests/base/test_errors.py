"""The table of errors: stable codes and statuses, and what an agent reads."""

from __future__ import annotations

import pytest

from waggle.base.errors import KINDS, WaggleError

STATUSES = {
    "internal": 1,
    "usage": 2,
    "invalid": 2,
    "not_found": 3,
    "ambiguous": 3,
    "limit": 4,
    "held": 5,
    "would_lose": 6,
    "not_allowed": 6,
    "no_repository": 7,
    "not_initialised": 7,
    "environment": 7,
    "in_doubt": 8,
    "damaged": 8,
    "busy": 9,
    "failed": 10,
    "interrupted": 130,
}
"""Exit statuses are a promise to scripts: new codes may come, none of these may change."""


def test_no_promised_status_has_changed() -> None:
    assert {code: KINDS[code].status for code in STATUSES} == STATUSES


def test_no_error_looks_like_success_or_a_signal() -> None:
    assert all(0 < kind.status < 128 or code == "interrupted" for code, kind in KINDS.items())


def test_only_these_leave_it_open_whether_it_happened() -> None:
    indefinite = {code for code, kind in KINDS.items() if not kind.definite}
    assert indefinite == {"internal", "in_doubt", "interrupted"}


@pytest.mark.parametrize("code", KINDS)
def test_every_row_says_whose_fault_it_is_and_what_it_means(code: str) -> None:
    kind = KINDS[code]
    assert kind.fault in {"caller", "environment", "waggle"}
    assert kind.meaning.endswith(".")
    assert kind.meaning[0].isupper()


@pytest.mark.parametrize("code", KINDS)
def test_an_error_prints_all_that_an_agent_needs(code: str) -> None:
    assert WaggleError(code, "what", "next").to_dict() == {
        "code": code,
        "message": "what",
        "happened": "no" if KINDS[code].definite else "maybe",
        "fault": KINDS[code].fault,
        "next": "next",
    }
