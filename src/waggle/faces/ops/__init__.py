"""Operations: declared once, served by every face.

An operation has a name, a request (a msgspec Struct whose fields carry their documentation), a
result (a Struct whose fields are what `--json` prints), a function, and words for people.

    registry.py    what an operation is, and where each one lies
    context.py     where it runs: folder, environment, clock, the open space
"""
