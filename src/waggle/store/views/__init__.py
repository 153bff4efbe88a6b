"""The folded state of a space: view = fold(version, admitted).

view.py        the tables, and the folds that fill them
folding.py     bringing them up to date
counted.py     the entries themselves, read again
reading.py     what is here of every log: journal, frames, heard lines
scanning.py    how far each log was looked through
decrees.py     the operator's word on whose logs count
admission.py   and how far each of them does
members.py     every replica that is known, and how it stands
"""
