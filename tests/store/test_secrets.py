from __future__ import annotations

import base64
import email
import hashlib
import http
import json
import random
import re
import socket
import subprocess
import sys
import uuid
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import waggle
from waggle.store.own.secrets import (
    _RULES,
    FINDINGS_MAX,
    OVERLAP_CHARS,
    PIECE_CHARS_MAX,
    UNSCANNED,
    DiffFormatError,
    Finding,
    _Rule,
    scan_diff,
    scan_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
CHANCE = random.Random(20)


def some(length: int, alphabet: str = ALNUM) -> str:
    return "".join(CHANCE.choices(alphabet, k=length))


def jwt() -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890"})
    head = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*head, base64.urlsafe_b64encode(b"x" * 33)]).decode()


# Every secret is put together here, so that this file itself holds none.
AWS = "AK" + "IA" + some(16, ALNUM[:26])
SECRETS = [
    ("AWS Access Key", AWS),
    ("AWS Access Key", "aws_secret_" + f"access_key = '{some(40)}'"),
    ("Anthropic API Key", "sk-" + "ant-api03-" + some(93) + "AA"),
    ("Artifactory Credentials", "x=AK" + "C" + some(20)),
    ("Azure Storage Account access key", "Account" + "Key=" + some(86) + "=="),
    ("Basic Auth Credentials", "https://me:" + "hunter2xyz" + "@example.com/x"),
    ("Discord Bot Token", "M" + some(23) + "." + some(6) + "." + some(27)),
    ("Encrypted Private Key", "-----BEGIN ENCRYPTED PRIVATE" + " KEY-----"),
    ("GitHub Token", "gh" + "p_" + some(36)),
    ("GitHub Token", "gho" + "_" + some(36)),
    ("GitHub Token", "github" + "_pat_" + some(22) + "_" + some(59)),
    ("GitLab Token", "glp" + "at-" + some(20)),
    ("Google API Key", "AI" + "za" + some(35)),
    ("Hugging Face Token", "hf" + "_" + some(34, ALNUM[:52])),
    ("JSON Web Token", "token: " + jwt()),
    ("Mailchimp Access Key", some(32, "0123456789abcdef") + "-us" + "12"),
    ("NPM tokens", "//registry.npmjs.org/:_auth" + "Token=npm_" + some(36)),
    ("NPM tokens", "np" + "m_" + some(36)),
    ("OpenAI Token", "sk-" + some(20) + "T3Blbk" + "FJ" + some(20)),
    ("OpenAI Token", "sk-" + "proj-" + some(80)),
    ("Private Key", "-----BEGIN RSA PRIVATE" + " KEY-----"),
    ("Private Key", "-----BEGIN OPENSSH PRIVATE" + " KEY-----"),
    ("PyPI Token", "pypi-" + "AgEIcHlwaS5vcmc" + some(80)),
    ("Secret Keyword", "password" + ' = "hunter2xyz"'),
    ("Secret Keyword", "{'api_" + "key': 'a1b2c3d4e5f6a7b8'}"),
    ("SendGrid API Key", "SG" + "." + some(22) + "." + some(43)),
    ("Slack Token", "xo" + "xb-123456789012-" + some(24, ALNUM[26:])),
    ("Slack Token", "https://hooks.slack.com" + "/services/T12345678/B12345678/" + some(24)),
    ("Slack Token", "xa" + "pp-1-A0123456789-1234567890123-" + some(32, "0123456789abcdef")),
    ("Square OAuth Secret", "sq0" + "csp-" + some(43)),
    ("Stripe Access Key", "sk_" + "live_" + some(24)),
    ("Telegram Bot Token", "1234567890" + ":AA" + some(33)),
    ("Twilio API Key", "S" + "K" + some(32, ALNUM[26:])),
]

INNOCENT = [
    'password = os.environ["X"]',
    "password = os.environ['DB_PASSWORD_2']",
    "password = getpass()",
    'password = getpass("Password for user1: ")',
    "token: str",
    'token = request.headers["X-Token-1"]',
    "def login(user: str, password: str = '') -> None:",
    'password = "secret"',
    'password = "password123"',
    'secret_name = "my-secret-v2"',
    'api_key = "YOUR_API_KEY_1"',
    'api_key = "${API_KEY_2}"',
    'private_key = "/home/user1/.ssh/id_ed25519"',
    'assert password == "wrong password 1"',
    "https://user:password@example.com",
    "https://user:{password}@example.com",
    "https://user:<pass1>@example.com",
    "https://user:%s@example.com",
    "https://user:***@example.com",
    "https://user:xxxx@example.com",
    "AK" + "IAIOSFODNN7" + "EXAMPLE",
    "https://example.com:8080/a@b",
    hashlib.sha256(b"x").hexdigest(),
    "id: " + hashlib.sha256(b"y").hexdigest(),
    "1700000000:" + hashlib.sha256(b"z").hexdigest(),
    "commit " + hashlib.sha1(b"x", usedforsecurity=False).hexdigest(),
    str(uuid.UUID(int=2**127 + 12345)),
    "integrity sha512-" + base64.b64encode(hashlib.sha512(b"x").digest()).decode(),
    'checksum = "' + hashlib.sha256(b"w").hexdigest() + '"',
    "--hash=sha256:" + hashlib.sha256(b"v").hexdigest(),
    "-----BEGIN SSH SIGNATURE-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA" + some(44) + " me@host",
    "-----BEGIN PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----",
]


