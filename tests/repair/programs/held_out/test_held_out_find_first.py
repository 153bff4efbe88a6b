import pytest
from find_first import find_first


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([1, 1, 1], 1), 0),
        (([], 4), -1),
        (([2, 4, 6], 5), -1),
        (([2, 4, 6], 6), 2),
    ],
)
def test_find_first(arguments, expected):
    assert find_first(*arguments) == expected
