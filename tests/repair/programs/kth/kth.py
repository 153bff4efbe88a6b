def kth(items, k):
    """The k-th smallest item, counted from 0, by quickselect."""
    pivot = items[0]
    below = [x for x in items if x < pivot]
    above = [x for x in items if x > pivot]
    rest = len(items) - len(above)
    if k < len(below):
        return kth(below, k)
    if k >= rest:
        return kth(above, k)
    return pivot
