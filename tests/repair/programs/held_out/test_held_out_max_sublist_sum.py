import pytest
from max_sublist_sum import max_sublist_sum


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([5, -9, 6],), 6),
        (([],), 0),
        (([-1, 2],), 2),
        (([8, -1, 8],), 15),
    ],
)
def test_max_sublist_sum(arguments, expected):
    assert max_sublist_sum(*arguments) == expected
