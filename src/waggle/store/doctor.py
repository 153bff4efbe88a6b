"""What is wrong with this machine, this repository and this store, and the safe next step.

Looks only: nothing is changed, mended or locked. Each check is a function that yields what it
found; a check that found nothing is reported as `ok`, so silence never stands for "not looked at".
No next step destroys anything: at most it moves a file aside.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct

from waggle.base.clock import from_the_future, millis
from waggle.base.errors import WaggleError
from waggle.log.frame import ENTRIES_FILE
from waggle.store import config, held, identity, minting
from waggle.store.git import Git, MissingObjectError
from waggle.store.journal import JOURNAL_FILE, Journal
from waggle.store.locate import Repository
from waggle.store.logs import BadFrameError, Logs
from waggle.store.objects import Objects
from waggle.store.outside import Outside
from waggle.store.sealing import REFS, ref_name
from waggle.store.setup import UNSAFE_MEDIA, medium
from waggle.store.view import VIEW_DIR

LOCK_AGE_MS_MIN = 60_000
"""A younger lock is somebody at work."""
DISK_BYTES_LOW = 512 * 1024 * 1024
DISK_BYTES_FULL = 64 * 1024 * 1024
FRAMES_MAX = 1000
"""The newest frames of each log that are looked at; `waggle verify` looks at all."""
GIT_SIGNATURES = (2, 34)
"""The first git that verifies SSH signatures."""
GIT_SYNCED = (2, 36)
"""The first git that syncs loose objects and refs when asked to (`core.fsync`)."""

Severity = Literal["ok", "note", "warning", "error"]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One finding: a stable code, how bad it is, what it is, and the safe next step.

    Invariant: the next step is empty exactly where all is well.
    """

    code: str
    severity: Severity
    what: str
    next_step: str = ""


_Found = Iterator[Diagnosis]


def examine(
    repository: Repository, environ: Mapping[str, str], outside: Outside
) -> list[Diagnosis]:
    """Look at everything; give what was found, check by check. Raises nothing for what it finds."""
    patient = _Patient(repository, environ, outside)
    try:
        return [item for check in _checks(patient) for item in _run(patient, *check)]
    finally:
        patient.close()


class _Patient:
    """What the checks look at; opened when a check first needs it."""

    def __init__(
        self, repository: Repository, environ: Mapping[str, str], outside: Outside
    ) -> None:
        self.repository = repository
        self.common_dir = repository.common_dir
        self.store_dir = repository.store_dir
        self.environ = environ
        self.now_ms = outside.now_ms()
        self.git = Git(repository.common_dir, environ=environ)
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self.store_dir)
        return self._journal

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.common_dir)

    @cached_property
    def spaces(self) -> list[str]:
        rows = self.journal.db.execute("SELECT space FROM entry UNION SELECT space FROM tip")
        return sorted(space for (space,) in rows)

    def tips(self, space: str) -> list[tuple[str, str, int]]:
        """Give (replica, newest frame, last seq) of every log that was verified."""
        rows: list[tuple[str, str, int]] = self.journal.db.execute(
            "SELECT replica, oid, seq FROM tip WHERE space=? ORDER BY replica, seq", (space,)
        ).fetchall()
        return rows

    def age_ms(self, path: str) -> int:
        return self.now_ms - int(os.stat(path).st_mtime * 1000)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


_Check = tuple[str, str, Callable[[_Patient], _Found]]


def _checks(patient: _Patient) -> tuple[_Check, ...]:
    """Give the checks that make sense here: without git or a store, most do not."""
    always: tuple[_Check, ...] = (
        ("git", "git is here and new enough", _git),
        ("ssh-keygen", "ssh-keygen is here: `git verify-commit` works", _ssh_keygen),
        ("medium", "the file system is safe for SQLite's log", _medium),
        ("disk", "there is room on the disk", _disk),
        ("store", "there is a store", _store),
    )
    if not os.path.exists(os.path.join(patient.store_dir, JOURNAL_FILE)):
        return always
    local: tuple[_Check, ...] = (
        ("config", "the settings can be read", _config),
        ("journal", "the journal can be read", _journal),
    )
    if shutil.which("git", path=patient.environ.get("PATH")) is None:
        return always + local
    return (
        *always,
        ("format", "git and libgit2 can both open the repository", _format),
        *local,
        ("key", "the key is private and belongs to this store", _key),
        ("clock", "the clock fits the logs", _clock),
        ("unsealed", "every entry stands in a frame", _unsealed),
        ("ref", "the refs are where the frames were verified", _refs),
        ("objects", "the objects of frames are there", _objects),
        ("lock", "no lock was left behind", _locks),
        ("temporary", "no temporary files were left behind", _temporary),
        ("held", "no draft is held back", _held),
        ("view", "the view can be read", _view),
        ("worktree", "every registered worktree is there", _worktrees),
    )


