"""What is wrong with this machine, this repository and this store, and the safe next step.

Looks only: nothing is changed, mended or locked. Each check is a function that yields what it
found; a check that found nothing is reported as `ok`, so silence never stands for "not looked at".
No next step destroys anything: at most it moves a file aside.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping

from waggle.base.errors import WaggleError
from waggle.store.checkup import holdings, logbooks, machine, remains
from waggle.store.checkup.patient import Diagnosis, Found, Patient, error
from waggle.store.outside import Outside
from waggle.store.own.journal import JOURNAL_FILE
from waggle.store.repo.git import MissingObjectError
from waggle.store.repo.locate import Repository


def examine(
    repository: Repository, environ: Mapping[str, str], outside: Outside
) -> list[Diagnosis]:
    """Look at everything; give what was found, check by check. Raises nothing for what it finds."""
    patient = Patient(repository, environ, outside)
    try:
        return [item for check in _checks(patient) for item in _run(patient, *check)]
    finally:
        patient.close()


_Check = tuple[str, str, Callable[[Patient], Found]]


def _checks(patient: Patient) -> tuple[_Check, ...]:
    """Give the checks that make sense here: without git or a store, most do not."""
    always: tuple[_Check, ...] = (
        ("git", "git is here and new enough", machine.check_git),
        ("ssh-keygen", "ssh-keygen is here: `git verify-commit` works", machine.check_ssh_keygen),
        ("medium", "the file system is safe for SQLite's log", machine.check_medium),
        ("disk", "there is room on the disk", machine.check_disk),
        ("store", "there is a store", holdings.check_store),
    )
    if not os.path.exists(os.path.join(patient.store_dir, JOURNAL_FILE)):
        return always
    local: tuple[_Check, ...] = (
        ("config", "the settings can be read", holdings.check_config),
        ("journal", "the journal can be read", holdings.check_journal),
    )
    if shutil.which("git", path=patient.environ.get("PATH")) is None:
        return always + local
    return (
        *always,
        ("format", "git and libgit2 can both open the repository", holdings.check_format),
        *local,
        ("key", "the key is private and belongs to this store", holdings.check_key),
        ("clock", "the clock fits the logs", logbooks.check_clock),
        ("unsealed", "every entry stands in a frame", logbooks.check_unsealed),
        ("ref", "the refs are where the frames were verified", logbooks.check_refs),
        ("objects", "the objects of frames are there", logbooks.check_objects),
        ("lock", "no lock was left behind", remains.check_locks),
        ("temporary", "no temporary files were left behind", remains.check_temporary),
        ("held", "no draft is held back", holdings.check_held),
        ("view", "the view can be read", holdings.check_view),
        ("worktree", "every registered worktree is there", remains.check_worktrees),
    )


def _run(
    patient: Patient, code: str, fine: str, check: Callable[[Patient], Found]
) -> list[Diagnosis]:
    try:
        found = list(check(patient))
    except WaggleError as caught:
        return [error(code, caught.message, caught.next_step)]
    except MissingObjectError as caught:
        step = "Fetch it again from where the repository is whole; `git fsck` shows what lacks."
        return [error(code, f"git lacks the object {caught}", step)]
    except sqlite3.Error as caught:
        step = "Keep the file as it is; it may hold entries that are in no frame yet."
        return [error(code, f"the journal cannot be read: {caught}", step)]
    except OSError as caught:
        step = "Make it readable for this user, then run `waggle doctor` again."
        return [error(code, f"{caught.filename}: {caught.strerror}", step)]
    return found or [Diagnosis(code=code, severity="ok", what=fine)]
