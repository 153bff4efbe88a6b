import pytest
from next_permutation import next_permutation


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([1, 2, 3],), [1, 3, 2]),
        (([1, 3, 2],), [2, 1, 3]),
        (([2, 1],), None),
    ],
)
def test_next_permutation(arguments, expected):
    assert next_permutation(*arguments) == expected
