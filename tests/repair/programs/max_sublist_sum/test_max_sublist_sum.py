import pytest
from max_sublist_sum import max_sublist_sum


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([4, -5, 2, 1, -1, 3],), 5),
        (([0, -1, 2, -1, 3, -1, 0],), 4),
        (([3, 4, 5],), 12),
        (([-2, 1, -3, 4, -1, 2, 1, -5, 4],), 6),
        (([-4, -4, -5],), 0),
    ],
)
def test_max_sublist_sum(arguments, expected):
    assert max_sublist_sum(*arguments) == expected
