"""The command lines of git's network side: options, settings, and what a push printed.

Credentials, proxies, ssh and hosts work as the user has set them up. Nobody is asked for anything,
and no hook of the user's runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from waggle.sync.git.remotes import Remote
from waggle.sync.git.trouble import Trouble, classify

_SETTINGS = (
    "-c",
    "fetch.fsckObjects=true",
    # git holds larger files in memory piece by piece: 100 MB of zeros are 100 KB on the way.
    "-c",
    "core.bigFileThreshold=16m",
    # A minute of silence from a host is a line that is dead: git and its hosts keep a connection
    # alive every 5 s (uploadpack.keepAlive, receive.keepAlive). It ends a git that waggle, killed
    # meanwhile, could not end.
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=60",
)
FETCH = (
    "fetch",
    "--quiet",
    "--prune",
    "--no-prune-tags",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-filter",  # a partial clone has to have our files whole
    "--refmap=",  # what the user's settings map stays as it is
)
PUSH = (
    "push",
    "--porcelain",
    "--no-verify",
    "--no-signed",
    "--no-follow-tags",
    "--recurse-submodules=no",
)


def unattended(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a git that nobody sits at.

    It has no terminal (running.py), so neither git nor ssh can ask there. Without this, both would
    open a dialog where there is a display, once a minute. ssh's own `BatchMode` would do the same,
    but only by replacing the user's `core.sshCommand`. Programs that hand out credentials
    (credential helpers, ssh-agent, GIT_ASKPASS) work on; so does SSH_ASKPASS, where the user's
    SSH_ASKPASS_REQUIRE says that it is such a program.
    """
    quiet = {"GCM_INTERACTIVE": "never", **environ}
    if "SSH_ASKPASS_REQUIRE" not in quiet:
        quiet.pop("SSH_ASKPASS", None)
        quiet["SSH_ASKPASS_REQUIRE"] = "never"
    return quiet


def settings(remote: Remote) -> list[str]:
    """Give the settings for a remote: one that git's own settings name, or an address.

    An address comes from elsewhere, so it must not be a command (`ext::sh -c ...`), whatever the
    user allows for the remotes in git's settings.
    """
    named = remote.where == remote.name and not os.path.isabs(remote.where)
    if not named or set(remote.where) & set(":="):
        return [*_SETTINGS, "-c", "protocol.ext.allow=never"]
    return [*_SETTINGS, "-c", f"remote.{remote.name}.mirror=false"]


def read_porcelain(out: str, said: str) -> dict[str, Trouble | None]:
    """Read `git push --porcelain`: for each ref there, why it was not moved, if it was not."""
    outcomes: dict[str, Trouble | None] = {}
    for row in out.split("\n"):
        flag, tab, rest = row.partition("\t")
        if not tab or flag not in {" ", "*", "=", "!", "+"}:
            continue
        names, _, summary = rest.partition("\t")
        refused = classify(f"{said}\n{summary}" if _vague(summary) else summary, 1)
        outcomes[names.partition(":")[2]] = refused if flag == "!" else None
    return outcomes


def _vague(summary: str) -> bool:
    """Tell whether the reason stands elsewhere, in what the host said."""
    return "declined" in summary or "remote rejected" in summary or "failure" in summary
