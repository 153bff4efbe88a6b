"""Notices on the board at the pier, which is narrow."""


def wrap(text, width):
    """The words of a text in lines of at most ``width`` characters."""
    lines = []
    line = ""
    for word in text.split():
        if not line:
            line = word
        elif len(line) + len(word) < width - 1:
            line += " " + word
        else:
            lines.append(line)
            line = word
    lines.append(line)
    return lines


def shorten(text, width):
    """The text, or as much of it as fits before an ellipsis of three dots."""
    if len(text) <= width:
        return text
    return text[: width - 2].rstrip() + "..."


def centre(text, width):
    """The text between blanks, the odd blank on the right."""
    left = (width - len(text)) // 2
    return " " * left + text + " " * (width - len(text) - left)
