"""The live path: what is journalled here is heard elsewhere at once, or is not.

It accelerates and is never needed: whatever it loses is asked for, or comes by git. So it may drop,
and it must never make anybody wait.

    wire.py      messages as bytes: said lines, whole frames, asks, what a node holds     (pure)
    keys.py      the names under which they travel                                        (pure)
    settings.py  what the user may set, and what follows from it for Zenoh                (pure)
    inbox.py     the bounded queue between Zenoh's threads and the node, fair to senders
    meeting.py   how nodes on one machine find one another without configuration
    session.py   one Zenoh session; the only module that knows Zenoh
    peer.py      a node on the live path: a session on this machine, one on the network

Two sessions, because they differ in everything: who can reach them, by which protocol, as a peer or
as a client. Nodes of one user on one machine meet by sockets in a folder that only that user can
enter; no port is open. The network is joined only when the user names an endpoint or switches
discovery on.

Limits of Zenoh 1.10 that shaped this, each seen in an experiment:

- Peers do not relay for peers, and neither does a router between peers: two peers that only reach
  a third hear nothing of one another. So across networks one node is a router, the others clients.
- A listener that is tried again in the background keeps `close` busy for 10 s. So a well-known
  port, taken over by whoever comes first, is no way to meet.
- A callback in Zenoh's own thread for Python (its default) keeps the interpreter from ending.
- Closing beside a peer that was stopped in the middle of a handshake waits for the handshake's
  time limit. So that limit is short, and `Peer.close` does not wait for longer than it is told.
- An answer has the congestion control that the question chose. One stopped asker that chose to
  block held every publisher of the same priority for 5 s; so questions are rewritten on arrival.
- Implicit shared memory leaves segments behind when a process is killed, and is off.
"""
