"""What was left behind: locks, temporary files, drafts, worktrees."""

from __future__ import annotations

import os
from collections.abc import Iterator

from waggle.store.checkup.patient import Found, Patient, note, span, warning

LOCK_AGE_MS_MIN = 60_000
"""A younger lock is somebody at work."""


def _lock_files(patient: Patient) -> Iterator[str]:
    folders = {patient.common_dir, patient.repository.git_dir}
    for folder in sorted(folders):
        yield from (item.path for item in os.scandir(folder) if item.name.endswith(".lock"))
    for folder in ("refs", "worktrees", "objects/info", "logs/refs"):
        for here, _, names in os.walk(os.path.join(patient.common_dir, folder)):
            yield from (os.path.join(here, name) for name in names if name.endswith(".lock"))


def check_locks(patient: Patient) -> Found:
    """Look whether a git that was killed left a lock."""
    for path in sorted(set(_lock_files(patient))):
        age = patient.age_ms(path)
        if age > LOCK_AGE_MS_MIN:
            yield warning(
                "lock",
                f"{path} is {span(age)} old: a git that was killed left it, or one still works",
                "See that no git works in this repository, then move the file aside.",
            )


def check_temporary(patient: Patient) -> Found:
    """Look whether temporary files lie among the objects."""
    count = size = 0
    for here, _, names in os.walk(os.path.join(patient.common_dir, "objects")):
        for name in names:
            path = os.path.join(here, name)
            if name.startswith(("tmp_", ".tmp-")) and patient.age_ms(path) > LOCK_AGE_MS_MIN:
                count += 1
                size += os.stat(path).st_size
    if count:
        what = f"{count} temporary files of {size} bytes lie among the objects"
        yield note("temporary", what, "Leave them: git's own maintenance takes them away.")


def check_worktrees(patient: Patient) -> Found:
    """Look whether the folder of every registered worktree is there."""
    listed = patient.git.text("worktree", "list", "--porcelain")
    for record in listed.split("\n\n"):
        rows = dict(row.partition(" ")[::2] for row in record.splitlines())
        path = rows.get("worktree")
        if path and "bare" not in rows and not os.path.isdir(path):
            yield note(
                "worktree",
                f"the worktree {path} is registered but its folder is gone",
                "If it lies on a disk that is not mounted now, leave it; otherwise `git worktree "
                "prune` forgets it, and its branch and commits stay.",
            )
