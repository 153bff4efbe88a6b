"""Shared state: what agents share without waiting for one another, and how they reach it."""

from __future__ import annotations

from pathlib import Path

from bench.speed import beating, kinds, listing, recalling, serving
from bench.speed.sizes import Sizes
from bench.speed.table import Section


def measure(sizes: Sizes, folder: Path) -> list[Section]:
    """Measure all of it, each subject in a folder of its own below `folder`."""
    place = folder / "shared"
    place.mkdir()
    return [part.measure(sizes, place) for part in (kinds, listing, recalling, beating, serving)]
