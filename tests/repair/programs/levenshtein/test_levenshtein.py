import pytest
from levenshtein import levenshtein


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (('electron', 'neutron'), 3),
        (('kitten', 'sitting'), 3),
        (('rosetta', 'rosetta'), 0),
        (('', 'wing'), 4),
        (('hello', 'olleh'), 4),
    ],
)
def test_levenshtein(arguments, expected):
    assert levenshtein(*arguments) == expected
