"""How fast waggle is: every figure beside a baseline that was measured in the same run.

A module measures one subject and gives a `Section`; `bench/__main__.py` runs them all and writes
docs/BENCHMARKS.md with its plots. Nothing in that document is typed by hand.
"""
