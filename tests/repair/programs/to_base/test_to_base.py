import pytest
from to_base import to_base


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((31, 16), '1F'),
        ((44, 5), '134'),
        ((27, 23), '14'),
        ((8227, 18), '1771'),
        ((73, 8), '111'),
    ],
)
def test_to_base(arguments, expected):
    assert to_base(*arguments) == expected
