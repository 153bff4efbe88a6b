"""Completing words in a shell: by click's own protocol, and with the ids and spaces that are here.

The scripts that shells load (`waggle completion SHELL`) call `waggle` again with VARIABLE set; see
https://click.palletsprojects.com/en/stable/shell-completion/. Ids come straight from the view as
it was folded last: nothing is opened for writing, folded or waited for, and where anything is
amiss there is simply nothing to complete.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import click
from click.shell_completion import CompletionItem, shell_complete

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space
from waggle.faces.ops.completion import PROGRAM, SHELLS, VARIABLE
from waggle.faces.place import place

ITEMS_MAX = 50
_HELP_CHARS = 60
_TIMEOUT_S = 0.2
"""How long a view that is being written may be waited for."""
_TITLE = "json_extract(coalesce(t.now, t.body), '$.title')"
_TASKS = f"SELECT t.id, {_TITLE} FROM task t WHERE t.visible = 1 AND t.state = 'open'"  # noqa: S608
_CANDIDATES = f"SELECT c.id, {_TITLE} FROM candidate c LEFT JOIN task t ON t.id = c.task WHERE 1"  # noqa: S608
_SPAN = " AND {0}.id >= ? AND {0}.id < ? LIMIT ?"
_QUERIES = {
    "TASK": (f"{_TASKS} ORDER BY t.at DESC LIMIT ?", _TASKS + _SPAN.format("t")),
    "CANDIDATE": (f"{_CANDIDATES} ORDER BY c.n DESC LIMIT ?", _CANDIDATES + _SPAN.format("c")),
    "REPLICA": (
        "SELECT replica, '' FROM admitted ORDER BY replica LIMIT ?",
        "SELECT replica, '' FROM admitted WHERE replica >= ? AND replica < ? LIMIT ?",
    ),
}
"""The newest; and those that begin with some letters."""
_IDS = {
    "TASK": ("TASK",),
    "CANDIDATE": ("CANDIDATE",),
    "OTHER": ("CANDIDATE",),
    "ID": ("TASK", "CANDIDATE"),
    "REPLICA": ("REPLICA",),
}
"""What the words that stand for arguments in `--help` can be."""
_FILES = {"PATH": "file", "FILE": "file", "QUEUE.md": "file", "DIR": "dir"}
Items = list[CompletionItem[str]]


def answer(group: click.Group, environ: Mapping[str, str]) -> int:
    """Do what a shell asked for and give the exit status; nothing is ever printed as an error."""
    try:
        return shell_complete(group, {}, PROGRAM, VARIABLE, environ[VARIABLE])
    except Exception:  # noqa: BLE001 - whatever it is: a person is typing, and completes nothing
        return 1


def words(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Give what an argument or the value of an option can be."""
    what = (param.metavar or "").strip("[].")
    if param.name == "space":
        return _found(_spaces, ctx, incomplete)
    if what in _IDS:
        return _found(partial(_ids, kinds=_IDS[what]), ctx, incomplete)
    if what == "SHELL":
        return [CompletionItem(shell) for shell in SHELLS if shell.startswith(incomplete)]
    if what in _FILES:
        return [CompletionItem(incomplete, type=_FILES[what])]
    return param.type.shell_complete(ctx, param, incomplete)


def _found(find: Callable[[str, str, str], Items], ctx: click.Context, incomplete: str) -> Items:
    """Look in the store; give nothing where there is none, or it cannot be read now."""
    named = ctx.params.get("space") or os.environ.get("WAGGLE_SPACE") or "main"
    try:
        store_dir = place(os.getcwd(), os.environ).store_dir
        return find(store_dir, check_space(named), incomplete)
    except (WaggleError, OSError, sqlite3.Error):
        return []  # what cannot be completed can still be typed


def _spaces(store_dir: str, _space: str, incomplete: str) -> Items:
    """Give the spaces that have a view here."""
    files = os.listdir(os.path.join(store_dir, "view"))
    names = sorted(name.removesuffix(".db") for name in files if name.endswith(".db"))
    found = [name for name in names if name.startswith(incomplete)]
    return [CompletionItem(check_space(name)) for name in found[:ITEMS_MAX]]


def _ids(store_dir: str, space: str, incomplete: str, kinds: Sequence[str]) -> Items:
    """Give ids, abbreviated, with words that tell them apart."""
    path = os.path.join(store_dir, "view", f"{space}.db")
    if not os.path.exists(path):
        return []
    begin = incomplete.lower()
    rows: list[tuple[str, str | None]] = []
    view = sqlite3.connect(path, timeout=_TIMEOUT_S, isolation_level=None)
    try:
        view.execute("PRAGMA query_only = ON")
        for newest, beginning in map(_QUERIES.__getitem__, kinds):
            if begin:
                rows += view.execute(beginning, (begin, f"{begin}g", ITEMS_MAX))
            else:
                rows += view.execute(newest, (ITEMS_MAX,))
    finally:
        view.close()
    length = max(8, len(begin))
    return [CompletionItem(entry[:length], help=_help(title)) for entry, title in rows]


def _help(title: str | None) -> str | None:
    """Give a text from a log as a shell may show it: one line, no commas, which fish splits at."""
    clean = "".join(one if one.isprintable() and one != "," else " " for one in title or "")
    return " ".join(clean.split())[:_HELP_CHARS] or None
