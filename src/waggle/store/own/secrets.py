"""Secrets are looked for before anything enters a log, from which nothing can be taken back.

The rules are those of detect-secrets whose secrets carry a mark of their own (a prefix, a
header, a checksum, a place in a URL), and a few for keys that it does not know yet, above all
those that coding agents work with. What is left out, and why:

- The two entropy detectors: a log is full of ids, hashes and signatures.
- The public-IP detector: an address is no secret.
- The four IBM detectors (Cloudant, IAM, COS, SoftLayer): their only mark is a variable's name
  beside 24 to 64 plain characters, which a hash beside the word "key" has too.

The keyword detector (a quoted value beside the word password) is on, with the library's patterns
for quoted values only and two more conditions: the line assigns no call or look-up, and the value
is of 8 or more characters, without white space, with a letter and a digit, and repeats no
keyword. On 920,000 lines (the standard library's tests and eight popular packages) the library's
patterns alone reported 36 lines, with these conditions none. Unquoted values are not found.

Nothing is ever verified over the network: only ``analyze_string`` is called, which is pure.
The library's allow-list comments and files are never read, since agents write what is scanned.

A scan costs two passes. The first looks for a hint, a short pattern without which a rule cannot
match, in the whole text at once; the second gives the lines that have one to the library. So a
text without a hint, which is nearly every text, never imports the library: that costs 0.1 s, two
thirds of it ``requests``, which every plugin imports through ``detect_secrets.plugins.base``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PIECE_CHARS_MAX = 8_192
"""A longer line is scanned in overlapping pieces of this many characters."""

OVERLAP_CHARS = 2_048
"""Shared by neighbouring pieces: a secret up to this long is whole in one of them."""

KEYWORD_LINE_CHARS_MAX = 1_000
"""The keyword rule skips longer lines: its patterns take up to cubic time."""

FINDINGS_MAX = 1_000
"""A scan stops at this many findings: the answer is clear."""

WORK_MAX = 100_000_000
"""Character steps that rules of more than linear time may take in one scan (about 2 s)."""

UNSCANNED = "Too Costly To Scan"
"""The rule of a finding for a line that was given up: not seen to be clean, so not let in."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret stands and what kind it is; never the secret itself."""

    place: str
    """The file's path or the field's name."""
    line: int
    """Counted from 1."""
    rule: str
    """What it looks like, e.g. "AWS Access Key"."""


class DiffFormatError(ValueError):
    """The text is no complete unified diff of git, so that it cannot be said to be clean."""


class _Detector(Protocol):
    secret_type: str

    def analyze_string(self, string: str) -> Iterable[str]: ...


class _Rule(NamedTuple):
    """One detector and the pattern without which it cannot match.

    Invariant: whatever the detector matches, the hint matches within it. A hint never spans lines.
    """

    module: str
    detector: str
    hint: re.Pattern[str]
    start: str = ""
    """Where the detector's pattern starts, if each start may read the rest of the line."""
    weight: int = 1
    """How often, at most, it reads on from each start."""


def _rule(module: str, detector: str, hint: str, start: str = "", weight: int = 1) -> _Rule:
    return _Rule(f"detect_secrets.plugins.{module}", detector, re.compile(hint), start, weight)


_KEYWORDS = (
    r"(?i:api_?key|auth_?key|service_?key|account_?key|db_?key|database_?key|priv_?key"
    r"|private_?key|client_?key|db_?pass|database_?pass|key_?pass|password|passwd|pwd|secret"
    r"|contrase[ñn]a)"
)
_KEYWORD = "KeywordDetector"
_RULES = (
    _rule(
        "aws",
        "AWSKeyDetector",
        r"A3T[A-Z0-9]|A[BKS]IA|ACCA|(?i:aws.{0,20}?(?:key|pw|pass|token))",
    ),
    _rule("artifactory", "ArtifactoryDetector", r"AKC[a-zA-Z0-9]{10}|AP[\dA-F][a-zA-Z0-9]{8}"),
    _rule("azure_storage_key", "AzureStorageKeyDetector", r"AccountKey="),
    _rule("basic_auth", "BasicAuthDetector", r"://[^\s/@:]+:[^\s/@:]+@"),
    _rule("discord", "DiscordBotTokenDetector", r"[MNO][\w-]{23,25}\.[\w-]{6}\."),
    _rule("github_token", "GitHubTokenDetector", r"gh[pousr]_"),
    _rule(
        "gitlab_token",
        "GitLabTokenDetector",
        r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941",
    ),
    _rule("jwt", "JwtTokenDetector", r"eyJ", "eyJ"),
    _rule("keyword", _KEYWORD, _KEYWORDS, _KEYWORDS, 32),
    _rule("mailchimp", "MailchimpDetector", r"-us[0-9]"),
    _rule("npm", "NpmDetector", r"_authToken=", "/"),
    _rule("openai", "OpenAIDetector", r"T3BlbkFJ", "sk-"),
    _rule("private_key", "PrivateKeyDetector", r"PRIVATE KEY|PuTTY-User-Key-File-"),
    _rule("pypi_token", "PypiTokenDetector", r"pypi-Ag", "pypi-Ag"),
    _rule("sendgrid", "SendGridDetector", r"SG\."),
    _rule("slack", "SlackDetector", r"(?i:xox[abposr]-|hooks\.slack\.com/services)"),
    _rule("square_oauth", "SquareOAuthDetector", r"sq0csp-"),
    _rule("stripe", "StripeDetector", r"[rs]k_live_"),
    _rule("telegram_token", "TelegramBotTokenDetector", r"\d{8}:[0-9A-Za-z_-]{35}"),
    _rule("twilio", "TwilioKeyDetector", r"(?:AC|SK)[a-z0-9]{32}"),
)

