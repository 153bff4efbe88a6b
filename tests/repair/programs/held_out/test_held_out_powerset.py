import pytest
from powerset import powerset


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([1, 2, 3],), [[], [3], [2], [2, 3], [1], [1, 3], [1, 2], [1, 2, 3]]),
    ],
)
def test_powerset(arguments, expected):
    assert powerset(*arguments) == expected
