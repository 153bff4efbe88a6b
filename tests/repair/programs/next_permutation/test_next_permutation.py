import pytest
from next_permutation import next_permutation


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([3, 2, 4, 1],), [3, 4, 1, 2]),
        (([3, 5, 6, 2, 1],), [3, 6, 1, 2, 5]),
        (([4, 1, 7, 2],), [4, 2, 1, 7]),
        (([3, 2, 1],), None),
    ],
)
def test_next_permutation(arguments, expected):
    assert next_permutation(*arguments) == expected
