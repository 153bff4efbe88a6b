def sieve(limit):
    """The primes up to and including the limit."""
    primes = []
    for n in range(2, limit + 1):
        if any(n % p > 0 for p in primes):
            primes.append(n)
    return primes
