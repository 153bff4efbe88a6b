"""The fast path of `waggle vote`: what agents do hundreds of times an hour.

It does what the operation does (ops/candidates.py), with the same bytes in the log - a test holds
them against each other - but loads neither click nor msgspec, libgit2, rich or cryptography. Where
anything is unusual (a reason to scan, an id that the view does not know, a copied store, an error)
it gives None before anything was written, and the ordinary path takes over.
"""

from __future__ import annotations

import json
import os
import sqlite3

from waggle.base.errors import WaggleError
from waggle.base.ids import ID_CHARS, check_prefix, check_space
from waggle.base.limits import SEAL_ENTRIES
from waggle.faces import machine
from waggle.faces.acting import acting
from waggle.faces.cli.output import say
from waggle.faces.place import place
from waggle.log.line import body, check_key
from waggle.log.vector import encode
from waggle.store.own.journal import ClockAheadError, Journal, Pending
from waggle.store.own.minting import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from waggle.store.own.journal import Written

_SCORES = {"--up": 100, "--down": 0}
_VALUES = frozenset({"--score", "--key", "--as", "--model", "--vendor", "--space"})


class _Words:
    """The command line of a vote, as far as the fast path takes it."""

    def __init__(self) -> None:
        self.candidate = ""
        self.score = -1
        self.as_json = False
        self.values: dict[str, str] = {}


def _read(arguments: Sequence[str]) -> _Words | None:
    words, rest = _Words(), list(arguments)
    scores: list[int] = []
    while rest:
        word = rest.pop(0)
        if word in _SCORES:
            scores.append(_SCORES[word])
        elif word == "--json":
            words.as_json = True
        elif word in _VALUES and rest:
            words.values[word] = rest.pop(0)
        elif word.startswith("-") or words.candidate:
            return None
        else:
            words.candidate = word
    asked = words.values.get("--score")
    if asked is not None:
        if not (asked.isdecimal() and asked.isascii()):
            return None
        scores.append(int(asked))
    if len(scores) != 1 or scores[0] > 100 or not words.candidate:
        return None
    words.score = scores[0]
    return words


def _resolve(store_dir: str, space: str, prefix: str, journal: Journal) -> tuple[str, int] | None:
    """Give the candidate's id and the latest stamp of what the view has shown.

    None unless the view knows the candidate, and nothing unfolded can fit the prefix too.
    """
    path = os.path.join(store_dir, "view", f"{space}.db")
    if not os.path.exists(path):
        return None
    view = sqlite3.connect(path, isolation_level=None)
    try:
        span = (prefix, prefix + "g")
        rows = view.execute("SELECT id FROM candidate WHERE id >= ? AND id < ?", span).fetchall()
        (latest,) = view.execute("SELECT max(at) FROM admitted").fetchone()
        folded = dict(view.execute("SELECT replica, seq FROM admitted").fetchall())
    finally:
        view.close()
    if len(rows) != 1:
        return None
    if len(prefix) < ID_CHARS:
        held = journal.db.execute("SELECT replica, seq FROM tip WHERE space = ?", (space,))
        if any(seq > folded.get(replica, 0) for replica, seq in held if replica != journal.replica):
            return None
        after = folded.get(journal.replica, 0)
        if any(entry.startswith(prefix) for _, entry, _ in journal.read(space, after)):
            return None
    return str(rows[0][0]), latest or 0


def vote(arguments: Sequence[str]) -> int | None:
    """Cast a plain vote and give the exit status; None where the ordinary path has to do it."""
    words = _read(arguments)
    if words is None:
        return None
    environ, values = os.environ, words.values
    journal = None
    try:
        space = check_space(values.get("--space") or environ.get("WAGGLE_SPACE") or "main")
        store_dir = place(os.getcwd(), environ).store_dir
        if not os.path.exists(os.path.join(store_dir, "journal.db")):
            return None
        journal = Journal(store_dir)
        by = acting(environ, values.get("--as"), values.get("--model"), values.get("--vendor"))
        key = check_key(values.get("--key"))
        found = _resolve(store_dir, space, check_prefix(words.candidate), journal)
        if found is None or current(store_dir, journal) is None:
            return None
        candidate, seen_at = found
        fields = {"candidate": candidate, "score": words.score}
        pending = Pending(body("vote.cast", by, fields, key=key), key=key)
        sealed = journal.sealed(space)  # asked first: after the append nothing may fail any more
        written = journal.append(space, [pending], machine.now_ms(), seen_at)[0]
    except (WaggleError, ClockAheadError, sqlite3.Error) as error:
        if isinstance(error, WaggleError) and not error.kind.definite:
            # It may have happened: repeating it is the caller's decision, not ours.
            from waggle.faces.cli.build import report

            return report(error, as_json=words.as_json)
        return None
    finally:
        if journal is not None:
            journal.close()
    if written.fresh:
        _say(words, candidate, written, encode({journal.replica: (written.seq, written.id)}))
        if written.seq - sealed >= SEAL_ENTRIES:
            _seal(space)
    # A repeated key wrote nothing: the ordinary path tells what the first call did.
    return 0 if written.fresh else None


def _say(words: _Words, candidate: str, written: Written, token: str) -> None:
    if words.as_json:
        result = {
            "ok": True,
            "vote": written.id,
            "candidate": candidate,
            "score": words.score,
            "durable": {"journal": True, "frame": False},
            "token": token,
        }
        say(json.dumps(result, separators=(",", ":")))
    else:
        say(f"vote {written.id[:8]}: {words.score} for candidate {candidate[:8]}")


def _seal(space: str) -> None:
    from waggle.faces.ops.context import Context

    context = Context(cwd=os.getcwd(), environ=os.environ, outside=machine.outside(), space=space)
    try:
        context.space.seal()
    finally:
        context.close()
