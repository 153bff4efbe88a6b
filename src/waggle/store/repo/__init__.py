"""The git repository that a store lives in.

locate.py      the repository that a path belongs to
git.py         the git program: refs, worktrees, diffs
objects.py     objects and refs, written durably and read within limits
trees.py       the bytes of tree objects
leftovers.py   locks and torn refs that killed processes left
"""
