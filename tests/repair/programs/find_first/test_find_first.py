import pytest
from find_first import find_first


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([3, 4, 5, 5, 5, 5, 6], 5), 2),
        (([3, 4, 5, 5, 5, 5, 6], 7), -1),
        (([3, 4, 5, 5, 5, 5, 6], 2), -1),
        (([3, 6, 7, 9, 9, 10, 14, 27], 14), 6),
        (([0, 1, 6, 8, 13, 14, 67, 128], 80), -1),
    ],
)
def test_find_first(arguments, expected):
    assert find_first(*arguments) == expected
