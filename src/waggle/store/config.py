"""config.toml of a store: a few settings, each with a default, read when the store is opened."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.base.ids import check_space, is_replica
from waggle.base.limits import CONTENT_BYTES_HARD_MAX, CONTENT_BYTES_MAX
from waggle.store.disk import write_private

CONFIG_FILE = "config.toml"
PREFIX = "refs/waggle"
_KEY = re.compile(r"(ssh-ed25519 [A-Za-z0-9+/]{68})(?:\s|$)")
_PREFIX = re.compile(r"refs(/[A-Za-z0-9_][A-Za-z0-9_-]*)+")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one store."""

    operators: tuple[str, ...] = ()
    """Public keys (`ssh-ed25519 AAAA...`) whose rulings count here."""
    content_bytes_max: int = CONTENT_BYTES_MAX
    """The largest file of a candidate, in bytes."""
    remotes: tuple[str, ...] = ()
    """Git remotes, by name or URL, that `waggle sync` uses; where none is named, `origin`."""
    spaces: tuple[str, ...] = ()
    """Spaces that `waggle sync` and `waggle up` carry; where none is named, all that are here."""
    prefix: str = PREFIX
    """Where a remote keeps the logs; `refs/heads/waggle` for hosts that take branches only."""
    trust: Literal["first_use", "listed"] = "first_use"
    """Whose logs count: everybody's that verify, or only those trusted by name."""
    trusted: tuple[str, ...] = ()
    """Replicas that count besides those that an operator's entry trusts, if trust is `listed`."""
    project: str = ""
    """What all clones share on the live path, in hex; empty: it is made of the first commits."""
    live: Mapping[str, object] = {}
    """The live path's own settings (sync/live/settings.py), as the table `[live]`."""


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
        return _checked(config)
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


def _checked(config: Config) -> Config:
    """Give the settings with keys in their short form; raise ValueError on a bad value."""
    if not 0 < config.content_bytes_max <= CONTENT_BYTES_HARD_MAX:
        raise ValueError(
            f"content_bytes_max must lie between 1 and {CONTENT_BYTES_HARD_MAX};"
            " hosts refuse files of 100 MB"
        )
    if not _PREFIX.fullmatch(config.prefix):
        raise ValueError(
            f"prefix {config.prefix!r} is no place for refs, such as refs/heads/waggle"
        )
    for space in config.spaces:
        try:
            check_space(space)
        except WaggleError as error:
            raise ValueError(f"spaces: {error.message}") from error
    for replica in config.trusted:
        if not is_replica(replica):
            raise ValueError(f"trusted: {replica!r} is no replica's id (32 hex digits)")
    return msgspec.structs.replace(config, operators=tuple(map(operator, config.operators)))


def save(store_dir: str, config: Config) -> None:
    """Write the settings; raise `invalid` where one could not be read again."""
    try:
        _checked(config)
    except ValueError as error:
        raise WaggleError("invalid", str(error), "Give another value.") from error
    text = f"""# Settings of this waggle store.

# Whose rulings count: public keys, one operator each.
operators = {_list(config.operators)}

# The largest file of a candidate, in bytes.
content_bytes_max = {config.content_bytes_max}

# What `waggle sync` exchanges logs with: names of git remotes, or URLs. None named: origin.
remotes = {_list(config.remotes)}

# The spaces that `waggle sync` and `waggle up` carry. None named: all that this store holds.
spaces = {_list(config.spaces)}

# Where remotes keep the logs; refs/heads/waggle for hosts that take branches only.
prefix = {_text(config.prefix)}

# Whose logs count: "first_use" (all that verify), or "listed" (those that `waggle members trust`
# or the list below names).
trust = {_text(config.trust)}
trusted = {_list(config.trusted)}

# What tells this project from others on the live path, in hex; empty: its first commits do.
project = {_text(config.project)}

# The live path (`waggle up`). Without settings it reaches this user's clones on this machine only.
# For others on the network: discover = true, or listen = ["tcp/0.0.0.0:7447"] and
# connect = ["tcp/HOST:7447"]; with ca, certificate and key (paths) all of it is sealed by TLS.
[live]
{_table(config.live)}"""
    write_private(os.path.join(store_dir, CONFIG_FILE), text)


def _text(value: str) -> str:
    """Give a string as TOML: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(values: Mapping[str, object]) -> str:
    """Give settings as the rows of a table: texts, lists of texts, switches, numbers."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _list(values: tuple[str, ...]) -> str:
    rows = "".join(f"  {_text(value)},\n" for value in values)
    return f"[\n{rows}]" if values else "[]"
