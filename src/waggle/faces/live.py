"""A node as the faces open it: from a store's settings, the user's folders and git's remotes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import msgspec

from waggle.base.errors import WaggleError
from waggle.eventual.suspicion import Detector
from waggle.store.config import Config
from waggle.store.space import Space
from waggle.sync.git.remotes import Remote, find_project, find_remotes
from waggle.sync.live.settings import Settings
from waggle.sync.node.node import Node
from waggle.sync.node.plan import Happened, Plan


def live_settings(config: Config, environ: Mapping[str, str]) -> Settings:
    """Give the live path's settings; raise `invalid` for what they do not know.

    By default the clones of this user on this machine meet in a folder that is the user's alone.
    """
    try:
        settings = msgspec.convert(dict(config.live), Settings)
    except msgspec.ValidationError as error:
        raise WaggleError(
            "invalid",
            f"config.toml, [live]: {error}",
            "Correct that setting: mode, listen, connect, discover, ca, certificate, key, meeting.",
        ) from error
    if settings.meeting is not None:
        return settings
    return msgspec.structs.replace(settings, meeting=meeting_folder(environ))


def meeting_folder(environ: Mapping[str, str]) -> str:
    """Give the folder in which this user's nodes on this machine meet."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return os.path.join(runtime, "waggle")
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "waggle-up")


def open_node(
    open_space: Callable[[str], Space],
    spaces: Sequence[str],
    cwd: str,
    environ: Mapping[str, str],
    *,
    named: Sequence[str] = (),
    offline: bool = False,
    timeout_s: float = 120.0,
    tell: Callable[[Happened], None] = lambda _: None,
) -> Node:
    """Give a node of these spaces that is not running yet.

    Raises `invalid` and `environment` for bad settings.
    """
    with open_space(spaces[0]) as space:
        git, config = space.objects.git, space.config
        remotes = () if offline else _remotes(space, named, cwd)
        plan = Plan(
            project=find_project(git, config),
            live=live_settings(config, environ),
            spaces=tuple(spaces),
            remotes=tuple(remotes),
            addresses=tuple(_address(space, one) for one in remotes),
            timeout_s=timeout_s,
        )
    return Node(open_space, plan, tell, detector=Detector)


def _remotes(space: Space, named: Sequence[str], cwd: str) -> list[Remote]:
    try:
        return find_remotes(space.objects.git, space.config, named, cwd)
    except WaggleError as error:
        if named or error.code != "environment":
            raise
        return []  # a node without any remote is of use, too


def _address(space: Space, remote: Remote) -> str:
    """Give the address behind a remote's name."""
    status, out = space.objects.git.call("remote", "get-url", remote.where, ok=(0, 2, 128))
    return remote.where if status else out.decode(errors="replace").strip()
