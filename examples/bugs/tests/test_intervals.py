import pytest
from ferry.intervals import gaps, merge, overlaps


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((540, 600), (570, 630), True),
        ((570, 630), (540, 600), True),
        ((540, 600), (600, 660), False),
        ((600, 660), (540, 600), False),
        ((540, 600), (700, 760), False),
        ((700, 760), (540, 600), False),
        ((540, 700), (600, 610), True),
    ],
)
def test_overlaps(a, b, expected):
    assert overlaps(a, b) == expected


def test_merge():
    assert merge([(5, 7), (1, 3), (2, 4)]) == [(1, 4), (5, 7)]
    assert merge([(1, 9), (2, 3)]) == [(1, 9)]
    assert merge([]) == []


def test_gaps_between():
    assert gaps([(540, 600), (660, 720)], 540, 720) == [(600, 660)]


def test_gap_at_the_end():
    assert gaps([(540, 600)], 540, 720) == [(600, 720)]
    assert gaps([(500, 640)], 540, 720) == [(640, 720)]


def test_gap_of_a_free_day():
    assert gaps([], 540, 720) == [(540, 720)]
