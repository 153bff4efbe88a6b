"""The choice: all candidates are kept, a vote is a write, the winner is a cheap local read.

kinds.py       candidate, vote, check, ruling: what is written
fold.py        integer tallies and records, maintained per entry (tables.py: their SQL)
ballot.py      what a read needs of one task, in five queries
weights.py     how much evidence a vote or an author is, in fixed point
rules.py       pure rules from a ballot to an order, with a reason for each place
outcome.py     composing rules, statuses, explanations
"""
