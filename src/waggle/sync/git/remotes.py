"""Which remotes a store exchanges its logs with, and how each is named here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from hashlib import blake2b

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.store.config import Config
from waggle.store.repo.git import Git

TRACKING = "refs/waggle-remote"
"""The mirror of what each remote has; nothing is believed because it stands here."""
_SAFE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.|lock\Z|\Z)){0,63}")


class Remote(Struct, frozen=True, kw_only=True):
    """A git remote as waggle uses it."""

    name: str
    """As the user knows it: a remote's name in git's settings, a URL, or a path."""
    where: str
    """What git is given."""
    track: str
    """Its name within the tracking refs: one safe component."""
    prefix: str
    """Where it keeps logs: `<prefix>/<space>/<replica>`."""

    def tracking(self, space: str) -> str:
        """Give the prefix of the refs that mirror a space of this remote, with its last slash."""
        return f"{TRACKING}/{self.track}/{space}/"


def find_remotes(git: Git, config: Config, named: Sequence[str], cwd: str) -> list[Remote]:
    """Give the remotes that are named, or the settings', or `origin`, or the only one there is.

    A relative path is taken from `cwd`. Raises `invalid` for what is neither a remote's name nor
    a URL or path, and `environment` where there is no remote at all.
    """
    known = git.text("remote").split("\n")
    known = [name for name in known if name]
    wanted = list(dict.fromkeys(named or config.remotes or _default(known)))
    if not wanted:
        raise WaggleError(
            "environment",
            "there is no remote to exchange logs with",
            "Name one: `waggle init --remote URL`, or add it with `git remote add origin URL`.",
        )
    return [_remote(name, known, config.prefix, cwd) for name in wanted]


def _default(known: Sequence[str]) -> list[str]:
    """Never all of them: others may be public, or somebody else's."""
    if "origin" in known:
        return ["origin"]
    return list(known) if len(known) == 1 else []


def _remote(name: str, known: Sequence[str], prefix: str, cwd: str) -> Remote:
    if name in known:
        track = name if _SAFE.fullmatch(name) else _digest(name)
        return Remote(name=name, where=name, track=track, prefix=prefix)
    where = name
    if os.path.exists(os.path.join(cwd, name)):
        where = os.path.abspath(os.path.join(cwd, name))
    elif name.startswith("-") or not ("/" in name or ":" in name):
        raise WaggleError(
            "invalid",
            f"{name!r} is no git remote here, no URL and no path",
            f"Known remotes: {', '.join(known) or 'none'}. Give one of them or a URL.",
        )
    return Remote(name=name, where=where, track=_digest(where), prefix=prefix)


def _digest(text: str) -> str:
    return "url-" + blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def find_project(git: Git, config: Config) -> str:
    """Give what all clones of this project share: the setting, or a digest of its first commits.

    Raises `environment` where there is none to be made: no commits yet, or a shallow clone.
    """
    if config.project:
        return config.project
    status, out = git.call("rev-list", "--max-parents=0", "HEAD", ok=(0, 128))
    if status or not out or git.text("rev-parse", "--is-shallow-repository") == "true":
        raise WaggleError(
            "environment",
            "nothing tells this project from others yet: it has no commits, or is a shallow clone",
            'Set `project = "..."` (32 hex digits, the same in all clones) in'
            " .git/waggle/config.toml, or commit something first.",
        )
    first = min(out.decode().split())
    return blake2b(f"waggle project\0{first}".encode(), digest_size=16).hexdigest()
