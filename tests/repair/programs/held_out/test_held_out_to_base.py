import pytest
from to_base import to_base


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((255, 16), 'FF'),
        ((10, 2), '1010'),
        ((35, 36), 'Z'),
    ],
)
def test_to_base(arguments, expected):
    assert to_base(*arguments) == expected
