import pytest
from roman import roman


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((8,), 'VIII'),
        ((400,), 'CD'),
        ((3999,), 'MMMCMXCIX'),
    ],
)
def test_roman(arguments, expected):
    assert roman(*arguments) == expected
