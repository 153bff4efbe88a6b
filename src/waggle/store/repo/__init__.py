"""The git repository that a store lives in.

locate.py      the repository that a path belongs to
git.py         the git program
objects.py     objects, written durably and read within limits; trees.py: the bytes of trees
refs.py        refs, moved durably
keeping.py     commits that nothing names yet but the journal
leftovers.py   locks and torn refs that killed processes left
"""
