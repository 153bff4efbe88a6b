"""Tests of ferry that no agent sees: the same behaviour, other inputs.

Run them in the folder that holds a candidate's ``ferry`` package, whose tests are left out:

    cd CANDIDATE
    python -m pytest -q -p no:cacheprovider -c /dev/null --rootdir HIDDEN HIDDEN

where HIDDEN is the absolute path of this folder.  ``python -m pytest`` puts the current folder on
the module path, which is how the candidate's package is found; ``-c /dev/null`` keeps a
configuration or conftest that the candidate wrote from having a say.
"""
