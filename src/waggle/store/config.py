"""config.toml of a store: a few settings, each with a default, read when the store is opened."""

from __future__ import annotations

import os
import re
import tomllib

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.limits import CONTENT_BYTES_HARD_MAX, CONTENT_BYTES_MAX
from waggle.store.identity import write_private

CONFIG_FILE = "config.toml"
_KEY = re.compile(r"(ssh-ed25519 [A-Za-z0-9+/]{68})(?:\s|$)")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings: whose rulings count, and how large one file of a candidate may be."""

    operators: tuple[str, ...] = ()
    """Public keys (`ssh-ed25519 AAAA...`) whose rulings count here."""
    content_bytes_max: int = CONTENT_BYTES_MAX


def operator(text: str) -> str:
    """Give an operator's public key without its comment; raise ValueError on anything else."""
    found = _KEY.match(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no public key of the form `ssh-ed25519 AAAA...`")
    return found[1]


def load(store_dir: str) -> Config:
    """Read the settings; raise `invalid` naming what is wrong in the file."""
    path = os.path.join(store_dir, CONFIG_FILE)
    try:
        with open(path, "rb") as file:
            config = msgspec.convert(tomllib.load(file), Config)
        config = msgspec.structs.replace(config, operators=tuple(map(operator, config.operators)))
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise WaggleError(
            "environment",
            f"{path} cannot be read: {error.strerror}",
            "Run waggle as the user who ran `waggle init`.",
        ) from error
    except ValueError as error:  # not TOML, not UTF-8, or not these settings
        raise WaggleError("invalid", f"{path}: {error}", "Correct that line.") from error
    if not 0 < config.content_bytes_max <= CONTENT_BYTES_HARD_MAX:
        raise WaggleError(
            "invalid",
            f"{path}: content_bytes_max must lie between 1 and {CONTENT_BYTES_HARD_MAX}",
            "Hosts refuse files of 100 MB; choose a smaller number.",
        )
    return config


def save(store_dir: str, config: Config) -> None:
    """Write the settings."""
    keys = "".join(f'  "{key}",\n' for key in config.operators)
    text = (
        "# Settings of this waggle store.\n\n"
        "# Whose rulings count: public keys, one operator each.\n"
        f"operators = [\n{keys}]\n\n"
        "# The largest file of a candidate, in bytes.\n"
        f"content_bytes_max = {config.content_bytes_max}\n"
    )
    write_private(os.path.join(store_dir, CONFIG_FILE), text)
