"""Writers that are heard live: honest ones, and ones with two histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waggle.base.clock import stamp
from waggle.base.ids import extend, genesis, replica_of
from waggle.log.line import body, line
from waggle.log.said import Said, say
from waggle.store.frames.logs import Logs

if TYPE_CHECKING:
    from tests.conftest import World

    from waggle.store.space import Space

START_MS = 1_767_225_600_000


class Voice:
    """One history of a writer's log, and messages about any part of it."""

    def __init__(self, seed: int, lines: list[bytes] | None = None) -> None:
        self.seed = seed.to_bytes(32, "big")
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.replica = replica_of(self.key.public_key().public_bytes_raw())
        self.lines = list(lines or [])
        self.frames: list[tuple[int, str]] = []
        """What git has of it: (last seq, commit)."""

    def write(self, count: int, tag: str = "x", size: int = 0) -> Voice:
        """Write so many lines more."""
        for seq in range(len(self.lines) + 1, len(self.lines) + count + 1):
            fields = {"title": f"{self.replica[:4]} {tag} {seq} " + "." * size}
            at = stamp(START_MS, seq)
            self.lines.append(line(at, body("task.add", {"name": "ann"}, fields)))
        return self

    def fork(self, seq: int, count: int) -> Voice:
        """Give another history of the same writer, which parts from this one after a seq."""
        return Voice(int.from_bytes(self.seed), self.lines[:seq]).write(count, "other")

    def ids(self) -> list[str]:
        """Give the running hash before the first line, and at each line."""
        found = [genesis("main", self.replica)]
        for one in self.lines:
            found.append(extend(found[-1], one))
        return found

    def say(self, first: int, last: int) -> Said:
        """Say the lines from one seq to another."""
        return say(self.key, "main", first, self.lines[first - 1 : last], self.ids()[last])

    def seal(self, world: World, space: Space, last: int) -> None:
        """Let git bring a frame with what no frame has yet up to a seq, and take it in."""
        first, parent = (self.frames[-1][0] + 1, self.frames[-1][1]) if self.frames else (1, None)
        forger = world.forger(space, self.seed)
        lines = self.lines[first - 1 : last]
        before, parents = self.ids()[first - 1], (parent,) if parent else ()
        oid = forger.frame(lines, first=first, before=before, parents=parents)
        self.frames.append((last, oid))
        forger.point(oid)
        space.find_logs()


def logs(space: Space) -> Logs:
    """Give the reader of a store's frames."""
    return Logs(space.objects)
