"""Disk: the journal, git objects and refs, the view. Everything durable passes through here.

What stands further down uses only what stands above it here:

    disk.py      small files, durably; database.py: SQLite files, and their errors in words
    repo/        the git repository: where it is, the program, objects, what kills left
    own/         what is this replica's own: its key, its journal, drafts that wait
    frames/      every log in git: entries sealed into signed frames, and frames read and verified
    hearing/     what came live, before git brought it; proofs of two histories; signs of life
    views/       the folded state, and how far each log counts
    space.py     one space, open: what the layers above use
    setup.py     making a store; config.py has its settings, outside.py its clock and randomness
    waiting.py   tokens: a read that waits for what was written elsewhere
    checkup/     is all of it whole? what is wrong, and what is safe to do?
"""
