import pytest
from sieve import sieve


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((30,), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]),
        ((0,), []),
        ((5,), [2, 3, 5]),
    ],
)
def test_sieve(arguments, expected):
    assert sieve(*arguments) == expected
