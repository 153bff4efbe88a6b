def levenshtein(source, target):
    """The number of edits that make one word of another."""
    if source == "" or target == "":
        return len(source) or len(target)
    if source[0] == target[0]:
        return 1 + levenshtein(source[1:], target[1:])
    return 1 + min(
        levenshtein(source, target[1:]),
        levenshtein(source[1:], target[1:]),
        levenshtein(source[1:], target),
    )
