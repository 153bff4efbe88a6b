"""Disk: the journal, git objects and refs, the view. Everything durable passes through here.

Writing:
    locate.py, setup.py, config.py   the repository that a path belongs to, and its store
    identity.py, minting.py,         the replica's key, bound to its journal; a new one for a copy,
    reclaim.py                       which appends again what only it had
    journal.py                       own entries, durable before an append returns
    secrets.py, held.py              what looks like a secret waits for the operator
    git.py, objects.py, leftovers.py the git program; objects and refs, synced; what kills left
    sealing.py                       journalled entries become signed frames, crash by crash
Reading:
    logs.py, discovery.py            every log that the repository holds, read and verified
    refusals.py                      what was judged and kept out, and why
    heard.py, listening.py           what came live before its frame, and proofs of two histories
    decrees.py, admission.py         the operator's word, and how far each log counts
    beats.py                         signs of life, which leave no history
    view.py, folding.py              the folded state, and bringing it up to date
    verify.py, doctor.py             is all of it whole? what is wrong, and what is safe to do?
Together:
    space.py                         what the layers above use
    outside.py, lock.py              clock and randomness as arguments; a lock between processes
"""
