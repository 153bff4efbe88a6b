"""Every log that the repository holds.

sealing.py     journalled entries become signed frames, crash by crash
logs.py        frames, read and verified
discovery.py   how far each log is verified, and what moves that
refusals.py    what was judged and kept out, and why
signers.py     whose signature `git verify-commit` should expect
reclaim.py     own entries that only a frame has, after a store went back
"""
