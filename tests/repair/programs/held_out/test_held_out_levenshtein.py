import pytest
from levenshtein import levenshtein


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (('flaw', 'lawn'), 2),
        (('abc', ''), 3),
        (('same', 'same'), 0),
        (('ab', 'ba'), 2),
    ],
)
def test_levenshtein(arguments, expected):
    assert levenshtein(*arguments) == expected
