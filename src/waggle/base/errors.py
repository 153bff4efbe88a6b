"""Errors say what happened, whose fault it is, and the safe next step.

After jepsen-io/maelstrom's `errors.edn`: an error is *definite* when the operation certainly did
not happen and *indefinite* when it may have. Agents read messages as instructions, so `next_step`
is always safe to follow: never a destructive command. This table is the source of docs/ERRORS.md.
"""

from __future__ import annotations


class ErrorKind:
    """One row of the table: exit status, definite or not, whose fault, what it means."""

    __slots__ = ("definite", "fault", "meaning", "status")

    def __init__(self, *, status: int, fault: str, meaning: str, definite: bool = True) -> None:
        self.status = status
        self.fault = fault
        self.meaning = meaning
        self.definite = definite


KINDS: dict[str, ErrorKind] = {
    "internal": ErrorKind(
        status=1, fault="waggle", definite=False, meaning="A defect of waggle; please report it."
    ),
    "usage": ErrorKind(status=2, fault="caller", meaning="The command's words are off."),
    "invalid": ErrorKind(status=2, fault="caller", meaning="A value is not of the form it needs."),
    "not_found": ErrorKind(
        status=3, fault="caller", meaning="Nothing here has that id, name or path."
    ),
    "ambiguous": ErrorKind(status=3, fault="caller", meaning="The abbreviated id fits several."),
    "limit": ErrorKind(
        status=4, fault="caller", meaning="Larger than a limit; the entry was not appended."
    ),
    "held": ErrorKind(
        status=5, fault="caller", meaning="It looks like a secret; kept locally, not in the log."
    ),
    "would_lose": ErrorKind(
        status=6, fault="caller", meaning="Going on would lose changes of yours."
    ),
    "not_allowed": ErrorKind(
        status=6, fault="caller", meaning="Only the operator may do this, not an agent."
    ),
    "no_repository": ErrorKind(
        status=7, fault="environment", meaning="There is no git repository here."
    ),
    "not_initialised": ErrorKind(
        status=7, fault="environment", meaning="The repository has no waggle store yet."
    ),
    "environment": ErrorKind(
        status=7,
        fault="environment",
        meaning="Disk, permissions or a missing program stopped it before anything was written.",
    ),
    "unreachable": ErrorKind(
        status=7,
        fault="environment",
        meaning="No remote took part; what was appended is safe in this store, and only there.",
    ),
    "in_doubt": ErrorKind(
        status=8,
        fault="environment",
        definite=False,
        meaning="The disk failed while writing: it may or may not be durable.",
    ),
    "damaged": ErrorKind(
        status=8,
        fault="environment",
        meaning="What is stored does not verify; nothing was changed.",
    ),
    "busy": ErrorKind(
        status=9, fault="environment", meaning="Another process holds a lock for very long."
    ),
    "behind": ErrorKind(
        status=12,
        fault="environment",
        meaning="What a session has written or read is not here yet.",
    ),
    "failed": ErrorKind(
        status=10, fault="caller", meaning="The work itself failed: no candidate came out of it."
    ),
    "interrupted": ErrorKind(
        status=130, fault="caller", definite=False, meaning="Stopped by Ctrl-C or a signal."
    ),
}


class WaggleError(Exception):
    """An error with a stable code out of `KINDS`, a message and the safe next step."""

    def __init__(self, code: str, message: str, next_step: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step

    @property
    def kind(self) -> ErrorKind:
        """The table's row for this code."""
        return KINDS[self.code]

    def to_dict(self) -> dict[str, object]:
        """Give the fields that `--json` prints under `error`."""
        return {
            "code": self.code,
            "message": self.message,
            "happened": "no" if self.kind.definite else "maybe",
            "fault": self.kind.fault,
            "next": self.next_step,
        }
