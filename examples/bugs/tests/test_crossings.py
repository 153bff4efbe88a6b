import pytest
from ferry.crossings import Recent, conflicts, next_departure, seats


@pytest.mark.parametrize(
    ("now", "expected"), [(500, 540), (540, 540), (541, 600), (660, 660), (661, None)]
)
def test_next_departure(now, expected):
    assert next_departure([540, 600, 660], now) == expected


def test_conflicts():
    bookings = [("Ada", (540, 600)), ("Bo", (570, 630)), ("Cy", (660, 700))]
    assert conflicts(bookings) == [("Ada", "Bo")]


def test_seats():
    assert seats([("9:00", 2), ("10:00", 5)], 12) == {"9:00": 10, "10:00": 7}
    assert seats([("9:00", 2), ("9:00", 3)], 12) == {"9:00": 7}


def test_recent_forgets_the_oldest():
    recent = Recent(2)
    recent.add("Ada", "north")
    recent.add("Bo", "south")
    recent.add("Cy", "north")
    assert recent.names() == ["Bo", "Cy"]


def test_recent_asking_counts():
    recent = Recent(2)
    recent.add("Ada", "north")
    recent.add("Bo", "south")
    assert recent.pier("Ada") == "north"
    assert recent.pier("Ada") == "north"
    recent.add("Cy", "south")
    assert recent.names() == ["Ada", "Cy"]
    assert recent.pier("Bo") is None
