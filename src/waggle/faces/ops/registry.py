"""What an operation is, and the table of where each one lies, loaded only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from waggle.faces.ops.context import Context

NUMBER_MAX = 2**53
"""What JSON carries exactly; SQLite takes no number beyond 2**63."""


def arg(metavar: str, words: str) -> Meta:
    """Mark a request's field as a positional argument."""
    return Meta(description=words, extra={"metavar": metavar, "positional": True})


def opt(
    words: str,
    metavar: str | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Meta:
    """Mark a request's field as an option, `--field-name`; of a number, between two bounds."""
    if least is not None and most is None:
        most = NUMBER_MAX
    return Meta(description=words, extra={"metavar": metavar}, ge=least, le=most)


TaskArg = Annotated[
    str | None, arg("[TASK]", "the task's id; default WAGGLE_TASK, else the newest task")
]
CandidateArg = Annotated[str, arg("CANDIDATE", "the candidate's id, abbreviated as in git")]


class Nothing(Struct, frozen=True, kw_only=True):
    """The request of an operation without arguments."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation; `write` ones take `--key`, `--as`, `--model` and `--vendor` besides."""

    name: str
    request: type[Struct]
    run: Callable[[Context, Any], Struct]
    show: Callable[[Any], Iterable[str]]
    about: str
    example: str
    write: bool = False
    status: Callable[[Any], int] = lambda _result: 0
    """The exit status of a result that is no error."""


_TABLE = {
    "init": "setup:INIT",
    "race": "race:RACE",
    "demo": "demo:DEMO",
    "task add": "tasks:TASK_ADD",
    "task list": "task_lists:TASK_LIST",
    "task ready": "task_lists:TASK_READY",
    "task show": "task_lists:TASK_SHOW",
    "task edit": "task_edit:TASK_EDIT",
    "task take": "task_claim:TASK_TAKE",
    "task release": "task_claim:TASK_RELEASE",
    "task done": "task_edit:TASK_DONE",
    "task remove": "task_edit:TASK_REMOVE",
    "tasks": "tasks:TASKS",
    "fact add": "facts:ADD",
    "fact get": "facts:GET",
    "fact history": "facts:HISTORY",
    "fact search": "facts:SEARCH",
    "fact conflicts": "facts:CONFLICTS",
    "fact retract": "facts:RETRACT",
    "fact import": "fact_files:IMPORT",
    "fact export": "fact_files:EXPORT",
    "show": "choosing:SHOW",
    "publish": "candidates:PUBLISH",
    "vote": "candidates:VOTE",
    "check": "candidates:CHECK",
    "checkpoint": "candidates:CHECKPOINT",
    "choose": "choosing:CHOOSE",
    "ruling": "choosing:RULING",
    "diff": "choosing:DIFF",
    "apply": "choosing:APPLY",
    "log": "logs:LOG",
    "seal": "logs:SEAL",
    "verify": "logs:VERIFY",
    "rebuild": "logs:REBUILD",
    "digest": "logs:DIGEST",
    "sync": "sync:SYNC",
    "up": "up:UP",
    "mcp": "mcp:MCP",
    "prime": "prime:PRIME",
    "status": "status:STATUS",
    "join": "beats:JOIN",
    "beat": "beats:BEAT",
    "leave": "beats:LEAVE",
    "members": "members:MEMBERS",
    "members trust": "members:TRUST",
    "members distrust": "members:DISTRUST",
    "members admit": "members:ADMIT",
    "render": "render:RENDER",
    "import": "importing:IMPORT",
    "held": "held:HELD",
    "release": "held:RELEASE",
    "doctor": "doctor:DOCTOR",
    "completion": "completion:COMPLETION",
}
NAMES = tuple(_TABLE)


READS = frozenset(
    {"prime", "tasks", "show", "choose", "diff", "log", "digest", "status", "members", "verify"}
    | {"task list", "task ready", "task show"}
    | {"fact get", "fact history", "fact search", "fact conflicts", "fact export"}
)
"""Operations that show what is here: they take `--after`, `--wait` and `--token`."""


def find(name: str) -> Operation:
    """Load an operation by its name."""
    module, _, attribute = _TABLE[name].partition(":")
    operation: Operation = getattr(import_module(f"waggle.faces.ops.{module}"), attribute)
    return operation


def to_json(result: Struct, token: str | None = None) -> bytes:
    """Give the one object that `--json` prints for a result, with a session token if there is."""
    fields = msgspec.to_builtins(result)
    if token is not None:
        fields["token"] = token
    return msgspec.json.encode({"ok": True, **fields})
