"""The `waggle` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line: the fast path of a vote first, everything else through click."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["vote"]:
        from waggle.faces.cli import hot

        if (status := hot.vote(arguments[1:])) is not None:
            sys.exit(status)
    from waggle.faces.cli.main import main as everything

    sys.exit(everything(arguments))


if __name__ == "__main__":
    main()
