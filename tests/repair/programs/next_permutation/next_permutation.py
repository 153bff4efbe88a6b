def next_permutation(items):
    """The next greater order of the same items, or None."""
    for i in range(len(items) - 2, -1, -1):
        if items[i] < items[i + 1]:
            for j in range(len(items) - 1, i, -1):
                if items[j] < items[i]:
                    following = list(items)
                    following[i], following[j] = items[j], items[i]
                    following[i + 1 :] = reversed(following[i + 1 :])
                    return following
    return None
