import pytest
from ferry.fares import discount, fare, group, split


def test_discount():
    assert discount(1000, 20) == 800
    assert discount(999, 50) == 500


@pytest.mark.parametrize(
    ("base", "age", "percent", "expected"),
    [(1000, 30, 0, 1000), (1000, 15, 0, 500), (1000, 16, 10, 900), (800, 8, 25, 300)],
)
def test_fare(base, age, percent, expected):
    assert fare(base, age, percent) == expected


def test_group():
    assert group(1000, [40] * 9) == 9000
    assert group(1000, [40] * 10) == 8000
    assert group(1000, [40] * 9 + [6]) == 7600


@pytest.mark.parametrize(
    ("cents", "people", "expected"),
    [(100, 3, [34, 33, 33]), (10, 5, [2, 2, 2, 2, 2]), (11, 4, [3, 3, 3, 2])],
)
def test_split(cents, people, expected):
    assert split(cents, people) == expected