def rules(text: str) -> list[str]:
    return [finding.rule for finding in scan_text(text, place="x")]


@pytest.mark.parametrize(("rule", "secret"), SECRETS)
def test_a_secret_is_found_in_its_line_and_never_repeated(rule: str, secret: str) -> None:
    findings = scan_text(f"first\n  {secret}\nlast", place="message")
    assert Finding(place="message", line=2, rule=rule) in findings
    assert {(finding.place, finding.line) for finding in findings} == {("message", 2)}
    assert secret not in repr(findings)


@pytest.mark.parametrize(("rule", "secret"), SECRETS)
def test_an_agent_cannot_switch_the_scan_off(rule: str, secret: str) -> None:
    for pragma in ("pragma: allowlist secret", "pragma: allowlist nextline secret"):
        assert rule in rules(f"# {pragma}\n{secret}  # {pragma}")


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_lines_are_no_findings(text: str) -> None:
    assert rules(text) == []


def test_signatures_and_hashes_in_bulk_are_no_findings() -> None:
    blocks = [base64.encodebytes(CHANCE.randbytes(300)).decode() for _ in range(500)]
    assert rules("\n".join(blocks)) == []
    assert rules("\n".join(CHANCE.randbytes(32).hex() for _ in range(5_000))) == []


@pytest.mark.parametrize("package", [waggle, email, http], ids=lambda package: package.__name__)
def test_ordinary_code_has_no_findings(package: object) -> None:
    root = Path(str(vars(package)["__file__"])).parent
    for path in root.rglob("*.py"):
        assert scan_text(path.read_text(encoding="utf-8"), place=str(path)) == ()


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.detector)
def test_whatever_a_detector_matches_has_its_hint(rule: _Rule) -> None:
    module = import_module(rule.module)
    if rule.detector == "KeywordDetector":
        patterns = [re.compile(word, re.IGNORECASE) for word in module.DENYLIST]
    else:
        patterns = list(getattr(module, rule.detector).denylist)

    @settings(max_examples=25, deadline=None)
    @given(text=st.one_of([st.from_regex(pattern) for pattern in patterns]))
    def check(text: str) -> None:
        assert rule.hint.search(text)
        assert any(rule.hint.search(line) for line in text.split("\n"))

    check()


def test_nothing_is_verified_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    for rule in _RULES:
        monkeypatch.setattr(getattr(import_module(rule.module), rule.detector), "verify", refuse)
    found = {finding.rule for _, secret in SECRETS for finding in scan_text(secret, place="x")}
    assert found == {rule for rule, _ in SECRETS}


