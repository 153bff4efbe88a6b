from ferry.stores import cheapest, deliver, missing, portions


def test_deliver():
    assert deliver([("tea", 2), ("tea", 3), ("milk", 1)], {"milk": 4}) == {"milk": 5, "tea": 5}


def test_deliver_to_an_empty_store():
    assert deliver([("rope", 2)]) == {"rope": 2}


def test_deliver_to_another_empty_store():
    deliver([("cups", 7)])
    assert deliver([("rope", 1)]) == {"rope": 1}


def test_missing():
    assert missing({"tea": 2}, {"tea": 5, "milk": 1}) == {"tea": 3, "milk": 1}
    assert missing({"tea": 2}, {"tea": 2}) == {}


def test_portions():
    assert portions({"egg": 7, "flour": 2}, {"egg": 2, "flour": 1}) == 2
    assert portions({"egg": 7}, {"egg": 2, "flour": 1}) == 0


def test_portions_of_nothing():
    assert portions({"egg": 7}, {}) == 0


def test_cheapest():
    assert cheapest({"Bo": 3, "Al": 3, "Cy": 4}) == "Al"
    assert cheapest({}) is None
