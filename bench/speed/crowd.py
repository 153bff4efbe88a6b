"""Very many replicas, cheaply: each a log of one signed entry, written into a bare repository."""

from __future__ import annotations

import time
from pathlib import Path

import pygit2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.speed import world
from waggle.base.ids import extend, genesis, replica_of
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import canonical, fields_of
from waggle.log.frame import (
    ENTRIES_FILE,
    Statement,
    commit_bytes,
    identity,
    message,
    signed_bytes,
)
from waggle.log.line import body, line
from waggle.log.sshsig import sign
from waggle.store.frames.sealing import ref_name

SPACE = "main"


def crowd(where: Path, number: int) -> int:
    """Write so many logs, each by a key of its own; give how many there are."""
    # Nothing here has to outlive a power cut, and syncing it would take most of the time.
    pygit2.settings.enable_fsync_gitdir(False)  # noqa: FBT003 - pygit2's own signature
    try:
        repository = pygit2.Repository(str(where))
        now_ms = time.time_ns() // 1_000_000
        refs = dict(_log(repository, n, now_ms) for n in range(number))
    finally:
        pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003
    commands = "".join(f"create {name} {oid}\n" for name, oid in refs.items())
    world.git(where, "update-ref", "--stdin", data=commands.encode())
    # As a host has it after a while.
    world.git(where, "pack-refs", "--all")
    world.git(where, "repack", "-a", "-d", "-q")
    return len(refs)


def _log(repository: pygit2.Repository, number: int, now_ms: int) -> tuple[str, str]:
    """Write a log of one entry; give its ref and the frame's id."""
    key = Ed25519PrivateKey.from_private_bytes((number + 1).to_bytes(32, "big"))
    replica = replica_of(key.public_key().public_bytes_raw())
    task = TaskAdd(title=f"task of replica {number}")
    entry = line(now_ms << 16, body(task.KIND, world.ANN.fields(), fields_of(task),
                                    encode=canonical))  # fmt: skip
    tree = repository.TreeBuilder()
    tree.insert(ENTRIES_FILE, repository.create_blob(entry + b"\n"), pygit2.GIT_FILEMODE_BLOB)
    stated = Statement(
        space=SPACE, replica=replica, first=1, last=1, hash=extend(genesis(SPACE, replica), entry)
    )
    unsigned = commit_bytes(
        tree=str(tree.write()),
        parents=(),
        who=identity(replica, now_ms // 1000),
        text=message(stated, [task.KIND]),
    )
    frame = signed_bytes(unsigned, sign(key, unsigned))
    return ref_name(SPACE, replica), str(repository.write(pygit2.GIT_OBJECT_COMMIT, frame))
