"""The durable path: any git host carries everybody's logs.

remotes.py    which remotes, and how each is named here
transport.py  one fetch, one push, by the user's own git; running.py runs it, within limits
trouble.py    what went wrong, and what helps
layouts.py    which refs a host takes
manners.py    how often a host may be asked
receive.py    what a fetch brought is verified, and only then ours
beats.py      signs of life, carried along
exchange.py   one sync with several remotes
last.py       how the last sync with each went
"""
