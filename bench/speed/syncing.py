"""Syncing: the live path, nodes, many writers to one remote, and much at once by git."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.speed import devices, live, nodes, writers
from bench.speed.ladder import Step
from bench.speed.sizes import Sizes
from bench.speed.table import Section

_LIVE = (
    "Clones and their nodes on one machine, without any remote. A time begins before the append"
    " and ends when the node of another process has folded the entry into its view, so it holds a"
    " durable insert, a signature, a message, its verification, and two transactions there."
    " The baseline inserts the same bytes into a bare SQLite file (WAL, synchronous=FULL) and says"
    " them to another process over a bare Zenoh session; both take turns. In a flood every"
    " receiver is a process with a clone of its own, and in the end all of them have to hold the"
    " same running hash as the sender; all of them share the cores named above."
)
_WRITERS = (
    "Processes that each add entries and bring each to one bare repository on this machine before"
    " the next, all at once. With waggle each pushes its own log, and each of its syncs fetches"
    " and verifies what all others have pushed meanwhile. The others share one branch: they fetch"
    " it, put a commit on top (the entry is its message, in an empty tree), push, and do it again"
    " when the push is refused: at once, or after a pause drawn from up to {pause} ms, twice as"
    " much after each refusal, at most {most:g} s. They begin nothing new after {limit} s; where"
    " entries are left then, their pushes refused and their times are the least that they can be."
)
_GIT = (
    "Remotes are bare repositories on this machine, and stores sync with them in this process:"
    " what arrives is verified (signatures, running hashes, order, limits) and folded. The"
    " baseline moves as much by git alone, which does neither. Both take turns."
)


def measure(sizes: Sizes, steps: Sequence[Step], folder: Path) -> list[Section]:
    """Measure all of it; `steps` are logs of which new devices fetch some."""
    place = folder / "syncing"
    place.mkdir()
    told = _WRITERS.format(
        pause=writers.PAUSE_MS, most=writers.PAUSE_MS_MAX / 1000, limit=sizes.writer_limit_s
    )
    return [
        Section(
            title="The live path",
            setting=_LIVE,
            rows=(*live.measure(sizes, place), *nodes.measure(sizes, place)),
        ),
        Section(title="Many writers", setting=told, rows=writers.measure(sizes, place)),
        Section(title="Syncing by git", setting=_GIT, rows=devices.measure(sizes, steps, place)),
    ]
