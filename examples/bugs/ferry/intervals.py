"""Spans of time, in minutes since midnight: (start, end), the end not included."""


def overlaps(a, b):
    """Whether two spans share a minute; spans that only touch do not."""
    return a[0] <= b[1] and b[0] < a[1]


def merge(spans):
    """The same minutes in as few spans as possible, in order."""
    merged = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def gaps(spans, opening, closing):
    """The free spans between opening and closing time."""
    free = []
    at = opening
    for start, end in merge(spans):
        if start > at:
            free.append((at, start))
        at = max(at, end)
    if at < closing:
        free.append((opening, closing))  # what is left of the day
    return free
