"""Ed25519 signatures in the SSH signature format, which stock `git verify-commit` accepts.

OpenSSH, PROTOCOL.sshsig: the signed blob and the armoured signature. Only the encoding is here;
the cryptography is the `cryptography` package's, imported where it is used: it is not cheap.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

GIT_NAMESPACE = "git"
_MAGIC = b"SSHSIG"
_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----"
_ALGORITHM = b"ssh-ed25519"
_HASH = b"sha512"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < 4:
        raise ValueError("the signature is cut short")
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("the signature is cut short")
    return data[4 : 4 + length], data[4 + length :]


def _signed_blob(message: bytes, namespace: str) -> bytes:
    digest = hashlib.sha512(message).digest()
    parts = (namespace.encode(), b"", _HASH, digest)
    return _MAGIC + b"".join(map(_string, parts))


def public_blob(public: bytes) -> bytes:
    """Give the SSH wire form of a raw Ed25519 public key (32 bytes)."""
    return _string(_ALGORITHM) + _string(public)


def public_text(public: bytes) -> str:
    """Give the one-line form of a raw public key, as authorized_keys files hold it."""
    return f"ssh-ed25519 {base64.b64encode(public_blob(public)).decode()}"


def parse_public_text(text: str) -> bytes:
    """Give the raw key (32 bytes) out of its one-line form; raise ValueError on any other."""
    parts = text.split()
    if len(parts) < 2 or parts[0] != "ssh-ed25519":
        raise ValueError("not an ssh-ed25519 public key")
    return _raw_public(base64.b64decode(parts[1], validate=True))


def _raw_public(blob: bytes) -> bytes:
    algorithm, rest = _take(blob)
    public, rest = _take(rest)
    if algorithm != _ALGORITHM or rest or len(public) != 32:
        raise ValueError("not an Ed25519 key")
    return public


def sign(key: Ed25519PrivateKey, message: bytes, namespace: str = GIT_NAMESPACE) -> str:
    """Give the armoured signature over `message` by a private key."""
    signature = _string(_ALGORITHM) + _string(key.sign(_signed_blob(message, namespace)))
    fields = (
        public_blob(key.public_key().public_bytes_raw()),
        namespace.encode(),
        b"",
        _HASH,
        signature,
    )
    blob = _MAGIC + struct.pack(">I", 1) + b"".join(map(_string, fields))
    return _armour(blob)


def _armour(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    rows = "\n".join(text[i : i + 70] for i in range(0, len(text), 70))
    return f"{_BEGIN}{rows}\n{_END}"


def verify(armoured: str, message: bytes, namespace: str = GIT_NAMESPACE) -> bytes:
    """Give the raw public key that signed `message`; raise ValueError where nothing valid did."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PublicKey,
    )

    text = armoured.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise ValueError("not an SSH signature")
    try:
        blob = base64.b64decode(text[len(_BEGIN) : -len(_END)])
    except binascii.Error as error:
        raise ValueError("the signature is not base64") from error
    # One signature has one spelling: otherwise anyone could give a signed commit another id.
    if _armour(blob) != text:
        raise ValueError("the signature is not armoured as OpenSSH does it")
    if not blob.startswith(_MAGIC + struct.pack(">I", 1)):
        raise ValueError("not a version 1 SSH signature")
    rest = blob[len(_MAGIC) + 4 :]
    values = []
    for _ in range(5):
        value, rest = _take(rest)
        values.append(value)
    key_blob, signed_namespace, reserved, hash_name, signature_blob = values
    if rest or reserved or signed_namespace != namespace.encode() or hash_name != _HASH:
        raise ValueError("the signature was made for something else")
    algorithm, tail = _take(signature_blob)
    signature, tail = _take(tail)
    if algorithm != _ALGORITHM or tail:
        raise ValueError("not an Ed25519 signature")
    public = _raw_public(key_blob)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            signature, _signed_blob(message, namespace)
        )
    except InvalidSignature as error:
        raise ValueError("the signature does not fit the content") from error
    return public
