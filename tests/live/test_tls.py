"""TLS by certificates: who has one of the same authority is heard, and nobody else."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.live.nodes import Nodes

DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates for nodes at 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
        folder.mkdir()
        signed = self._signed(self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))
        self.ca = self._write("ca.pem", signed.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self.name, subject_name=name, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=now - DAY,
            not_valid_after=now + DAY,
        )  # fmt: skip
        return builder.add_extension(extension, critical=True).sign(self.key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def node(self, name: str) -> dict[str, Any]:
        """Give the settings of a node with a certificate of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        where = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "meeting": None,
            "ca": self.ca,
            "certificate": self._write(
                f"{name}.pem", self._signed(subject, key, where).public_bytes(pem)
            ),
            "key": self._write(f"{name}.key", secret),
        }


@pytest.mark.parametrize("shown", ["a forged certificate", "none"])
@pytest.mark.parametrize("mode", ["client", "peer"])
def test_only_those_with_a_certificate_of_the_same_authority_are_heard(
    nodes: Nodes, tmp_path: Path, mode: str, shown: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tls/127.0.0.1:{server.getsockname()[1]}"
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    hub = nodes.start(mode="router", listen=(endpoint,), **ours.node("hub"))
    # A stranger who trusts our authority, so that only its own certificate is in the way.
    foreign = theirs.node("stranger") | {"ca": ours.ca}
    if shown == "none":
        foreign = {"meeting": None, "ca": ours.ca}
    stranger = nodes.start(mode=mode, connect=(endpoint,), **foreign)
    friend = nodes.start(mode=mode, connect=(endpoint,), **ours.node("friend"))
    friend.meets(hub)
    for _ in range(5):
        stranger.do("said", "let me in")
        friend.do("said", "hello")
    hub.hears(friend, "said", "hello", times=5)
    assert hub.count(stranger.replica, "here") == 0
    assert hub.count(stranger.replica, "said", "let me in") == 0
