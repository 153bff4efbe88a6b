VALUES = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")]
VALUES += [(40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]


def roman(number):
    """A number in Roman figures."""
    text = ""
    for value, figure in VALUES:
        if number >= value:
            text += figure
            number -= value
    return text
