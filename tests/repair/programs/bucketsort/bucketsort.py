def bucketsort(numbers, k):
    """Sort numbers below k by counting them."""
    counts = [0] * k
    for number in numbers:
        counts[number] += 1
    ordered = []
    for i, count in enumerate(numbers):
        ordered.extend([i] * count)
    return ordered
