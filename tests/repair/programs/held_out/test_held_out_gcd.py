import pytest
from gcd import gcd


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 5), 5),
        ((48, 36), 12),
        ((17, 4), 1),
        ((100, 75), 25),
    ],
)
def test_gcd(arguments, expected):
    assert gcd(*arguments) == expected
