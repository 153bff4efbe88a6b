import pytest
from roman import roman


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1,), 'I'),
        ((3,), 'III'),
        ((14,), 'XIV'),
        ((1994,), 'MCMXCIV'),
        ((2026,), 'MMXXVI'),
    ],
)
def test_roman(arguments, expected):
    assert roman(*arguments) == expected
