# ruff: noqa: ANN001, ANN201, D100, D103, S101 - as plain as the tests of the project itself
import itertools

import pytest
from ferry.crossings import Recent, conflicts, next_departure, seats
from ferry.fares import discount, fare, group, split
from ferry.intervals import gaps, merge, overlaps
from ferry.notices import centre, shorten, wrap
from ferry.stores import cheapest, deliver, missing, portions

SPANS = [(a, b) for a in range(5) for b in range(a + 1, 6)]


def test_overlaps_agrees_with_counting_minutes():
    for a, b in itertools.product(SPANS, SPANS):
        assert overlaps(a, b) == bool(set(range(*a)) & set(range(*b)))


def test_merge_and_gaps_agree_with_counting_minutes():
    for spans in itertools.combinations(SPANS, 2):
        taken = set().union(*(range(*span) for span in spans))
        assert {m for span in merge(spans) for m in range(*span)} == taken
        free = gaps(list(spans), 0, 8)
        assert {m for span in free for m in range(*span)} == set(range(8)) - taken
        assert free == merge(free)


@pytest.mark.parametrize("width", range(6, 30))
def test_wrap_fills_lines_and_never_overflows(width):
    text = "the last ferry of the day sails at ten past nine"
    lines = wrap(text, width)
    assert " ".join(lines) == text
    assert all(len(line) <= width for line in lines)
    for one, other in itertools.pairwise(lines):
        assert len(one) + 1 + len(other.split()[0]) > width


def test_wrap_of_blanks():
    assert wrap(" \n\t ", 5) == []


def test_shorten_and_centre():
    assert shorten("all crossings cancelled", 12) == "all cross..."
    assert shorten("all crossings cancelled", 7) == "all..."
    assert shorten("abc", 3) == "abc"
    assert centre("pier", 9) == "  pier   "


def test_fares():
    assert discount(2500, 10) == 2250
    assert fare(1200, 44, 50) == 600
    assert fare(1200, 3) == 600
    assert fare(1200, 12, 50) == 300
    assert group(500, [30] * 12) == 4800
    assert group(500, [30] * 3) == 1500


@pytest.mark.parametrize("people", range(1, 12))
def test_split_adds_up(people):
    for cents in range(50):
        shares = split(cents, people)
        assert sum(shares) == cents
        assert len(shares) == people
        assert shares == sorted(shares, reverse=True)
        assert shares[0] - shares[-1] <= 1


def test_stores():
    assert deliver([("jam", 4)]) == {"jam": 4}
    assert deliver([("oil", 1), ("oil", 1)]) == {"oil": 2}
    assert deliver([("oil", 1)], {"jam": 1}) == {"oil": 1, "jam": 1}
    assert missing({"jam": 1}, {"jam": 4, "oil": 2}) == {"jam": 3, "oil": 2}
    assert portions({"jam": 9}, {"jam": 2}) == 4
    assert portions({}, {}) == 0
    assert cheapest({"Di": 9, "Ed": 8}) == "Ed"


def test_next_departure():
    times = [10, 20, 30, 40]
    for now in range(45):
        assert next_departure(times, now) == next((t for t in times if t >= now), None)


def test_conflicts_and_seats():
    bookings = [("a", (0, 10)), ("b", (10, 20)), ("c", (5, 15)), ("d", (19, 21))]
    assert conflicts(bookings) == [("a", "c"), ("b", "c"), ("b", "d")]
    assert seats([("7:00", 1), ("8:00", 4), ("7:00", 6)], 30) == {"7:00": 23, "8:00": 26}


def test_recent():
    recent = Recent(3)
    for name in ("Eve", "Flo", "Gus"):
        recent.add(name, f"pier of {name}")
    assert recent.pier("Eve") == "pier of Eve"
    assert recent.names() == ["Flo", "Gus", "Eve"]
    recent.add("Hal", "west")
    assert recent.names() == ["Gus", "Eve", "Hal"]
    assert recent.pier("Eve") == "pier of Eve"
    assert recent.pier("Flo") is None