# Keys that the library, last released in 2024, does not know; each has a prefix of its own and a
# length with a bound. They are given by shape, generously: a longer key of the kind matches too.
_OWN = tuple(
    (rule, re.compile(pattern))
    for rule, pattern in (
        ("Anthropic API Key", r"sk-ant-[a-z]{3,10}\d{2}-[\w-]{80}"),
        ("Encrypted Private Key", r"BEGIN ENCRYPTED PRIVATE[ ]KEY"),
        ("GitHub Token", r"github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}"),
        ("Google API Key", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        ("Hugging Face Token", r"\bhf_[A-Za-z]{34}\b"),
        ("NPM tokens", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("OpenAI Token", r"\bsk-(?:proj|svcacct|admin)-[\w-]{40}"),
        ("Slack Token", r"\bxapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{32}"),
    )
)

_PLACEHOLDERS = frozenset({"pass", "passwd", "password", "pwd", "pw", "secret", "token"})
_CALL = re.compile(r"[=:]\s*[\w.]+[\[(]")
_TELEGRAM_LOOKALIKE = re.compile(r"\d+:[0-9a-f]{35}")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_GIT = re.compile(r"^diff --git ", re.MULTILINE)
_COMBINED = re.compile(r"^(?:diff --(?:cc|combined) |@@@ )", re.MULTILINE)
_MARKS = {"+": (0, 1), "-": (1, 0), " ": (1, 1), "": (1, 1), "\\": (0, 0)}
"""How many old and new lines a line of a hunk stands for, by its first character."""
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_ESCAPED = {
    b"a": b"\a",
    b"b": b"\b",
    b"t": b"\t",
    b"n": b"\n",
    b"v": b"\v",
    b"f": b"\f",
    b"r": b"\r",
    b'"': b'"',
    b"\\": b"\\",
}


def scan_text(text: str, *, place: str) -> tuple[Finding, ...]:
    """All secrets in a text, one finding for each line and rule, in the order of lines and rules.

    `place` names the text in the findings. Lines end at LF alone. Stops at FINDINGS_MAX findings;
    lines of any length are read, and lines built to exhaust the scanner are reported UNSCANNED.
    Raises nothing.
    """
    lines = text.split("\n")
    return _scan(lines, [(place, number) for number in range(1, len(lines) + 1)])


def scan_diff(diff: str) -> tuple[Finding, ...]:
    """All secrets in the lines that a diff adds: the place is the new path, the line the new line.

    `diff` is what ``git diff`` printed, decoded without translating line ends, with or without the
    prefixes a/ and b/ and with any number of context lines; ask for it with ``--text --no-color
    --no-ext-diff --no-textconv``, since attributes that an agent may write can otherwise declare
    a file binary, and a binary file's content is not in the diff. Without prefixes, a rename from
    ``a/…`` to ``b/…`` is shown without its ``b/``. Limits as in `scan_text`.

    Raises DiffFormatError if the diff is cut short, combined, coloured or not git's.
    """
    if _COMBINED.search(diff):
        raise DiffFormatError("A combined diff cannot be scanned: diff against one parent.")
    if diff.strip() and not _GIT.search(diff):
        raise DiffFormatError("This is no diff of git: make it with git diff --no-color.")
    added = list(_added_lines(diff))
    return _scan([text for _, _, text in added], [(place, line) for place, line, _ in added])


def _scan(lines: Sequence[str], places: Sequence[tuple[str, int]]) -> tuple[Finding, ...]:
    text = "\n".join(lines)
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    # Invariant: starts has one entry more than lines: every line has a next start.
    found: set[tuple[int, str]] = set()
    work = WORK_MAX
    for rule in _RULES:
        for index in _hinted(rule.hint, text, starts):
            line = lines[index]
            work -= _cost(rule, line)
            if work < 0:
                found.add((index, UNSCANNED))
                break
            if _matches(rule, line):
                found.add((index, _detector(rule).secret_type))
            if len(found) >= FINDINGS_MAX:
                break
    for name, pattern in _OWN:
        found.update((index, name) for index in _hinted(pattern, text, starts))
    return tuple(
        Finding(place=places[index][0], line=places[index][1], rule=name)
        for index, name in sorted(found)[:FINDINGS_MAX]
    )


def _hinted(hint: re.Pattern[str], text: str, starts: Sequence[int]) -> Iterator[int]:
    """The index of each line in which the hint stands."""
    match = hint.search(text)
    while match:
        index = bisect_right(starts, match.start()) - 1
        yield index
        match = hint.search(text, starts[index + 1])


def _pieces(line: str) -> Iterator[str]:
    if len(line) <= PIECE_CHARS_MAX:
        yield line
        return
    for start in range(0, len(line) - OVERLAP_CHARS, PIECE_CHARS_MAX - OVERLAP_CHARS):
        yield line[start : start + PIECE_CHARS_MAX]


def _cost(rule: _Rule, line: str) -> int:
    """An upper bound for the steps of a rule that may read on from each of its starts."""
    if not rule.start:
        return 0
    if rule.detector == _KEYWORD:
        return len(rule.hint.findall(line)) * len(line) * rule.weight if _may_assign(line) else 0
    return sum(
        piece.count(rule.start) * len(piece) * rule.weight
        for piece in _pieces(line)
        if rule.hint.search(piece)
    )


def _may_assign(line: str) -> bool:
    return len(line) <= KEYWORD_LINE_CHARS_MAX and any(quote in line for quote in "\"'`")


def _matches(rule: _Rule, line: str) -> bool:
    if rule.detector == _KEYWORD:
        return (
            _may_assign(line)
            and not _CALL.search(line)
            and any(map(_is_password, _detector(rule).analyze_string(line)))
        )
    return any(
        _is_real(rule, secret)
        for piece in _pieces(line)
        if rule.hint.search(piece)
        for secret in _detector(rule).analyze_string(piece)
    )


def _is_password(value: str) -> bool:
    """Whether a quoted value beside a keyword is more than a name, a word or a template."""
    return (
        len(value) >= 8
        and any(map(str.isalpha, value))
        and any(map(str.isdigit, value))
        and not any(map(str.isspace, value))
        and not value.startswith(("/", "./", "$", "<", "{"))
        and "://" not in value
        and not re.search(r"(?i)pass|passwd|pwd|secret|token|key", value)
    )


def _is_real(rule: _Rule, secret: str) -> bool:
    """False for the placeholders of documentation and for the look-alikes of one rule."""
    match rule.detector:
        case "AWSKeyDetector":
            return "EXAMPLE" not in secret
        case "TelegramBotTokenDetector":
            return not _TELEGRAM_LOOKALIKE.fullmatch(secret)
        case "BasicAuthDetector":
            from detect_secrets.filters import heuristic

            return not (
                secret.casefold() in _PLACEHOLDERS
                or len(set(secret)) == 1
                or secret.startswith("%")
                or heuristic.is_templated_secret(secret)
                or heuristic.is_not_alphanumeric_string(secret)
            )
        case _:
            return True


@cache
def _detector(rule: _Rule) -> _Detector:
    detector: _Detector = getattr(import_module(rule.module), rule.detector)()
    return detector


def _added_lines(diff: str) -> Iterator[tuple[str, int, str]]:
    """Each added line's path, number and text; hunks are read by their counts, never by looks."""
    place: str | None = None
    prefixed = False
    number = old = new = 0
    for line in diff.split("\n"):
        if old or new:
            mark = line[:1]
            removed, added = _MARKS.get(mark, (old + 1, new + 1))
            old, new = old - removed, new - added
            if old < 0 or new < 0:
                raise DiffFormatError(f"The diff is broken in a hunk of {place}: make it anew.")
            if mark == "+":
                yield place or "", number, line[1:]
            number += added
        elif line.startswith("diff --git "):
            place = None
            prefixed = line.startswith(("diff --git a/", 'diff --git "a/'))
        elif line.startswith("+++ "):
            place = _path(line[4:], prefixed=prefixed)
        elif hunk := _HUNK.match(line):
            if place is None:
                raise DiffFormatError("A hunk stands before its file: pass git's whole output.")
            old, number, new = map(int, hunk.groups(default="1"))
    if old or new:
        raise DiffFormatError(f"The diff ends within a hunk of {place}: pass git's whole output.")


def _path(name: str, *, prefixed: bool) -> str:
    """The path of a ``+++`` line: git ends it with a tab if it has a space, and may quote it."""
    name = name.removesuffix("\r").removesuffix("\t")
    if len(name) > 1 and name[0] == name[-1] == '"':
        raw = name[1:-1].encode("utf-8", "surrogateescape")
        name = _ESCAPE.sub(_unescape, raw).decode("utf-8", "replace")
    return name.removeprefix("b/") if prefixed else name


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return _ESCAPED[code] if code in _ESCAPED else bytes([int(code, 8) & 0xFF])
