import pytest
from bucketsort import bucketsort


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([0, 0, 1], 2), [0, 0, 1]),
        (([7], 8), [7]),
        (([5, 4, 3, 2, 1, 0], 6), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_bucketsort(arguments, expected):
    assert bucketsort(*arguments) == expected
