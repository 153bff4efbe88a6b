import pytest
from sieve import sieve


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1,), []),
        ((2,), [2]),
        ((4,), [2, 3]),
        ((20,), [2, 3, 5, 7, 11, 13, 17, 19]),
    ],
)
def test_sieve(arguments, expected):
    assert sieve(*arguments) == expected
