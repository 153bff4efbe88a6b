"""The replica's identity: an Ed25519 key that is bound to the journal it was made for.

A copied or restored store must not write as its original: two writers of one log would equivocate.
So the key file names the inode and the birth time of journal.db. A copy has others; a reboot, a
remount or a new container on the same volume has not. Only the check is on the hot path; making
and using keys imports `cryptography`.
"""

from __future__ import annotations

import json
import os
import sys

from waggle.base.errors import WaggleError
from waggle.base.ids import is_hex, is_replica, replica_of
from waggle.store.disk import write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "key"
_STATX_BTIME = 0x800
_AT_FDCWD = -100


def birth_ns(path: str) -> int:
    """Give a file's birth time in nanoseconds since 1970, or 0 where the system has none."""
    status = os.stat(path)
    if sys.platform != "linux":
        return int(getattr(status, "st_birthtime", 0) * 1_000_000_000)
    import ctypes

    statx = getattr(ctypes.CDLL(None), "statx", None)
    buffer = ctypes.create_string_buffer(256)
    if statx is None or statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer):
        return 0
    raw = buffer.raw
    if not int.from_bytes(raw[0:4], sys.byteorder) & _STATX_BTIME:
        return 0
    seconds = int.from_bytes(raw[80:88], sys.byteorder, signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(raw[88:92], sys.byteorder)


class Identity:
    """A replica id with its secret seed (32 bytes) and what its key file is bound to."""

    __slots__ = ("born", "inode", "replica", "seed")

    def __init__(self, *, replica: str, seed: bytes, inode: int, born: int) -> None:
        self.replica = replica
        self.seed = seed
        self.inode = inode
        self.born = born

    def fits(self, journal_path: str) -> bool:
        """Tell whether this key was made for that very journal file."""
        if os.stat(journal_path).st_ino != self.inode:
            return False
        born = birth_ns(journal_path)
        return 0 in (born, self.born) or born == self.born

    def private_key(self) -> Ed25519PrivateKey:
        """Give the key that signs frames."""
        return _private(self.seed)


def _private(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


def make(seed: bytes, journal_path: str) -> Identity:
    """Give the identity of a fresh random seed, bound to the journal."""
    public = _private(seed).public_key().public_bytes_raw()
    return Identity(
        replica=replica_of(public),
        seed=seed,
        inode=os.stat(journal_path).st_ino,
        born=birth_ns(journal_path),
    )


def save(store_dir: str, identity: Identity, name: str = KEY_FILE) -> None:
    """Write the key file, or one that waits under another name."""
    fields = {
        "replica": identity.replica,
        "seed": identity.seed.hex(),
        "inode": identity.inode,
        "born": identity.born,
    }
    write_private(os.path.join(store_dir, name), json.dumps(fields, indent=1) + "\n")


def load(store_dir: str) -> Identity | None:
    """Give the identity in the key file, None where there is no file; raise `damaged`."""
    path = os.path.join(store_dir, KEY_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        seed = fields["seed"]
        if not (is_replica(fields["replica"]) and is_hex(seed, 64)):
            raise ValueError("not a key")
        return Identity(
            replica=fields["replica"],
            seed=bytes.fromhex(seed),
            inode=int(fields["inode"]),
            born=int(fields["born"]),
        )
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise WaggleError(
            "environment",
            f"the key file {path} cannot be read: {error.strerror}",
            "Run waggle as the user who ran `waggle init`.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WaggleError(
            "damaged",
            f"the key file {path} is not readable as a key",
            "Move it aside and run `waggle init`: the store goes on as a new replica.",
        ) from error
