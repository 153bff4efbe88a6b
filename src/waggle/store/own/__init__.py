"""What is this replica's own.

identity.py    its key, bound to its journal
minting.py     a new key for a copied or restored store
journal.py     its entries, durable before an append returns
bell.py        an append wakes the node
lock.py        a lock between this store's processes
secrets.py     what looks like a secret
held.py        and waits for the operator
"""