def _run(
    patient: _Patient, code: str, fine: str, check: Callable[[_Patient], _Found]
) -> list[Diagnosis]:
    try:
        found = list(check(patient))
    except WaggleError as error:
        return [_error(code, error.message, error.next_step)]
    except MissingObjectError as error:
        step = "Fetch it again from where the repository is whole; `git fsck` shows what lacks."
        return [_error(code, f"git lacks the object {error}", step)]
    except sqlite3.Error as error:
        step = "Keep the file as it is; it may hold entries that are in no frame yet."
        return [_error(code, f"the journal cannot be read: {error}", step)]
    except OSError as error:
        step = "Make it readable for this user, then run `waggle doctor` again."
        return [_error(code, f"{error.filename}: {error.strerror}", step)]
    return found or [Diagnosis(code=code, severity="ok", what=fine)]


def _note(code: str, what: str, next_step: str) -> Diagnosis:
    return Diagnosis(code=code, severity="note", what=what, next_step=next_step)


def _warning(code: str, what: str, next_step: str) -> Diagnosis:
    return Diagnosis(code=code, severity="warning", what=what, next_step=next_step)


def _error(code: str, what: str, next_step: str) -> Diagnosis:
    return Diagnosis(code=code, severity="error", what=what, next_step=next_step)


def span(ms: int) -> str:
    """Give a duration in milliseconds as people say it."""
    seconds = ms // 1000
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


# --- the machine -------------------------------------------------------------------------------


