"""What the user may set for the live path, and what follows from it for Zenoh.

Whoever sets nothing is on this machine only: no port is open, and no message of another node can
make this one connect to anything, since the protocols that a session may use are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.sync.live.wire import MESSAGE_BYTES_MAX

ANY_PORT = "[::]:0"
"""Where a node listens that discovers others and named no endpoint: all addresses, a free port."""
SEALED = ("tls", "quic")
"""Protocols that keep what they carry from others on the network."""
PROTOCOLS = ("tcp", *SEALED)
PEERS_MAX = 1000
"""Sessions that one node accepts."""

Config = Mapping[str, object]
"""Zenoh's settings: path within its configuration to value."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a node listens and whom it finds. The defaults reach this machine and nothing else."""

    meeting: str | None = None
    """A folder of this user's, where the nodes on one machine meet; None: they do not meet."""
    mode: Literal["peer", "client", "router"] = "peer"
    """On the network. Peers reach only those whom they can connect to themselves. Across networks
    one node that all can reach is the router, and the others are its clients."""
    listen: tuple[str, ...] = ()
    """Endpoints on the network, such as `tcp/[::]:7447` or `tls/0.0.0.0:0`."""
    connect: tuple[str, ...] = ()
    """Endpoints of others, such as `tls/hub.example.org:7447`; tried again until they answer."""
    discover: bool = False
    """Find peers on the same network by multicast, and be found."""
    ca: str | None = None
    """Path of the certificates (PEM) that sign everybody's; with it, only TLS and QUIC are used."""
    certificate: str | None = None
    """Path of this node's certificate (PEM). With it, others have to show theirs."""
    key: str | None = None
    """Path of the certificate's private key (PEM)."""

    @property
    def networked(self) -> bool:
        """Whether anything beyond this machine is wanted."""
        return bool(self.listen or self.connect or self.discover)


def check(settings: Settings) -> None:
    """Raise `invalid` where settings contradict one another or promise what would not be so."""
    for endpoint in (*settings.listen, *settings.connect):
        protocol, _, address = endpoint.partition("/")
        if protocol not in PROTOCOLS or ":" not in address:
            raise _invalid(
                f"{endpoint!r} is no endpoint", f"Write {'|'.join(PROTOCOLS)}/HOST:PORT."
            )
        if settings.ca and protocol not in SEALED:
            raise _invalid(
                f"{endpoint} would carry entries in the clear beside TLS",
                f"Write tls/{address}, or leave `ca` away.",
            )
        if protocol in SEALED and not settings.ca:
            raise _invalid(f"{endpoint} needs certificates", "Set `ca`, `certificate` and `key`.")
    if bool(settings.certificate) != bool(settings.key) or (settings.key and not settings.ca):
        raise _invalid("a certificate goes with its key and a ca", "Set all three of them.")
    if settings.listen and settings.ca and not settings.certificate:
        raise _invalid("listening with TLS needs a certificate", "Set `certificate` and `key`.")
    if settings.mode == "router" and not settings.listen:
        raise _invalid("a router listens", "Set `listen` to where its clients can reach it.")
    if settings.mode == "client" and not settings.connect:
        raise _invalid("a client needs a router", "Set `connect` to the router's endpoint.")
    if settings.mode == "client" and (settings.listen or settings.discover):
        raise _invalid("a client neither listens nor discovers", "Set `mode` to peer or router.")


def _invalid(what: str, next_step: str) -> WaggleError:
    return WaggleError("invalid", f"live path: {what}", next_step)


def on_machine(endpoint: str, others: Sequence[str]) -> Config:
    """Give the configuration of the session with this user's other nodes on this machine.

    Every node is told of all that were there before it, so there is nothing to gossip about.
    """
    return {
        **_common([endpoint.partition("/")[0]], handshake_ms=1000),
        "mode": "peer",
        "listen/endpoints": [endpoint],
        "connect/endpoints": list(others),
        "connect/retry": {
            "period_init_ms": 100, "period_max_ms": 1000, "period_increase_factor": 2,
        },
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
    }  # fmt: skip


def on_network(settings: Settings) -> Config:
    """Give the configuration of the session with nodes on other machines."""
    endpoints = (*settings.listen, *settings.connect)
    protocols = {endpoint.partition("/")[0] for endpoint in endpoints}
    listen = list(settings.listen)
    if settings.discover:
        found = "tls" if settings.ca else "tcp"
        protocols.add(found)
        listen = listen or [f"{found}/{ANY_PORT}"]
    tls: dict[str, object] = {}
    if settings.ca:
        tls["root_ca_certificate"] = settings.ca
    if settings.certificate:
        tls |= {f"{side}_certificate": settings.certificate for side in ("listen", "connect")}
        tls |= {f"{side}_private_key": settings.key for side in ("listen", "connect")}
        tls["enable_mtls"] = True
    return {
        **_common(sorted(protocols), handshake_ms=5000),
        "mode": settings.mode,
        "listen/endpoints": listen,
        "connect/endpoints": list(settings.connect),
        "scouting/multicast/enabled": settings.discover,
        "scouting/gossip/enabled": settings.mode != "client",
        **{f"transport/link/tls/{name}": value for name, value in tls.items()},
    }


def _common(protocols: Sequence[str], *, handshake_ms: int) -> dict[str, object]:
    queue = "transport/link/tx/queue"
    return {
        "transport/link/protocols": list(protocols),
        "transport/unicast/max_sessions": PEERS_MAX,
        # Closing waits for a handshake that is under way.
        "transport/unicast/open_timeout": handshake_ms,
        "transport/unicast/accept_timeout": handshake_ms,
        # A message in fragments is put together in memory; the default takes 1 GiB.
        "transport/link/rx/max_message_size": MESSAGE_BYTES_MAX + 64 * 1024,
        # A killed process would leave its segments behind.
        "transport/shared_memory/enabled": False,
        # For each link and priority: 16 batches of 64 KiB, the most there can be.
        f"{queue}/size/data": 16,
        f"{queue}/size/data_low": 16,
        # How long a publisher waits for a link that cannot keep up, in microseconds; while it
        # cannot, later messages are dropped at once. Only Zenoh's own declarations may block.
        f"{queue}/congestion_control/drop/wait_before_drop": 1000,
        f"{queue}/congestion_control/drop/max_wait_before_drop_fragments": 20_000,
        f"{queue}/congestion_control/block/wait_before_close": 100_000,
        # An answer takes over its question's way of handling congestion, and one that may block
        # holds all messages of its priority.
        "qos/network": [
            {
                "messages": ["query"],
                "flows": ["ingress"],
                "key_exprs": ["**"],
                "overwrite": {"congestion_control": "drop", "priority": "data_low"},
            }
        ],
        # Opening does not wait for others to answer.
        "open/return_conditions/connect_scouted": False,
    }
