"""The operator's key: the person's, not the replica's. Rulings count only when it signed them.

It lies with the user's own configuration, outside every repository. An agent that runs as the
same user could read it; a race tells agents apart by their environment and refuses them, which is
a guard against mistakes and no security claim.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waggle.base.errors import WaggleError
from waggle.base.ids import is_hex
from waggle.log.sshsig import public_text
from waggle.store.disk import write_private


def key_path(environ: Mapping[str, str]) -> str:
    """Give where the operator's key lies: WAGGLE_OPERATOR_KEY, or the user's configuration."""
    named = environ.get("WAGGLE_OPERATOR_KEY")
    if named:
        return named
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".config"
    )
    return os.path.join(home, "waggle", "operator.key")


def is_agent(environ: Mapping[str, str]) -> bool:
    """Tell whether this process runs for an agent of a race."""
    return "WAGGLE_RUN" in environ


def load(environ: Mapping[str, str], *, fresh_seed: bytes | None = None) -> Ed25519PrivateKey:
    """Give the operator's key, made from `fresh_seed` (32 bytes) where there is none.

    Raises `not_allowed` for an agent, `not_found` where there is no key and no seed.
    """
    if is_agent(environ):
        raise WaggleError(
            "not_allowed",
            "an agent of a race cannot act as the operator",
            "Vote instead: `waggle vote CANDIDATE --up`; the operator rules.",
        )
    path = key_path(environ)
    try:
        with open(path, encoding="ascii") as file:
            seed = file.read().strip()
    except FileNotFoundError as error:
        if fresh_seed is None:
            raise WaggleError(
                "not_found", f"no operator's key at {path}", "Run `waggle init` as the operator."
            ) from error
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        seed = fresh_seed.hex()
        write_private(path, seed + "\n")
    if not is_hex(seed, 64):
        raise WaggleError(
            "damaged",
            f"{path} holds no operator's key",
            "Move the file aside; `waggle init` again.",
        )
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))


def ruling_here(environ: Mapping[str, str], operators: Collection[str]) -> Ed25519PrivateKey:
    """Give the operator's key where it may rule in a store that knows these operators.

    Raises `not_allowed` for an agent or a key that the store does not list, and what `load` does.
    """
    key = load(environ)
    if public(key) not in operators:
        raise WaggleError(
            "not_allowed",
            "your operator's key is not one of this store's operators",
            "Run `waggle init` here as the operator; it adds your key to config.toml.",
        )
    return key


def public(key: Ed25519PrivateKey) -> str:
    """Give the one-line public key that a store's configuration lists."""
    return public_text(key.public_key().public_bytes_raw())
