import pytest
from parentheses import is_valid


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (('()(',), False),
        (('()()',), True),
        ((')',), False),
        (('(((',), False),
    ],
)
def test_parentheses(arguments, expected):
    assert is_valid(*arguments) == expected
