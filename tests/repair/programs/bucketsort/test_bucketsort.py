import pytest
from bucketsort import bucketsort


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([], 14), []),
        (([3, 11, 2, 9, 1, 5], 12), [1, 2, 3, 5, 9, 11]),
        (([3, 2, 4, 2, 3, 5], 6), [2, 2, 3, 3, 4, 5]),
        (([1, 3, 4, 6, 4, 2, 9, 1, 2, 9], 10), [1, 1, 2, 2, 3, 4, 4, 6, 9, 9]),
    ],
)
def test_bucketsort(arguments, expected):
    assert bucketsort(*arguments) == expected
