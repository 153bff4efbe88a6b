"""The command line: operations as commands (build.py), the fast path of a vote (hot.py)."""