def _git(patient: _Patient) -> _Found:
    text = patient.git.text("--version")
    found = re.search(r"(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < GIT_SIGNATURES:
        what = f"{text} cannot verify SSH signatures and does not sync objects and refs"
        yield _error("git", what, "Install git 2.36 or newer; waggle itself verifies without it.")
    elif version < GIT_SYNCED:
        what = f"{text} does not sync loose objects and refs: a power cut may cost a frame"
        yield _warning("git", what, "Install git 2.36 or newer; the journal keeps what is newest.")


def _ssh_keygen(patient: _Patient) -> _Found:
    if shutil.which("ssh-keygen", path=patient.environ.get("PATH")) is None:
        what = "ssh-keygen is not here, so `git verify-commit` cannot check frames"
        yield _note("ssh-keygen", what, "Install OpenSSH for that; `waggle verify` needs none.")


def _medium(patient: _Patient) -> _Found:
    kind = medium(patient.common_dir)
    if kind in UNSAFE_MEDIA:
        what = f"{patient.common_dir} lies on {kind}, where SQLite's log is not safe"
        yield _error("medium", what, "Work in a clone on a local disk; git carries the logs over.")


def _disk(patient: _Patient) -> _Found:
    yield from room(shutil.disk_usage(patient.common_dir).free)


def room(free: int) -> _Found:
    """Judge the free bytes of the disk."""
    what = f"{free // 2**20} MiB are free on the repository's disk"
    if free < DISK_BYTES_FULL:
        yield _error("disk", what, "Free some space first; what was acknowledged is safe.")
    elif free < DISK_BYTES_LOW:
        yield _warning("disk", what, "Free some space soon.")


# --- the repository and the store --------------------------------------------------------------


def _format(patient: _Patient) -> _Found:
    kind = patient.git.text("rev-parse", "--show-object-format")
    if kind != "sha1":
        what = f"the repository has {kind} objects; libgit2 reads SHA-1 only"
        yield _error("format", what, "Use a repository with SHA-1 objects, git's default.")
    else:
        _ = patient.objects


def _store(patient: _Patient) -> _Found:
    if not os.path.exists(os.path.join(patient.store_dir, JOURNAL_FILE)):
        what = f"{patient.common_dir} has no waggle store"
        yield _warning("store", what, "Run `waggle init` once in this repository.")


def _config(patient: _Patient) -> _Found:
    config.load(patient.store_dir)
    yield from ()


def _journal(patient: _Patient) -> _Found:
    answer = patient.journal.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        yield _error(
            "journal",
            f"{patient.journal.path} is damaged: {answer}",
            "Copy the folder .git/waggle somewhere safe, then report it: the journal may hold "
            "entries that are in no frame yet.",
        )


def _key(patient: _Patient) -> _Found:
    path = os.path.join(patient.store_dir, identity.KEY_FILE)
    owner = identity.load(patient.store_dir)
    fresh = "Nothing needs to be done: the next append goes on as a new replica."
    if owner is None:
        yield _warning("key", f"the key file {path} is missing", fresh)
        return
    mode = os.stat(path).st_mode & 0o777
    if sys.platform != "win32" and mode & 0o077:
        what = f"others can read the key file {path} (mode {mode:03o})"
        yield _warning("key", what, f"Run `chmod 600 {path}`; tell the operator if others read it.")
    if owner.replica != patient.journal.replica:
        what = "the key belongs to another replica than the journal"
        yield _warning("key", what, fresh)
    elif not owner.fits(patient.journal.path):
        what = "this store is a copy: its key was made for another journal file"
        yield _note("copied", what, fresh)
    elif minting.overtaken(patient.journal):
        what = "this store went back: git holds entries of ours that the journal never had"
        yield _note("copied", what, fresh)


# --- entries and frames ------------------------------------------------------------------------


def _unsealed(patient: _Patient) -> _Found:
    journal = patient.journal
    for space in patient.spaces:
        planned = journal.db.execute(
            "SELECT first, last FROM frame WHERE space=? AND oid IS NULL", (space,)
        ).fetchone()
        if planned:
            what = f"{space}: frame {planned[0]}-{planned[1]} was begun and not finished"
            yield _note("planned", what, "`waggle sync` finishes it, to the same bytes.")
        count, since = journal.db.execute(
            "SELECT count(*), min(at) FROM entry WHERE space=? AND seq>?",
            (space, journal.sealed(space)),
        ).fetchone()
        if count:
            age = span(max(0, patient.now_ms - millis(since)))
            what = f"{space}: {count} entries are in the journal only, the oldest for {age}"
            yield _note(
                "unsealed", what, "`waggle sync` puts them into git; they are durable here."
            )


def _refs(patient: _Patient) -> _Found:
    for space in patient.spaces:
        refs = patient.objects.refs(f"{REFS}/{space}/")
        tips = patient.tips(space)
        forked = {replica for replica, _, _ in tips if [t[0] for t in tips].count(replica) > 1}
        for replica in sorted(forked):
            what = f"{space}: {replica[:12]} wrote two histories, and is admitted up to the fork"
            yield _warning("forked", what, "`waggle verify` shows the proof; tell its operator.")
        for replica, oid, _ in tips:
            if replica not in forked:
                name = ref_name(space, replica)
                yield from _ref(patient, name, oid, refs.get(name))


def _ref(patient: _Patient, name: str, tip: str, ref: str | None) -> _Found:
    if ref == tip:
        return
    own = name.endswith(patient.journal.replica)
    back = "`waggle sync` puts it back." if own else "`waggle sync` fetches it again."
    if ref is None:
        broken = os.path.exists(os.path.join(patient.common_dir, *name.split("/")))
        what = f"{name} holds no object id" if broken else f"{name} is gone"
        yield _error("ref", what, back)
    elif _is_ancestor(patient.git, ref, tip):
        yield _warning("ref", f"{name} went back to {ref[:12]}, before {tip[:12]}", back)
    elif _is_ancestor(patient.git, tip, ref):
        what = f"{name} is ahead of what was verified"
        yield _note("ref", what, "`waggle sync` looks at it.")
    else:
        what = f"{name} is at {ref[:12]}, which does not follow {tip[:12]}"
        yield _error("ref", what, "Run `waggle verify`: it tells damage from two histories.")


def _is_ancestor(git: Git, older: str, newer: str) -> bool:
    status, _ = git.call("merge-base", "--is-ancestor", older, newer, ok=(0, 1, 128))
    return status == 0


def _objects(patient: _Patient) -> _Found:
    logs = Logs(patient.objects)
    for space in patient.spaces:
        for replica, tip, _ in patient.tips(space):
            whose = "ours" if replica == patient.journal.replica else replica[:12]
            try:
                for count, (oid, _) in enumerate(logs.back(tip), start=1):
                    patient.objects.file(oid, ENTRIES_FILE)
                    if count == FRAMES_MAX:
                        break
            except MissingObjectError as error:
                yield _error(
                    "objects",
                    f"{space}: the log of {whose} lacks the object {error}",
                    "`waggle sync` fetches it where a remote has it; a clone of another device "
                    "has it too.",
                )
            except BadFrameError as error:
                yield _error(
                    "objects",
                    f"{space}: the log of {whose}: {error}",
                    "Run `waggle verify`; fetch the log again from where it is whole.",
                )


def _clock(patient: _Patient) -> _Found:
    others = future = 0
    for space in patient.spaces:
        at = patient.journal.head(space)[2]
        ahead = millis(at) - patient.now_ms
        if from_the_future(at, patient.now_ms):
            what = f"{space}: our last entry is {span(ahead)} ahead of this device's clock"
            step = "Look at the clock. If it is right now, go on: a new replica will write."
            yield _warning("clock", what, step)
        elif ahead > 0:
            what = f"{space}: the clock is {span(ahead)} before our last entry"
            yield _note("clock", what, "Nothing needs to be done: entries stay in order.")
        for replica, tip, _ in patient.tips(space):
            if replica != patient.journal.replica:
                others += 1
                future += from_the_future(Logs(patient.objects).clock(tip), patient.now_ms)
    if future:
        step = "Wait: they are admitted when their time comes. Their writers' clocks are ahead."
        if future == others:
            step = "Look at this device's clock first: everyone else is ahead of it."
        yield _warning("future", f"{future} of {others} other logs end in the future", step)


# --- what was left behind ----------------------------------------------------------------------


def _lock_files(patient: _Patient) -> Iterator[str]:
    folders = {patient.common_dir, patient.repository.git_dir}
    for folder in sorted(folders):
        yield from (item.path for item in os.scandir(folder) if item.name.endswith(".lock"))
    for folder in ("refs", "worktrees", "objects/info", "logs/refs"):
        for here, _, names in os.walk(os.path.join(patient.common_dir, folder)):
            yield from (os.path.join(here, name) for name in names if name.endswith(".lock"))


def _locks(patient: _Patient) -> _Found:
    for path in sorted(set(_lock_files(patient))):
        age = patient.age_ms(path)
        if age > LOCK_AGE_MS_MIN:
            yield _warning(
                "lock",
                f"{path} is {span(age)} old: a git that was killed left it, or one still works",
                "See that no git works in this repository, then move the file aside.",
            )


def _temporary(patient: _Patient) -> _Found:
    count = size = 0
    for here, _, names in os.walk(os.path.join(patient.common_dir, "objects")):
        for name in names:
            path = os.path.join(here, name)
            if name.startswith(("tmp_", ".tmp-")) and patient.age_ms(path) > LOCK_AGE_MS_MIN:
                count += 1
                size += os.stat(path).st_size
    if count:
        what = f"{count} temporary files of {size} bytes lie among the objects"
        yield _note("temporary", what, "Leave them: git's own maintenance takes them away.")


def _held(patient: _Patient) -> _Found:
    for name in sorted(patient.objects.refs(held.HELD_REFS)):
        _, _, space, oid = name.split("/")
        draft = next(item.draft for item in held.listing(patient.objects, space) if item.id == oid)
        places = ", ".join(f"{f.place}:{f.line} ({f.rule})" for f in draft.findings[:3])
        yield _warning(
            "held",
            f"{space}: draft {oid[:12]} looks like it holds a secret: {places}",
            "Publish again without the secret; if it is none, the operator runs "
            f"`waggle release {oid[:12]}`.",
        )


def _view(patient: _Patient) -> _Found:
    folder = os.path.join(patient.store_dir, VIEW_DIR)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if not name.endswith(".db"):
            continue
        space = name.removesuffix(".db")
        head = patient.journal.head(space)[0]
        try:
            seq = _folded(os.path.join(folder, name), patient.journal.replica)
        except sqlite3.Error as error:
            what = f"the view of {space} cannot be read: {error}"
            yield _note("view", what, "Nothing needs to be done: the next read makes it anew.")
            continue
        if seq < head:
            what = f"the view of {space} has folded {seq} of our {head} entries"
            yield _note("view", what, "Nothing needs to be done: the next read folds the rest.")


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


def _worktrees(patient: _Patient) -> _Found:
    listed = patient.git.text("worktree", "list", "--porcelain")
    for record in listed.split("\n\n"):
        rows = dict(row.partition(" ")[::2] for row in record.splitlines())
        path = rows.get("worktree")
        if path and "bare" not in rows and not os.path.isdir(path):
            yield _note(
                "worktree",
                f"the worktree {path} is registered but its folder is gone",
                "If it lies on a disk that is not mounted now, leave it; otherwise `git worktree "
                "prune` forgets it, and its branch and commits stay.",
            )
