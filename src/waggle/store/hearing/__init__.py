"""What others said that git has not brought: lines ahead of their frames, and signs of life.

heard.py       lines that were heard, for reading
listening.py   taking them: verified, in order, within limits
recording.py   and writing them down
known.py       what is known of one log, heard or framed
proofs.py      two histories of one log, proved
beats.py       signs of life, which leave no history; beat_rows.py has their tables
disposable.py  a file that may be lost
"""
