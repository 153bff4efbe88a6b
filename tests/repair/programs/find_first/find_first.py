def find_first(items, x):
    """The index of the first x in sorted items, or -1."""
    low = 0
    high = len(items)
    while low <= high:
        middle = (low + high) // 2
        if x == items[middle] and (middle == 0 or x != items[middle - 1]):
            return middle
        if x <= items[middle]:
            high = middle
        else:
            low = middle + 1
    return -1
