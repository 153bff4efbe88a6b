"""Sync: what every replica wrote, carried one way by git and, where a node is up, at once.

git is the durable path: each replica pushes its own ref and fetches everybody's (exchange.py).
Zenoh is the live path (live/): it carries the same signed lines the moment they are journalled,
and may lose any of them. Nothing that arrives is believed before it is verified (receive.py).
"""
