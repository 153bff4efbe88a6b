"""Sync: what every replica wrote, carried one way by git and, where a node is up, at once.

    git/    the durable path: each replica pushes its own ref and fetches everybody's
    live/   the live path: signed lines and frames the moment they are journalled, over Zenoh
    node/   one process per replica that does both, and answers others

Nothing that arrives is believed before it is verified, by whichever path it came.
"""
