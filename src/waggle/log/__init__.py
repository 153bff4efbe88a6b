"""The append-only log, as pure values: lines, running hash, frames, signatures, validation.

A *log* is what one replica wrote in one space: entries with seq 1, 2, 3, ... without gaps. An
*entry* is one line of canonical JSON; its id is the running hash of the log at it, so an id names
the entry and all of its past. A *frame* is a contiguous run of entries that travels as one signed
git commit. No two replicas write one log, so there is nothing to lock, merge or agree on: copying
is the only thing that replication has to do, and two copies can differ in length only - unless
their writer lied, which two signatures over two hashes at one seq prove.

    line.py      what stands in a line, and how it is put there        (imports almost nothing)
    entry.py     lines as typed values; kinds are a registry, unknown ones are kept
    chain.py     validation of lines in order: hash, sequence, time, limits; admission
    frame.py     frames as commit messages and trees
    said.py      lines that travel ahead of their frame, under a signed head
    sshsig.py    signatures that stock `git verify-commit` accepts
"""
