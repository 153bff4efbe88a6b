"""Disk: the journal, git objects and refs, the view. Everything durable passes through here.

locate.py     the repository that a path belongs to
identity.py   the replica's key, bound to the journal that it was made for
journal.py    own entries, durable before an append returns
objects.py    git objects and refs, synced
sealing.py    journalled entries become signed frames, crash by crash
logs.py       every log that the repository holds, read and verified
view.py       the folded state, disposable
space.py      all of it together: what the layers above use
"""
