"""The state as files, for agents that think in files: QUEUE.md, FACTS.md, HEARTBEAT.md.

page        a rendering: its first line names it, so that edits of it can be told
line        one line of QUEUE.md, to text and back
queue       QUEUE.md whole, and what an edited one asks for
snapshots   what renderings showed, kept until they are imported
"""
