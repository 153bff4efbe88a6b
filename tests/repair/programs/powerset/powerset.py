def powerset(items):
    """All selections of the items, the ones without the first before those with it."""
    if items:
        first, *rest = items
        without = powerset(rest)
        return [[first] + subset for subset in without]
    return [[]]
