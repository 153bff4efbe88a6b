DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def to_base(number, base):
    """A positive number written in another base."""
    result = ""
    while number > 0:
        digit = number % base
        number = number // base
        result = result + DIGITS[digit]
    return result
