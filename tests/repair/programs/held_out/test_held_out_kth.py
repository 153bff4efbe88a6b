import pytest
from kth import kth


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([5, 4, 3, 2, 1], 3), 4),
        (([5, 1], 0), 1),
        (([2, 2, 1], 1), 2),
    ],
)
def test_kth(arguments, expected):
    assert kth(*arguments) == expected
