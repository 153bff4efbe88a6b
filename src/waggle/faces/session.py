"""A call within a session: what it waits for, and the token that it hands on (log/vector.py)."""

from __future__ import annotations

from msgspec import Struct

from waggle.faces import machine
from waggle.faces.ops.context import Context
from waggle.faces.ops.registry import Operation
from waggle.store import waiting


class Session(Struct, frozen=True, kw_only=True):
    """What one call was told of the session that it belongs to."""

    after: tuple[str, ...] = ()
    """Tokens that the view has to hold before anything is read."""
    wait_s: float = 0.0
    wants_token: bool = False

    def begin(self, ctx: Context) -> None:
        """Wait for all tokens; raise `invalid` for a bad one, `behind` when the time is over."""
        end = machine.monotonic_s() + self.wait_s
        for token in self.after:
            left = max(0.0, end - machine.monotonic_s())
            waiting.wait_for(ctx.space, token, left, machine.monotonic_s, machine.sleep_s)

    def end(self, ctx: Context, operation: Operation) -> str | None:
        """Give the token that this call hands on: every write does, a read where it was asked.

        A call of a writing operation that opened no space wrote nothing (`race --list-agents`).
        """
        if self.wants_token:
            return waiting.token(ctx.space)
        return waiting.own_token(ctx.space) if operation.write and ctx.opened else None
