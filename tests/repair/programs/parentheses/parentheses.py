def is_valid(text):
    """Whether every parenthesis is closed, and none too early."""
    depth = 0
    for character in text:
        if character == "(":
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                return False
    return True
