import pytest
from gcd import gcd


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((13, 13), 13),
        ((37, 600), 1),
        ((20, 100), 20),
        ((624129, 2061517), 18913),
        ((3, 12), 3),
    ],
)
def test_gcd(arguments, expected):
    assert gcd(*arguments) == expected
