def gcd(a, b):
    """The greatest common divisor of two numbers."""
    if b == 0:
        return a
    return gcd(a % b, b)
