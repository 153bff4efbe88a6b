"""Choice rules on real results of real agents, replayed through waggle's own folds and rules.

data.py        the tables: who was right on which task, and what else is known
checkers.py    simulated checkers of a given quality
replay.py      records learned by folding, ballots built from attempts, every rule on each
measure.py     draws, sums per task, bootstrap intervals
jobs.py        cells as jobs for several processes
report.py      the document and its plot; known.py: figures to hold ours against
"""
