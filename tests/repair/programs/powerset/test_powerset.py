import pytest
from powerset import powerset


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((['a', 'b'],), [[], ['b'], ['a'], ['a', 'b']]),
        (([],), [[]]),
        ((['x'],), [[], ['x']]),
    ],
)
def test_powerset(arguments, expected):
    assert powerset(*arguments) == expected
