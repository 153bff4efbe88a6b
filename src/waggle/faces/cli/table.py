"""Showing a race while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from waggle.agents.events import Event
from waggle.faces.cli.output import say, visible
from waggle.faces.ops.shapes import printable, short

_STYLES = {
    "working": "cyan",
    "checking": "cyan",
    "done": "green",
    "crashed": "red",
    "timeout": "red",
    "held": "magenta",
    "limit": "magenta",
}


class Row:
    """One run as the table shows it."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.state = "waiting"
        self.since: float | None = None
        self.took: float | None = None
        self.checkpoint = ""
        self.size = ""
        self.passed = 0
        self.failed = 0
        self.candidate = ""
        self.why = ""

    def take(self, event: Event, now: float) -> None:
        """Take in an event of this run at monotonic time `now` in seconds."""
        if event.event == "started":
            self.state, self.since = "working", now
        elif event.event == "checkpoint":
            self.checkpoint, self.size = f"#{event.n}", f"{event.size} B"
        elif event.event == "ended":
            self.state = event.status or "done"
            self.took = (event.duration_ms or 0) / 1000
            self.candidate = short(event.candidate) if event.candidate else ""
            self.why = printable(event.message or "", 60)
        elif event.event == "checking":
            self.state, self.candidate = "checking", short(event.candidate or "")
        elif event.event == "check":
            self.passed += event.exit == 0
            self.failed += event.exit != 0
            self.state = "done"

    def seconds(self, now: float) -> str:
        """Give how long the agent has worked."""
        if self.took is not None:
            return f"{self.took:.0f} s"
        return "" if self.since is None else f"{now - self.since:.0f} s"


class LiveTable:
    """The table of a race on a terminal."""

    def __init__(self, console: Console) -> None:
        self.rows: dict[int, Row] = {}
        self.notes: list[str] = []
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=4)
        self.live.start()

    def listen(self, event: Event) -> None:
        """Take in an event."""
        if event.slot is None:
            self.notes.append(printable(event.message or event.event))
            return
        row = self.rows.setdefault(event.slot, Row(event.agent or ""))
        if event.event == "planned" and event.status:
            row.state = event.status
        row.take(event, time.monotonic())

    def ranked(self) -> list[int]:
        """Give the slots by what is known so far: checks passed, then fewest failed."""
        known = [slot for slot, row in self.rows.items() if row.passed or row.failed]
        return sorted(known, key=lambda slot: (self.rows[slot].failed, -self.rows[slot].passed))

    def render(self) -> Table:
        """Draw the table."""
        table = Table(box=None, pad_edge=False)
        for heading in ("", "agent", "state", "time", "saved", "size", "checks", "place", "why"):
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        places = {slot: str(place) for place, slot in enumerate(self.ranked(), 1)}
        now = time.monotonic()
        for slot, row in sorted(self.rows.items()):
            checks = f"{row.passed} ok" + (f", {row.failed} failed" if row.failed else "")
            table.add_row(
                str(slot),
                Text(printable(row.agent, 40)),  # as text: brackets in it are no styles
                Text(row.state, style=_STYLES.get(row.state, "")),
                row.seconds(now),
                row.checkpoint,
                row.size,
                checks if row.passed or row.failed else "",
                places.get(slot, ""),
                Text(row.why or row.candidate),
            )
        for note in self.notes[-3:]:
            table.add_row("", Text(f"! {note}", style="yellow"))
        return table

    def finish(self) -> None:
        """Leave the table as it is and give the terminal back."""
        self.live.stop()


def plain(event: Event) -> None:
    """Print an event as a line."""
    parts = [event.event]
    if event.slot is not None:
        parts = [f"run {event.slot}", event.agent or "", event.event]
    if event.status:
        parts.append(event.status)
    if event.n is not None:
        parts.append(f"#{event.n} {event.size} bytes")
    if event.command:
        parts.append(f"{'passed' if event.exit == 0 else 'failed'}: {printable(event.command, 60)}")
    if event.candidate:
        parts.append(short(event.candidate))
    if event.message:
        parts.append(printable(event.message))
    say(visible(" ".join(parts)))


def plain_or_live() -> tuple[Callable[[Event], None], Callable[[], None]]:
    """Give a listener and what ends it."""
    console = Console()
    if not console.is_terminal:
        return plain, lambda: None
    table = LiveTable(console)
    return table.listen, table.finish
