"""The `waggle` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line: what agents do most on a fast path, everything else through click."""
    arguments = sys.argv[1:]
    status = None
    if arguments[:1] == ["vote"]:
        from waggle.faces.cli import hot

        status = hot.vote(arguments[1:])
    elif arguments[:1] == ["beat"]:
        from waggle.faces.cli import hot_beat

        status = hot_beat.beat(arguments[1:])
    if status is not None:
        sys.exit(status)
    from waggle.faces.cli.main import main as everything

    sys.exit(everything(arguments))


if __name__ == "__main__":
    main()
