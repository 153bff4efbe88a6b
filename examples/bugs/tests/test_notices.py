import pytest
from ferry.notices import centre, shorten, wrap


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("no ferry today", 8, ["no ferry", "today"]),
        ("no ferry today", 9, ["no ferry", "today"]),
        ("a b c d", 3, ["a b", "c d"]),
        ("no ferry", 7, ["no", "ferry"]),
        ("fog", 3, ["fog"]),
    ],
)
def test_wrap(text, width, expected):
    assert wrap(text, width) == expected


def test_wrap_of_nothing():
    assert wrap("", 10) == []
    assert wrap("   ", 10) == []


def test_shorten():
    assert shorten("storm warning", 10) == "storm w..."
    assert shorten("storm warning", 9) == "storm..."
    assert shorten("storm", 5) == "storm"


def test_centre():
    assert centre("fog", 6) == " fog  "
    assert centre("fog", 7) == "  fog  "
