"""Signatures in OpenSSH's format: they verify, and nothing else does."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from waggle.log.sshsig import parse_public_text, public_text, sign, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
SIGNED = sign(KEY, b"message")
BEGIN, END = "-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----"


def blob_of(armoured: str) -> bytes:
    return base64.b64decode(armoured[len(BEGIN) : -len(END)])


def armour(blob: bytes, width: int = 70) -> str:
    text = base64.b64encode(blob).decode()
    return BEGIN + "\n".join(text[i : i + width] for i in range(0, len(text), width)) + END


@given(st.binary(max_size=200))
def test_a_signature_names_the_key_that_made_it(message: bytes) -> None:
    assert verify(sign(KEY, message), message) == PUBLIC


def test_signing_is_deterministic() -> None:
    assert sign(KEY, b"message") == SIGNED


@given(st.integers(0, len(blob_of(SIGNED)) - 1), st.integers(1, 255))
def test_no_byte_of_a_signature_can_change(place: int, by: int) -> None:
    blob = bytearray(blob_of(SIGNED))
    blob[place] ^= by
    with pytest.raises(ValueError, match=r"signature|key"):
        verify(armour(bytes(blob)), b"message")


@given(st.integers(0, len(blob_of(SIGNED)) - 1))
def test_a_signature_cannot_be_cut_short(length: int) -> None:
    with pytest.raises(ValueError, match=r"signature|key"):
        verify(armour(blob_of(SIGNED)[:length]), b"message")


@pytest.mark.parametrize(
    "spelt",
    [
        armour(blob_of(SIGNED), width=76),
        armour(blob_of(SIGNED) + b"\0"),
        SIGNED.replace("\n", "\r\n"),
        SIGNED.replace(BEGIN, BEGIN + "!"),
        SIGNED.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        SIGNED + "\ntail",
        BEGIN + "é" + END,
        "",
    ],
)
def test_one_signature_has_one_spelling(spelt: str) -> None:
    with pytest.raises(ValueError, match=r"signature|ASCII"):
        verify(spelt, b"message")


def test_a_signature_is_for_one_message_and_one_purpose() -> None:
    for message, namespace in ((b"other", "git"), (b"message", "waggle-ruling")):
        with pytest.raises(ValueError, match="signature"):
            verify(SIGNED, message, namespace)


def test_public_keys_read_back_from_their_one_line_form() -> None:
    assert parse_public_text(public_text(PUBLIC) + " a comment") == PUBLIC
    for text in ("", "ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-ed25519 !"):
        with pytest.raises(ValueError, match=r".+"):
            parse_public_text(text)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_openssh_and_this_house_accept_each_other(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as ser

    key = tmp_path / "key"
    raw = KEY.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.OpenSSH, ser.NoEncryption())
    key.write_bytes(raw)
    key.chmod(0o600)
    message, signers = tmp_path / "message", tmp_path / "signers"
    message.write_bytes(b"message")
    signers.write_text(f"me {public_text(PUBLIC)}\n")
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key, message],
        check=True,
        capture_output=True,
    )
    theirs = (tmp_path / "message.sig").read_text()
    assert theirs.strip() == SIGNED
    assert verify(theirs, b"message") == PUBLIC
    subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", "me", "-f", signers, "-s",
         tmp_path / "message.sig"],
        input=b"message", check=True, capture_output=True,
    )  # fmt: skip
