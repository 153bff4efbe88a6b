"""What can go wrong with a remote, told apart by what git and hosts say of it.

git's messages are no interface, but in the C locale they have been the same for years; what the
table does not know is `broken`, with git's own words. The first row that fits counts.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "slow", "limited", "hostile", "rewound", "layout", "shallow", "full", "readonly", "busy",
    "denied", "absent", "offline", "broken",
]  # fmt: skip
AGAIN: frozenset[Kind] = frozenset({"slow", "limited", "busy", "offline"})
"""What may well be gone by itself after a while."""
TEXT_CHARS_MAX = 400
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_STEPS: dict[Kind, str] = {
    "slow": "Try again later, or with a longer --timeout; what was appended is safe here.",
    "limited": "Wait a minute before the next sync: the host limits how often it may be asked.",
    "hostile": "Tell the operator: somebody serves objects that git itself refuses.",
    "rewound": "Run `waggle sync` again; another copy of this store may have written its log.",
    "layout": "Run `waggle doctor --remote NAME` to find which refs this host takes, and set"
    " `prefix` in .git/waggle/config.toml accordingly.",
    "shallow": "Deepen this clone (`git fetch --unshallow`), then sync again.",
    "full": "Free space at the remote; what was appended is safe here.",
    "readonly": "Use another remote, or make this one writable; what was appended is safe here.",
    "busy": "Sync again in a moment; another process holds a lock there or here.",
    "denied": "Check that `git push` and `git fetch` work here with your credentials, then sync.",
    "absent": "Check the remote's address: `git remote -v`.",
    "offline": "Go on working: everything is safe here. Sync again when the remote is in reach.",
    "broken": "Try the same with `git fetch` by hand; what was appended is safe here.",
}
_TABLE: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    # HTTP 429 by remote-curl.c; GitHub's "secondary rate limit"; GitLab's "Too many requests".
    ("limited", (r"error: 429|rate limit|too many requests|retry later",)),
    # index-pack and unpack-objects with fsck; fetch-pack on packs that end early.
    (
        "hostile",
        (
            r"fsck error|bad object|object corrupt|inflate: data|pack has bad object",
            r"did not receive expected object|invalid index-pack output|fetch-pack: invalid",
            r"does not match hash|sha1 mismatch|unpack-objects failed",
        ),
    ),
    # send-pack.c and builtin/push.c.
    ("rewound", (r"non-fast-forward|fetch first|needs force",)),
    # receive-pack.c's hidden refs; GitHub and GitLab on refs they keep; Gerrit; Bitbucket; Azure.
    (
        "layout",
        (
            r"hidden ref|refs? outside|invalid ref(name)?|prohibited by gerrit|funny refname",
            r"only .*refs/(heads|tags)|ref .* is not allowed|(create|update) ref.* namespace",
            r"not a valid ref(name)? for|must (start with|be under) refs/heads",
        ),
    ),
    ("shallow", (r"shallow update not allowed|shallow file has changed",)),
    ("full", (r"no space left|quota exceeded|disk full|exceeds.*(size|file) limit",)),
    (
        "readonly",
        (
            r"read-only|unable to create temporary|insufficient permission for adding",
            r"repository is archived|unpacker error|unable to migrate objects",
        ),
    ),
    (
        "busy",
        (
            r"cannot lock ref|unable to lock|\.lock': file exists|failed to update ref",
            r"reference already exists|remote ref .* changed",
        ),
    ),
    (
        "denied",
        (
            r"permission denied|authentication failed|could not read (username|password)",
            r"error: 40[13]|access denied|terminal prompts disabled|hook declined|protected branch",
            r"write access|not allowed to push|host key verification failed|dubious ownership",
            r"declined",
        ),
    ),
    (
        "absent",
        (
            r"not found|does not appear to be a git repository|does not exist|error: 404",
            r"no such file or directory|repository .* not exported",
        ),
    ),
    (
        "offline",
        (
            r"could not resolve|couldn't connect|connection (refused|reset|timed out|closed)",
            r"failed to connect|network is unreachable|no route to host|operation timed out",
            r"remote end hung up|could not read from remote|early eof|rpc failed",
            r"error: 5\d\d|certificate|gnutls|openssl|ssl_|unexpected disconnect",
            r"temporary failure|broken pipe|empty reply",
        ),
    ),
)
_ROWS = tuple((kind, re.compile("|".join(words), re.IGNORECASE)) for kind, words in _TABLE)


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a remote did not do what it was asked, and what is safe to do about it."""

    kind: Kind
    text: str
    """git's own last lines, without credentials."""
    next_step: str
    again: bool
    """Whether it may be gone by itself after a while."""


def trouble(kind: Kind, text: str) -> Trouble:
    """Give a trouble of a kind, with its safe next step."""
    return Trouble(kind=kind, text=_clean(text), next_step=_STEPS[kind], again=kind in AGAIN)


def classify(said: str, status: int | None) -> Trouble:
    """Give what git's words mean; `status` is its exit status, None where our time ran out."""
    if status is None:
        return trouble("slow", "it did not end within the time limit")
    found = (kind for kind, pattern in _ROWS if pattern.search(said))
    return trouble(next(found, "broken"), said or f"git ended with status {status}")


def _clean(said: str) -> str:
    """Give the last lines on one line, printable, bounded, and without passwords in URLs."""
    rows = [row.strip() for row in said.splitlines() if row.strip()]
    text = _CREDENTIALS.sub("[..]@", " / ".join(rows[-4:]))
    return "".join(char if char.isprintable() else " " for char in text)[-TEXT_CHARS_MAX:]
