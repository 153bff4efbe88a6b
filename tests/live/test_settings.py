"""Settings: the defaults open nothing, and what contradicts itself is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waggle.base.errors import WaggleError
from waggle.sync.live.settings import Settings, check, on_machine, on_network

TLS: dict[str, Any] = {"ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}


def test_the_defaults_reach_this_machine_only() -> None:
    check(Settings(meeting="/run/me"))
    assert not Settings(meeting="/run/me").networked
    local = on_machine("unixsock-stream//run/me/a.sock", ["unixsock-stream//run/me/b.sock"])
    assert local["transport/link/protocols"] == ["unixsock-stream"]
    assert "tcp" not in json.dumps(local)
    assert local["scouting/multicast/enabled"] is False


def test_discovery_listens_on_a_free_port_of_all_addresses() -> None:
    network = on_network(Settings(discover=True))
    assert network["listen/endpoints"] == ["tcp/[::]:0"]
    assert network["scouting/multicast/enabled"] is True


def test_with_certificates_nothing_goes_in_the_clear() -> None:
    settings = Settings(discover=True, connect=("quic/hub:7447",), **TLS)
    check(settings)
    network = on_network(settings)
    assert network["transport/link/protocols"] == ["quic", "tls"]
    assert network["transport/link/tls/enable_mtls"] is True


BAD: dict[str, Settings] = {
    "no endpoint": Settings(listen=("7447",)),
    "no port": Settings(connect=("tcp/host",)),
    "a file": Settings(connect=("unixsock-stream//run/x.sock",)),
    "a multicast link": Settings(listen=("udp/224.0.0.1:7447",)),
    "TLS without certificates": Settings(connect=("tls/host:1",)),
    "clear text beside TLS": Settings(connect=("tls/host:1", "tcp/host:1"), **TLS),
    "a certificate without its key": Settings(ca="/ca.pem", certificate="/c.pem"),
    "a certificate without a ca": Settings(certificate="/c.pem", key="/k.pem"),
    "TLS that listens without a certificate": Settings(listen=("tls/[::]:0",), ca="/ca.pem"),
    "a router that nobody can reach": Settings(mode="router", connect=("tcp/h:1",)),
    "a client without a router": Settings(mode="client"),
    "a client that listens": Settings(mode="client", connect=("tcp/h:1",), listen=("tcp/h:1",)),
    "a client that discovers": Settings(mode="client", connect=("tcp/h:1",), discover=True),
}


@pytest.mark.parametrize("name", BAD)
def test_what_contradicts_itself_is_refused(name: str) -> None:
    with pytest.raises(WaggleError) as caught:
        check(BAD[name])
    assert caught.value.code == "invalid"
    assert caught.value.next_step
