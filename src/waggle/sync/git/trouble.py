"""What can go wrong with a remote, told apart by what git and hosts say of it.

git's messages are no interface, but in the C locale they have been the same for years; what the
table does not know is `broken`, with git's own words. The first row that fits counts. A host can
say what it likes, so a kind is a reason to wait, to look apart or to tell; nothing is believed or
thrown away because of it.
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
WHOLE: frozenset[Kind] = AGAIN - {"busy"} | {"denied", "absent", "full", "readonly"}
"""What concerns all of a remote or of this disk; the rest may lie with a single ref."""
TEXT_CHARS_MAX = 400
SAID_CHARS_MAX = 16_384
"""How much of git's words is looked at, from the end."""
ROW_CHARS_MAX = 1000
WAIT_S_MAX = 3600
"""The longest pause that a host's wish is granted, in seconds."""
_STEPS: dict[Kind, str] = {
    "slow": "Try again later, or with a longer --timeout; what was appended is safe here.",
    "limited": "Wait a minute before the next sync: the host limits how often it may be asked.",
    "hostile": "Tell the operator: the remote holds objects that are damaged or that git refuses."
    " `waggle doctor` tells whether those here are whole.",
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
_TABLE: tuple[tuple[Kind, str], ...] = (
    # run-command.c, git.c and transport-helper.c, of a program that is missing here.
    ("broken", r"cannot run \S+:|is not a git command|unable to find remote helper"),
    ("broken", r"transport '[^']*' not allowed"),  # transport.c
    ("broken", r"command not found"),  # the shell behind ssh, of git-upload-pack
    # curl through remote-curl.c: usnistgov/OSCAL#1698, sider/runners#1233.
    ("limited", r"error: 429"),
    # remote-curl.c of newer gits ("rate limited by"); GitHub (ROCm/TheRock#6431, "secondary rate
    # limit": mamertofabian/bolt-to-github#25); Bitbucket ("Rate limit for this resource").
    ("limited", r"rate.limit"),
    # GitHub; GitLab (mvisonneau/gitlab-ci-pipelines-exporter#919, and "Retry later" as the body).
    ("limited", r"too many requests|requested too many times|retry later"),
    ("limited", r"exceeding usage of resource"),  # Azure DevOps, TF400733
    ("slow", r"operation too slow"),  # curl past http.lowSpeedTime
    # The kernel's words; index-pack and receive-pack pass them on.
    ("full", r"no space left|disk quota exceeded|quota exceeded|disk full"),
    # GitHub ("exceeds GitHub's file size limit"); Bitbucket ("over 2 GB size limit":
    # mathieudutour/git-sketch-plugin#146); GitHub docs, "Troubleshooting the 2 GB push limit".
    ("full", r"size limit|exceeds maximum allowed size|pack exceeds"),
    ("full", r"increase this repository size by"),  # Azure: microsoft/vsts-wikiTools#7
    ("full", r"error: 413"),  # a proxy's limit, by curl: gitbucket/gitbucket-docker#63
    # GitHub ("key ... marked as read only": haskell-jp/blog#221; archived: "so it is read-only");
    # Bitbucket ("in read only mode"); Gerrit ("project is read only": Harvey-OS/harvey#1).
    ("readonly", r"read.only"),
    ("readonly", r"repository is archived|archived project"),  # Gitea; GitLab
    # odb/source-loose.c and receive-pack.c, where the disk there may not be written to.
    ("readonly", r"unable to create temporary|insufficient permission for adding"),
    ("readonly", r"unable to migrate objects|unpacker error"),
    # index-pack.c and unpack-objects.c with fetch.fsckObjects; object-file.c; packfile.c.
    ("hostile", r"fsck error|bad object|object corrupt|corrupt loose object|inflate: data"),
    ("hostile", r"does not match hash|(sha1|hash) mismatch|did not receive expected object"),
    # fetch-pack.c, connected.c and upload-pack.c, where objects are missing there.
    ("hostile", r"did not send all necessary objects|upload-pack: not our ref"),
    ("hostile", r"possible repository corruption|bad pack header"),
    ("hostile", r"the answer is longer than"),  # our own limit: running.py
    # receive-pack.c, of a shallow clone; shallow.c.
    ("shallow", r"shallow update not allowed|shallow file has changed"),
    # send-pack.c and transport.c; Gerrit ("non-fast forward": rtyley/bfg-repo-cleaner#141).
    ("rewound", r"non.fast.forward|fetch first|needs force|stale info"),
    # receive-pack.c, and so GitHub and GitLab of refs that they keep for themselves
    # (ad-m/github-push-action#143, GoogleContainerTools/config-sync#1153).
    ("layout", r"(updating|deleting) a hidden ref|funny refname"),
    ("layout", r"prohibited by gerrit"),  # remotemobprogramming/mob#409, civiccc/gerrit#2
    ("layout", r"unexpected ref: "),  # Gitea and Forgejo: go-gitea/gitea#27579, #16688
    ("layout", r"branch:refs/\S+ is illegal"),  # Codeup: wearerequired/git-mirror-action#28
    # refs.c, where a branch `waggle` stands in the way of `waggle/...` (and GitHub:
    # VirtusLab/bazel-steward#190); Azure DevOps says it so: dotnet/arcade#1893.
    ("layout", r"' exists; cannot create '|name conflicts with refs/"),
    # Hooks of people's own, as they word it.
    ("layout", r"refs? outside|only .{0,80}refs/(heads|tags)|ref .{0,200} is not allowed"),
    ("layout", r"(create|update) ref.{0,200} namespace|must (start with|be under) refs/heads"),
    ("layout", r"invalid ref|not a valid ref(name)? for"),
    # refs/files-backend.c and lockfile.c; receive-pack.c ("incorrect old value").
    ("busy", r"cannot lock ref|unable to lock|\.lock': file exists|failed to update ref"),
    ("busy", r"reference already exists|incorrect old value|is at \S+ but expected"),
    ("absent", r"repository not exported"),  # git-daemon: daemon.c
    # ssh; GitHub over ssh ("Permission to X denied to deploy key": OpenCPN/plugins#1206).
    ("denied", r"permission (to .{1,200} )?denied|too many authentication failures"),
    ("denied", r"host key verification failed"),  # ssh
    # remote-curl.c, credential.c and prompt.c.
    ("denied", r"authentication failed|could not read (username|password)|error: 40[13]"),
    ("denied", r"terminal prompts disabled|access denied|dubious ownership"),
    # GitLab; Azure DevOps, TF401027 (NuKeeperDotNet/NuKeeper#556); Gogs (gogs/gogs#2882).
    ("denied", r"not allowed to (push|upload|write)|write access|you need the git '"),
    ("denied", r"cannot push with deploy"),
    ("denied", r"certificate"),  # curl: waiting does not mend it
    # receive-pack.c, of hooks; GitHub's rules (GH006, GH013: yshavit/mdq#255).
    ("denied", r"declined|protected branch"),
    # remote-curl.c; GitHub ("ERROR: Repository not found."); GitLab ("... could not be found or
    # you don't have permission": desktop/desktop#13105).
    ("absent", r"not found|could not be found|error: 404"),
    # connect.c and setup.c, of paths.
    ("absent", r"does not appear to be a git repository|does not exist|no such file or directory"),
    # getaddrinfo, curl and ssh.
    ("offline", r"could not resolve|couldn't connect|failed to connect|temporary failure"),
    ("offline", r"connection (refused|reset|timed out|closed)|operation timed out"),
    ("offline", r"network is unreachable|no route to host|broken pipe|empty reply"),
    ("offline", r"gnutls|openssl|ssl_|error: 5\d\d"),
    # connect.c, pkt-line.c, index-pack.c and remote-curl.c, where the line broke.
    ("offline", r"remote end hung up|could not read from remote|early eof|rpc failed"),
    ("offline", r"unexpected disconnect"),
)  # fmt: skip
_ROWS = tuple((kind, re.compile(words, re.IGNORECASE)) for kind, words in _TABLE)
_CUT = re.compile(r"(?<=://)\S*\Z")
_CREDENTIALS = re.compile(r"(?<=://)\S*@")
_SECRETS = re.compile(r"((?:token|password|secret|authorization)[=:]\s*)[^\s&']+", re.IGNORECASE)
_NOISE = re.compile(
    r"hint: |remote: *\Z|error: failed to push some refs|please make sure you have|Done\Z|To \S+\Z"
    r"|and the repository exists|.*opened by 'git commit'|are terminated then|may have crashed"
    r"|remove the file manually",
    re.IGNORECASE,
)
_WAIT = re.compile(r"(?:try again in|retry.after:?) (\d{1,6})\b", re.IGNORECASE)


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a remote did not do what it was asked, and what is safe to do about it."""

    kind: Kind
    text: str
    """git's own last lines, printable, without credentials; at most TEXT_CHARS_MAX."""
    next_step: str
    again: bool
    """Whether it may be gone by itself after a while."""
    wait_s: int = 0
    """How long the host wants to be left alone, in seconds, if it said so."""


def trouble(kind: Kind, text: str, wait_s: int = 0) -> Trouble:
    """Give a trouble of a kind, with its safe next step."""
    again = kind in AGAIN
    return Trouble(kind=kind, text=_clean(text), next_step=_STEPS[kind], again=again, wait_s=wait_s)


def classify(said: str, status: int | None) -> Trouble:
    """Give what git's words mean; `status` is its exit status, None where our time ran out."""
    if status is None:
        return trouble("slow", "it did not end within the time limit")
    said = "\n".join(map(_cut, said[-SAID_CHARS_MAX:].splitlines()))
    kind: Kind = next((kind for kind, pattern in _ROWS if pattern.search(said)), "broken")
    asked = _WAIT.search(said) if kind == "limited" else None
    wait_s = min(int(asked[1]), WAIT_S_MAX) if asked else 0
    return trouble(kind, said or f"git ended with status {status}", wait_s)


def _cut(row: str) -> str:
    """Give a row's beginning, without an address that is cut before its password ends."""
    return row if len(row) <= ROW_CHARS_MAX else _CUT.sub("", row[:ROW_CHARS_MAX])


def _clean(said: str) -> str:
    """Give the last lines that say something on one line, without passwords and control codes."""
    rows = [row.strip() for row in said.splitlines() if row.strip()]
    telling = [row for row in rows if not _NOISE.match(row)] or rows
    text = _CREDENTIALS.sub("[..]@", " / ".join(telling[-4:]))
    text = _SECRETS.sub(r"\1[..]", text)
    return "".join(char if char.isprintable() else " " for char in text)[-TEXT_CHARS_MAX:]
