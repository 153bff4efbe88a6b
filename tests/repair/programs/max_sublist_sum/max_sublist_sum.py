def max_sublist_sum(numbers):
    """The greatest sum of neighbours; that of none is 0."""
    ending_here = 0
    best = 0
    for x in numbers:
        ending_here = ending_here + x
        best = max(best, ending_here)
    return best
