"""Hosts have manners: how often a node may push to and fetch from a remote.

GitHub recommends at most 6 pushes a minute and 15 reads a second for one repository ("Repository
limits", docs.github.com), and all devices of a project share that. So the pause between two syncs
grows with the devices that are known to take part, doubles when a host refuses or does not answer,
and shrinks again step by step. The share holds on average: devices that all begin in the same
second also push in that second, once. Pure: time and chance are arguments.
"""

from __future__ import annotations

import os
import re
from hashlib import blake2b

from msgspec import Struct

from waggle.sync.git.remotes import Remote
from waggle.sync.git.trouble import Trouble

LOCAL_S = 1.0
"""Between two syncs with a remote on this machine, seconds."""
OWN_S = 5.0
"""The same for somebody's own server; it serves a device or ten at that."""
HOSTED_S = 10.0
"""The same for a host that many share, for each device that takes part: 6 a minute in all."""
PAUSE_S_MAX = 900.0
AWAY_S_MAX = 60.0
"""The longest pause where a remote was out of reach: nobody asked too often, and it comes back."""
JITTER = 0.2
"""A pause is up to this part longer, so that devices do not come all at once."""
HOSTED = (
    "github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com",
    "visualstudio.com", "sr.ht", "gitea.com", "googlesource.com", "huggingface.co",
)  # fmt: skip
_HOST = re.compile(
    r"(?:[a-z+]+://)?(?:[^/]*@)?(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::|/|\Z)", re.IGNORECASE
)
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")


def pause_s(address: str, devices: int) -> float:
    """Give the pause between two syncs with a remote at an address, for so many devices."""
    if address.startswith("file://") or os.path.isabs(address):
        return LOCAL_S
    found = _HOST.match(address)
    host = found[1].lower() if found else ""
    if _LOOPBACK.fullmatch(host):
        return LOCAL_S
    if any(host == name or host.endswith(f".{name}") for name in HOSTED):
        return HOSTED_S * max(1, devices)
    return OWN_S


class Pace(Struct, frozen=True, kw_only=True):
    """When the next sync with one remote may begin."""

    pause: float
    """Seconds, while all goes well."""
    slower: int = 0
    """How often the pause is doubled now."""

    @property
    def wait(self) -> float:
        """The pause as it is now, without jitter; never shorter than while all goes well."""
        return max(self.pause, min(self.pause * (1 << self.slower), PAUSE_S_MAX))

    def next_s(self, chance: float) -> float:
        """Give the seconds until the next sync; `chance` lies in [0, 1)."""
        return self.wait * (1 + JITTER * chance)

    def after(self, trouble: Trouble | None) -> Pace:
        """Give the pace after a sync: slower where the remote refused, else back by one step.

        A host that says for how long it wants to be left alone is left alone for that long, at
        most PAUSE_S_MAX.
        """
        if trouble is None:
            return Pace(pause=self.pause, slower=max(0, self.slower - 1))
        slower = self.slower
        if self.wait < (AWAY_S_MAX if trouble.kind in {"offline", "slow"} else PAUSE_S_MAX):
            slower += 2 if trouble.kind == "limited" else 1
        asked = min(trouble.wait_s, PAUSE_S_MAX)
        while self.pause * (1 << slower) < asked:
            slower += 1
        return Pace(pause=self.pause, slower=slower)


def relay(remote: Remote, replica: str, nodes: frozenset[str]) -> str:
    """Give which of the nodes that hear one another carries a replica's log to a remote.

    The one with the highest weight (Thaler and Ravishankar, "Using name-based mappings to increase
    hit rates", IEEE/ACM ToN 6, 1998): all agree without a word, and one that leaves moves only its
    own share. Two that do it at once do no harm.
    """
    return max(nodes, key=lambda node: (_weight(remote.where, replica, node), node))


def _weight(where: str, replica: str, node: str) -> bytes:
    text = f"{where}\0{replica}\0{node}"
    return blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest()
