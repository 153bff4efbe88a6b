import pytest
from parentheses import is_valid


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (('((()()))()',), True),
        ((')()(',), False),
        (('((',), False),
        (('',), True),
        (('(()',), False),
    ],
)
def test_parentheses(arguments, expected):
    assert is_valid(*arguments) == expected
