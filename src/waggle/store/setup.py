"""Making a store in a repository: once, repeatable, crash-safe."""

from __future__ import annotations

import os

import msgspec
import psutil

from waggle.base.errors import WaggleError
from waggle.log.sshsig import public_text
from waggle.store import config
from waggle.store.frames.reclaim import reclaim
from waggle.store.frames.signers import write_signers
from waggle.store.outside import Outside
from waggle.store.own import minting
from waggle.store.own.identity import Identity
from waggle.store.own.journal import Journal
from waggle.store.own.lock import locked
from waggle.store.repo.locate import Repository
from waggle.store.repo.objects import Objects

UNSAFE_MEDIA = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "afpfs", "ceph", "lustre",
     "glusterfs", "fuse.glusterfs", "fuse.sshfs", "sshfs", "vboxsf", "prl_fs", "virtiofs",
     "fuse.vmhgfs-fuse", "drvfs", "webdav", "davfs"}
)  # fmt: skip
"""File systems on which SQLite's write-ahead log is unsafe between machines."""


def medium(path: str) -> str:
    """Give the type of the file system that holds a path, or `unknown`."""
    real = os.path.realpath(path)
    best = ("", "unknown")
    for mount in psutil.disk_partitions(all=True):
        point = mount.mountpoint
        inside = real == point or real.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(best[0]):
            best = (point, mount.fstype.lower())
    return best[1]


def _operator(text: str) -> str:
    try:
        return config.operator(text)
    except ValueError as error:
        raise WaggleError(
            "invalid", str(error), "Give the one line of the operator's .pub file."
        ) from error


def initialise(
    repository: Repository, outside: Outside, operators: tuple[str, ...] = ()
) -> tuple[Identity, bool]:
    """Make the store, or complete it; give who writes here and whether it was made anew.

    Raises `environment` on a file system that is unsafe or cannot be written, and where libgit2
    cannot open the repository (SHA-256 objects); `invalid` for an operator that is no public key.
    """
    operators = tuple(map(_operator, operators))
    kind = medium(repository.common_dir)
    if kind in UNSAFE_MEDIA:
        raise WaggleError(
            "environment",
            f"{repository.common_dir} lies on {kind}, where SQLite's log is not safe",
            "Work in a clone on a local disk; clones exchange everything through git.",
        )
    objects = Objects(repository.common_dir)  # better no store than one that can never seal
    store_dir = repository.store_dir
    try:
        os.makedirs(store_dir, exist_ok=True)
    except OSError as error:
        raise WaggleError(
            "environment",
            f"cannot make {store_dir}: {error.strerror}",
            "Make the repository writable for this user.",
        ) from error
    journal = Journal(store_dir)
    try:
        with locked(store_dir, "seal"):
            journal.refresh()
            owner = minting.current(store_dir, journal)
            fresh = owner is None
            if owner is None:
                sealed = {name: reclaim(objects, journal, name) for name in journal.spaces()}
                owner = minting.mint(store_dir, journal, outside.entropy, outside.now_ms(), sealed)
            settings = config.load(store_dir)
            known = tuple(dict.fromkeys((*settings.operators, *operators)))
            path = os.path.join(store_dir, config.CONFIG_FILE)
            if known != settings.operators or not os.path.exists(path):
                config.save(store_dir, msgspec.structs.replace(settings, operators=known))
            public = owner.private_key().public_key().public_bytes_raw()
            write_signers(store_dir, {owner.replica: public_text(public)})
    finally:
        journal.close()
    return owner, fresh
