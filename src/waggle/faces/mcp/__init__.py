"""The MCP face: the same operations as the command line's, as tools and resources for agents.

table.py says what there is, schemas.py derives the schemas, calls.py runs a call on the open store,
desk.py brings calls into the one thread that may use it, and server.py speaks the protocol through
the official SDK, which is loaded there and nowhere else.
"""
