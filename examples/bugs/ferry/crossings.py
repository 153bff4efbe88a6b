"""Who sails when."""

from ferry.intervals import overlaps


def next_departure(timetable, now):
    """The first departure at or after ``now``, or None; the timetable is in order."""
    low, high = 0, len(timetable)
    while low < high:
        middle = (low + high) // 2
        if timetable[middle] < now:
            low = middle + 1
        else:
            high = middle
    return timetable[low] if low < len(timetable) else None


def conflicts(bookings):
    """Pairs of bookings ``(name, span)`` for one boat that overlap, in the given order."""
    found = []
    for i, (one, span) in enumerate(bookings):
        for other, second in bookings[i + 1 :]:
            if overlaps(span, second):
                found.append((one, other))
    return found


def seats(bookings, capacity):
    """The seats left on each crossing; ``bookings`` are ``(crossing, count)`` pairs."""
    left = {}
    for crossing, count in bookings:
        left[crossing] = left.get(crossing, capacity) + count
    return left


class Recent:
    """The last passengers seen; the one longest not seen is forgotten first."""

    def __init__(self, size):
        self.size = size
        self.seen = {}

    def add(self, name, pier):
        self.seen.pop(name, None)
        self.seen[name] = pier
        if len(self.seen) > self.size:
            del self.seen[next(iter(self.seen))]

    def pier(self, name):
        """Where the passenger was seen, or None; asking counts as seeing."""
        if name not in self.seen:
            return None
        pier = self.seen[name]
        self.add(pier, name)
        return pier

    def names(self):
        return list(self.seen)
