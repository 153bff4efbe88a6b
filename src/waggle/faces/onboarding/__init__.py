"""What an agent needs in a work tree so that it uses waggle, put in and taken out without a trace.

    parts.py          what a part of somebody else's file is: the seam
    json_text.py      a JSON text with the places of what stands in it
    json_entry.py     a part: one member of a JSON object
    marked.py         a part: lines between two markers
    toml_entry.py     a part: one table of a TOML file, between markers
    instructions.py   the words that agents read
    presets.py        the table: which agent reads which file
    files.py          reading and replacing files of the work tree
    plan.py           all changes at once: first all are planned, then all are made

Parts are pure, text to text. Law: for every text without the part, `remove(add(text)) == text`.
"""
