import pytest
from kth import kth


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([1, 2, 3, 4, 5, 6, 7], 4), 5),
        (([3, 6, 7, 1, 6, 3, 8, 9], 5), 7),
        (([2, 6, 8, 3, 5, 7], 0), 2),
        (([1, 1, 1], 2), 1),
        (([9, 4], 1), 9),
    ],
)
def test_kth(arguments, expected):
    assert kth(*arguments) == expected
