"""What is wrong with this machine: git, the disk, the file system."""

from __future__ import annotations

import re
import shutil

from waggle.store.checkup.patient import Found, Patient, error, note, warning
from waggle.store.setup import UNSAFE_MEDIA, medium

DISK_BYTES_LOW = 512 * 1024 * 1024
DISK_BYTES_FULL = 64 * 1024 * 1024
GIT_SIGNATURES = (2, 34)
"""The first git that verifies SSH signatures."""
GIT_SYNCED = (2, 36)
"""The first git that syncs loose objects and refs when asked to (`core.fsync`)."""


def check_git(patient: Patient) -> Found:
    """Look whether git is here, and new enough to verify and to sync."""
    text = patient.git.text("--version")
    found = re.search(r"(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < GIT_SIGNATURES:
        what = f"{text} cannot verify SSH signatures and does not sync objects and refs"
        yield error("git", what, "Install git 2.36 or newer; waggle itself verifies without it.")
    elif version < GIT_SYNCED:
        what = f"{text} does not sync loose objects and refs: a power cut may cost a frame"
        yield warning("git", what, "Install git 2.36 or newer; the journal keeps what is newest.")


def check_ssh_keygen(patient: Patient) -> Found:
    """Look whether `git verify-commit` can check signatures."""
    if shutil.which("ssh-keygen", path=patient.environ.get("PATH")) is None:
        what = "ssh-keygen is not here, so `git verify-commit` cannot check frames"
        yield note("ssh-keygen", what, "Install OpenSSH for that; `waggle verify` needs none.")


def check_medium(patient: Patient) -> Found:
    """Look whether the file system is safe for SQLite's log."""
    kind = medium(patient.common_dir)
    if kind in UNSAFE_MEDIA:
        what = f"{patient.common_dir} lies on {kind}, where SQLite's log is not safe"
        yield error("medium", what, "Work in a clone on a local disk; git carries the logs over.")


def check_disk(patient: Patient) -> Found:
    """Look whether there is room on the disk."""
    yield from room(shutil.disk_usage(patient.common_dir).free)


def room(free: int) -> Found:
    """Judge the free bytes of the disk."""
    what = f"{free // 2**20} MiB are free on the repository's disk"
    if free < DISK_BYTES_FULL:
        yield error("disk", what, "Free some space first; what was acknowledged is safe.")
    elif free < DISK_BYTES_LOW:
        yield warning("disk", what, "Free some space soon.")
