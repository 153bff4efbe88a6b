"""The task set, recounted from raw entries in plain Python: slow, obvious, made for comparing.

Written from the definitions (docstrings of task_registers.py, task_claims.py, task_ready.py), not
from the code that it is held against.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from waggle.base.clock import millis
from waggle.eventual.task_kinds import (
    FIELDS,
    TaskAdd,
    TaskClaim,
    TaskEdit,
    TaskRelease,
    TaskRemove,
    TaskRenew,
)
from waggle.log.entry import Entry


def said(entry: Entry, field: str) -> object:
    """Give what an entry says of a field; UNSET where it says nothing."""
    body = entry.body
    if field == "state":
        if isinstance(body, TaskAdd):
            return ("open", None)
        assert isinstance(body, TaskEdit)
        return UNSET if body.state is UNSET else (body.state, body.result)
    if field == "note" and isinstance(body, TaskAdd):
        return ""
    value = getattr(body, field)
    return frozenset(value) if isinstance(value, tuple) else value


class Model:
    """Everything there is to know about the tasks of a set of entries."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        unique = {entry.id: entry for entry in entries}.values()
        self.adds = {e.id: e for e in unique if isinstance(e.body, TaskAdd)}
        self.edits = [e for e in unique if isinstance(e.body, TaskEdit)]
        self.removals = [e for e in unique if isinstance(e.body, TaskRemove)]
        self.claims = [e for e in unique if isinstance(e.body, TaskClaim)]
        self.leases = [e for e in unique if isinstance(e.body, TaskRenew | TaskRelease)]

    # --- fields ----------------------------------------------------------------------------

    def writes(self, task: str, field: str) -> list[Entry]:
        """Give every entry that ever wrote a field of a task."""
        edits = [e for e in self.edits if e.body.task == task and said(e, field) is not UNSET]  # type: ignore[attr-defined]
        return [self.adds[task], *edits]

    def heads(self, task: str, field: str) -> list[Entry]:
        """Give the writes that no other names, the latest first."""
        writes = self.writes(task, field)
        named = {one for e in writes if isinstance(e.body, TaskEdit) for one in e.body.over}
        left = [e for e in writes if e.id not in named]
        return sorted(left, key=lambda e: (e.at, e.writer, e.id), reverse=True)

    def shown(self, task: str, field: str) -> object:
        return said(self.heads(task, field)[0], field)

    def conflicts(self, task: str) -> list[str]:
        """Give the fields whose heads differ."""
        return [f for f in FIELDS if len({said(e, f) for e in self.heads(task, f)}) > 1]

    def visible(self, task: str) -> bool:
        """Tell whether nobody removed it, or an edit stands that no removal saw."""
        mine = [e.body for e in self.removals if e.body.task == task]  # type: ignore[attr-defined]
        saw = {one for body in mine for one in (body.task, *body.over)}  # type: ignore[attr-defined]
        heads = {e.id for field in FIELDS for e in self.heads(task, field)}
        return not mine or not heads - {task} <= saw

    def state(self, task: str) -> str:
        shown = self.shown(task, "state")
        assert isinstance(shown, tuple)
        return str(shown[0])

    # --- ready -----------------------------------------------------------------------------

    def open(self, task: str) -> bool:
        return task in self.adds and self.visible(task) and self.state(task) == "open"

    def depends(self, task: str) -> frozenset[str]:
        shown = self.shown(task, "depends")
        assert isinstance(shown, frozenset)
        return shown

    def blockers(self, task: str) -> set[str]:
        return {one for one in self.depends(task) if one not in self.adds or self.open(one)}

    def ready(self, now_ms: int) -> list[str]:
        """Give the tasks to work on, in order."""
        found = [
            task
            for task in self.adds
            if self.open(task) and not self.blockers(task) and not self.holding(task, now_ms)
        ]
        return sorted(
            found, key=lambda task: (self.shown(task, "priority"), self.adds[task].at, task)
        )

    def circular(self, task: str) -> bool:
        """Tell whether an open task waits for itself."""
        seen: set[str] = set()
        left = [task] if self.open(task) else []
        while left:
            for one in self.depends(left.pop()):
                if one == task:
                    return True
                if self.open(one) and one not in seen:
                    seen.add(one)
                    left.append(one)
        return False

    # --- claims ----------------------------------------------------------------------------

    def ends_ms(self, claim: Entry) -> int:
        """Give when a claim's lease ends; 0 where its writer gave it up."""
        assert isinstance(claim.body, TaskClaim)
        ends = [millis(claim.at) + claim.body.lease_s * 1000]
        for entry in self.leases:
            if entry.writer == claim.writer:
                body = entry.body
                if isinstance(body, TaskRelease) and claim.id in body.claims:
                    return 0
                if isinstance(body, TaskRenew) and body.claim == claim.id:
                    ends.append(millis(entry.at) + body.lease_s * 1000)
        return max(ends)

    def holding(self, task: str, now_ms: int) -> list[Entry]:
        """Give the claims on a task that hold, the winner first."""
        mine = [e for e in self.claims if e.body.task == task]  # type: ignore[attr-defined]
        over = {one for e in mine for one in e.body.over}  # type: ignore[attr-defined]
        held = [e for e in mine if e.id not in over and self.ends_ms(e) > now_ms]
        return sorted(held, key=lambda e: (e.at, e.writer, e.id))
