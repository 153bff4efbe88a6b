"""Whether all of it is whole; what is wrong, and what is safe to do.

doctor.py      all checks, one after the other: machine.py, holdings.py, logbooks.py, remains.py
verify.py      every log from its first entry; report.py is what it gives
"""
