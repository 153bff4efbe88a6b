"""The node: one process of a replica that says, hears, answers and syncs.

plan.py          which spaces, which remotes, and what it tells its owner
talk.py          what nodes say to one another about a space       (no network, no thread)
frames.py        whole frames among that
pulse.py         signs of life among that, and who has fallen silent
spread.py        which nodes hold how much of the own log
conversation.py  one space's part in the node
rounds.py        the git remotes, each at its own pace
crew.py          the threads that do what may wait
node.py          all of it, running
"""