def test_a_text_without_a_hint_never_imports_the_library() -> None:
    code = (
        "import sys; from waggle.store.own.secrets import scan_text;"
        "assert scan_text('an ordinary note about src/a.py\\n' * 9, place='x') == ();"
        "sys.exit(any(m in sys.modules for m in ('detect_secrets', 'requests')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("offset", [0, PIECE_CHARS_MAX - 20, PIECE_CHARS_MAX - OVERLAP_CHARS - 9])
def test_a_long_line_is_scanned_in_overlapping_pieces(offset: int) -> None:
    for rule, secret in SECRETS:
        if rule != "Secret Keyword":
            line = "- " * (offset // 2) + secret + " -" * 20_000
            assert rule in rules(line), rule


HOSTILE = {
    "jwt": "eyJ" * 333_000,
    "npm": ("/" * 4_000 + "/:_auth" + "Token=\n") * 250,
    "openai": ("sk-" + "a" * 21 + "T3Blbk" + "FJ-") * 30_000,
    "pypi": "pypi-AgEIcHlwaS5vcmc" * 50_000,
    "keyword": ("secret" * 160 + '"x\n') * 1_000,
    "urls": "://a:b" * 160_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_text_built_to_exhaust_the_scanner_is_not_waved_through(name: str) -> None:
    findings = rules(HOSTILE[name])
    assert name == "urls" or UNSCANNED in findings


def test_a_secret_is_found_at_the_end_of_a_megabyte() -> None:
    body = "".join(
        f'+    {some(12)} = call({some(20)!r}, path="src/{some(8)}.py")  # secret of {n}\n'
        for n in range(12_000)
    )
    diff = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,12000 @@\n{body}+{AWS}"
    diff = diff.replace("+1,12000", "+1,12001")
    assert len(diff) > 1_000_000
    # Chance makes a word look like another key now and then; the last finding is ours.
    assert scan_diff(diff)[-1] == Finding(place="x", line=12_001, rule="AWS Access Key")


def test_findings_are_limited() -> None:
    assert len(rules((AWS + "\n") * (FINDINGS_MAX + 5))) == FINDINGS_MAX


LINES = st.lists(st.sampled_from(["x", AWS, "++ b/evil", "-- a", "@@ -1 +1 @@", "\\ No", "", "\r"]))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda name: not name.startswith("/")
)


@given(hunks=st.lists(st.tuples(st.integers(0, 5), LINES, LINES, LINES), max_size=5))
def test_a_finding_stands_where_the_line_was_added(
    hunks: list[tuple[int, list[str], list[str], list[str]]],
) -> None:
    text, expected, number = ["diff --git f f", "--- f", "+++ f"], [], 1
    for gap, context, removed, added in hunks:
        number += gap
        old, new = len(context) + len(removed), len(context) + len(added)
        text.append(f"@@ -1,{old} +{number},{new} @@ {AWS}")
        text += [f" {line}" for line in context] + [f"-{line}" for line in removed]
        text += [f"+{line}" for line in added]
        number += len(context)
        expected += [number + place for place, line in enumerate(added) if line == AWS]
        number += len(added)
    found = scan_diff("\n".join([*text, "\\ No newline at end of file", ""]))
    assert [finding.line for finding in found] == sorted(set(expected))
    assert {(f.place, f.rule) for f in found} <= {("f", "AWS Access Key")}


def git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x", *words],
        cwd=root,
        check=True,
        capture_output=True,
    )
    return done.stdout.decode(errors="surrogateescape")


HOSTILE_NAMES = [
    "plain.py",
    "dir/with space.py",
    "b/b.py",
    "grüße.py",
    'quo"te\\.py',
    "new\nline\t.py",
    "+++ b",
    "-dash",
    "\x1b[31m",
]


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be made there")
@pytest.mark.parametrize("options", [(), ("--no-prefix",), ("--unified=3",)])
def test_what_git_prints_is_read(options: tuple[str, ...], tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "old").write_text(f"1\n2\n{AWS}\n4\n")
    (tmp_path / "gone").write_text(f"{AWS}\n")
    (tmp_path / "binary").write_bytes(b"\0")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "x")
    (tmp_path / "old").rename(tmp_path / "moved")
    (tmp_path / "moved").write_text(f"0\n1\n2\n{AWS}\n4\n{AWS}")
    (tmp_path / "gone").unlink()
    (tmp_path / "binary").write_bytes(b"\0" + AWS.encode())
    (tmp_path / "empty").touch()
    for name in HOSTILE_NAMES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"a\r\n\x0c\u2028x {AWS}", newline="")
    git(tmp_path, "add", "-A")
    diff = git(tmp_path, "diff", "--cached", "--no-color", "--unified=0", "-M20", *options)
    expected = {(name, 2) for name in HOSTILE_NAMES} | {("moved", 6)}
    assert {(finding.place, finding.line) for finding in scan_diff(diff)} == expected
    whole = git(tmp_path, "diff", "--cached", "--no-color", "--text", "-M20", *options)
    assert {(f.place, f.line) for f in scan_diff(whole)} == expected | {("binary", 1)}


HEAD = "diff --git a/x b/x\n--- a/x\n+++ b/x\n"
BROKEN: dict[str, Callable[[], str]] = {
    "cut": lambda: HEAD + "@@ -0,0 +1,2 @@\n+a",
    "broken": lambda: HEAD + "@@ -0,0 +1,2 @@\n+a\nb\n",
    "too long": lambda: HEAD + "@@ -1,1 +1,0 @@\n+a\n",
    "no file": lambda: "diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n",
    "combined": lambda: "diff --cc x\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n++a\n",
    "coloured": lambda: "\x1b[1mdiff --git a/x b/x\x1b[m\n",
    "no diff": lambda: AWS,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_diff_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(DiffFormatError):
        scan_diff(BROKEN[name]())


@given(text=st.text())
def test_any_text_can_be_scanned(text: str) -> None:
    assert scan_text(text, place="x") == scan_text(text, place="x")


def test_an_empty_diff_is_clean() -> None:
    assert scan_diff("") == scan_diff("\n") == ()
