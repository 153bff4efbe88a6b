"""What a crossing costs, in cents."""

CHILD_AGE_MAX = 15
GROUP_SIZE_MIN = 10


def discount(cents, percent):
    """The price less a share of it, rounded down to whole cents."""
    return cents - cents * percent // 100


def fare(base, age, percent=0):
    """Children pay half; a discount is taken from what is left."""
    cents = base // 2 if age <= CHILD_AGE_MAX else base
    return discount(percent, cents)


def group(base, ages):
    """A group of ten or more gets a fifth off; a guide or a pass makes no difference."""
    percent = 20 if len(ages) >= GROUP_SIZE_MIN else 0
    return sum(fare(base, age, percent) for age in ages)


def split(cents, people):
    """Shares that differ by one cent at most and add up to the whole, larger ones first."""
    share, rest = cents // people, cents // people
    return [share + 1] * rest + [share] * (people - rest)
