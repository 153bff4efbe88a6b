"""What the figures were measured on: no figure means anything without it."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pygit2

from bench.speed import world
from bench.speed.child import ROOT
from waggle.store.setup import medium


def _processor() -> str:
    """Give the processor's name where the system tells it."""
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    named = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
    return named[0] if named else platform.machine()


def commit() -> str:
    """Give the commit that was measured, and whether its sources were changed since."""
    oid = world.git(ROOT, "rev-parse", "--short=12", "HEAD")
    changed = world.git(ROOT, "status", "--porcelain", "--", "src", "bench", "pyproject.toml")
    return f"{oid} with changes that are not committed" if changed else oid


def lines(work: Path, load: float) -> list[str]:
    """Give the facts as a list; `load` is what the machine had to do before the run began."""
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "load before the run": f"{load:.2f} (mean of a minute; on a quiet machine near 0)",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": medium(str(work)),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "git": world.git(work, "version").removeprefix("git version "),
        "libgit2": pygit2.LIBGIT2_VERSION,
    }
    return [f"- {name}: {value}" for name, value in facts.items()]
