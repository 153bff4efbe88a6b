"""The fast path of `waggle beat`, which fifty agents call every few seconds.

It does what the operation does (ops/beats.py) for an agent that is a member and says nothing new,
and loads neither click nor the view. Where anything is unusual (a note to scan, a task to look up,
an agent that has to join, a copied store, an error) it gives None before anything was written, and
the ordinary path takes over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space
from waggle.faces import machine
from waggle.faces.acting import acting
from waggle.faces.cli.output import escaped, say
from waggle.faces.place import place
from waggle.log.vector import encode
from waggle.store.hearing.beats import Beats
from waggle.store.own import bell
from waggle.store.own.journal import Journal
from waggle.store.own.minting import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from waggle.store.hearing.beats import Renewed

_VALUES = frozenset({"--as", "--model", "--vendor", "--space"})


def _read(arguments: Sequence[str]) -> tuple[dict[str, str], bool] | None:
    """Give the options of a beat and whether JSON is asked for, if the fast path takes them."""
    values: dict[str, str] = {}
    as_json, rest = False, list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word in _VALUES and rest:
            values[word] = rest.pop(0)
        else:
            return None
    return values, as_json


def beat(arguments: Sequence[str]) -> int | None:
    """Renew a membership and give the exit status; None where the ordinary path has to do it."""
    words = _read(arguments)
    if words is None:
        return None
    values, as_json = words
    environ, journal = os.environ, None
    try:
        space = check_space(values.get("--space") or environ.get("WAGGLE_SPACE") or "main")
        store_dir = place(os.getcwd(), environ).store_dir
        if not os.path.exists(os.path.join(store_dir, "journal.db")):
            return None
        by = acting(environ, values.get("--as"), values.get("--model"), values.get("--vendor"))
        journal = Journal(store_dir)
        if current(store_dir, journal) is None:
            return None
        seq, entry, _ = journal.head(space)
        beats = Beats(store_dir, space)
        renewed = beats.renew(journal.replica, by["name"], machine.now_ms())
        replica = journal.replica
    except (WaggleError, sqlite3.Error):
        return None  # the ordinary path meets the same trouble, and tells of it
    finally:
        if journal is not None:
            journal.close()
    if renewed is None:
        return None
    bell.ring(store_dir)
    _say(renewed, encode({replica: (seq, entry)} if seq else {}), as_json=as_json)
    return 0


def _say(renewed: Renewed, token: str, *, as_json: bool) -> None:
    one = renewed.beat
    until = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(one.at // 1000 + one.lease))
    if not as_json:
        say(f"beat: {one.name} is {'back, ' * renewed.back}a member until {until}")
        return
    result = {
        "ok": True,
        "agent": one.name,
        "joined": None,
        "back": renewed.back,
        "until": until,
        "note": one.note,
        "doing": one.doing,
        "durable": {"journal": False, "frame": False},
        "token": token,
    }
    say(escaped(json.dumps(result, separators=(",", ":"), ensure_ascii=False)))
