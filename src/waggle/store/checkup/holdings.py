"""What is wrong with the store: its settings, its journal, its key, its view."""

from __future__ import annotations

import os
import sqlite3
import sys

from waggle.store import config
from waggle.store.checkup.patient import Found, Patient, error, note, warning
from waggle.store.own import held, identity, minting
from waggle.store.own.journal import JOURNAL_FILE
from waggle.store.views.view import VIEW_DIR


def check_format(patient: Patient) -> Found:
    """Look whether git and libgit2 can both open the repository."""
    kind = patient.git.text("rev-parse", "--show-object-format")
    if kind != "sha1":
        what = f"the repository has {kind} objects; libgit2 reads SHA-1 only"
        yield error("format", what, "Use a repository with SHA-1 objects, git's default.")
    else:
        _ = patient.objects


def check_store(patient: Patient) -> Found:
    """Look whether there is a store."""
    if not os.path.exists(os.path.join(patient.store_dir, JOURNAL_FILE)):
        what = f"{patient.common_dir} has no waggle store"
        yield warning("store", what, "Run `waggle init` once in this repository.")


def check_config(patient: Patient) -> Found:
    """Look whether the settings can be read."""
    config.load(patient.store_dir)
    yield from ()


def check_journal(patient: Patient) -> Found:
    """Look whether the journal is whole."""
    answer = patient.journal.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        yield error(
            "journal",
            f"{patient.journal.path} is damaged: {answer}",
            "Copy the folder .git/waggle somewhere safe, then report it: the journal may hold "
            "entries that are in no frame yet.",
        )


def check_key(patient: Patient) -> Found:
    """Look whether the key is private and belongs to this store."""
    path = os.path.join(patient.store_dir, identity.KEY_FILE)
    owner = identity.load(patient.store_dir)
    fresh = "Nothing needs to be done: the next append goes on as a new replica."
    if owner is None:
        yield warning("key", f"the key file {path} is missing", fresh)
        return
    mode = os.stat(path).st_mode & 0o777
    if sys.platform != "win32" and mode & 0o077:
        what = f"others can read the key file {path} (mode {mode:03o})"
        yield warning("key", what, f"Run `chmod 600 {path}`; tell the operator if others read it.")
    if owner.replica != patient.journal.replica:
        what = "the key belongs to another replica than the journal"
        yield warning("key", what, fresh)
    elif not owner.fits(patient.journal.path):
        what = "this store is a copy: its key was made for another journal file"
        yield note("copied", what, fresh)
    elif minting.overtaken(patient.journal):
        what = "this store went back: git holds entries of ours that the journal never had"
        yield note("copied", what, fresh)


def check_held(patient: Patient) -> Found:
    """Look whether a draft is held back because it may hold a secret."""
    for name in sorted(patient.objects.refs.under(held.HELD_REFS)):
        _, _, space, oid = name.split("/")
        draft = next(item.draft for item in held.listing(patient.objects, space) if item.id == oid)
        places = ", ".join(f"{f.place}:{f.line} ({f.rule})" for f in draft.findings[:3])
        yield warning(
            "held",
            f"{space}: draft {oid[:12]} looks like it holds a secret: {places}",
            "Publish again without the secret; if it is none, the operator runs "
            f"`waggle release {oid[:12]}`.",
        )


def check_view(patient: Patient) -> Found:
    """Look whether the view can be read, and how far it has folded."""
    folder = os.path.join(patient.store_dir, VIEW_DIR)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if not name.endswith(".db"):
            continue
        space = name.removesuffix(".db")
        head = patient.journal.head(space)[0]
        try:
            seq = _folded(os.path.join(folder, name), patient.journal.replica)
        except sqlite3.Error as caught:
            what = f"the view of {space} cannot be read: {caught}"
            yield note("view", what, "Nothing needs to be done: the next read makes it anew.")
            continue
        if seq < head:
            what = f"the view of {space} has folded {seq} of our {head} entries"
            yield note("view", what, "Nothing needs to be done: the next read folds the rest.")


def _folded(path: str, replica: str) -> int:
    # As a URI, because only that can be opened without the right to make or mend the file.
    db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)
    try:
        row = db.execute("SELECT seq FROM admitted WHERE replica=?", (replica,)).fetchone()
        return int(row[0]) if row else 0
    finally:
        db.close()


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
