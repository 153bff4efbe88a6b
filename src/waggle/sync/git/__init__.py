"""The durable path: any git host carries everybody's logs.

remotes.py    which remotes, and how each is named here
transport.py  one fetch, one push, by the user's own git
commands.py   its command lines; running.py runs them, within limits
untaken.py    logs that git does not take: found, and left alone for a while
trouble.py    what went wrong, and what helps
layouts.py    which refs a host takes
manners.py    how often a host may be asked
receive.py    what a fetch brought is verified, and only then ours
beats.py      signs of life, carried along
exchange.py   one sync with several remotes
last.py       how the last sync with each went
"""
