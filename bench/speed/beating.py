"""Beats: what one costs, and what a simulated day of them leaves in git."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.speed import commands, world
from bench.speed.day import BEAT_S, DEVICES, Held, Passed, simulate
from bench.speed.measure import Samples, alternate, say, timed
from bench.speed.sizes import Sizes
from bench.speed.table import Goal, Row, Section

_PYTHON = (sys.executable, "-c", "import sqlite3")
_NONE = (Goal(limit=0, of="figure"),)
_SETTING = (
    "{seconds:,} simulated seconds of {agents} agents on {devices} devices: each agent beats every"
    " {beat} s, and every {sync} s each device syncs with a bare repository on this machine, with a"
    " record of its agents' last beats that is signed and, by the others, verified. The clock is"
    " passed in; {renewals:,} renewals and {syncs:,} syncs are real. Growth is from the first syncs"
    " to the end, of all that refs reach, in a copy after `git gc --prune=now`. What a newer beat"
    " replaced lies there until git's own gc: that is the last rows."
)


def measure(sizes: Sizes, folder: Path) -> Section:
    """Measure a beat, then a day of them."""
    place = folder / "beating"
    place.mkdir()
    command = _command(sizes, place)
    say(f"{sizes.beaters} agents beat for {sizes.day_s:,} simulated seconds")
    passed = simulate(sizes, place)
    setting = _SETTING.format(
        seconds=sizes.day_s,
        agents=sizes.beaters,
        devices=len(DEVICES),
        beat=BEAT_S,
        sync=sizes.day_sync_s,
        renewals=len(passed.renewals),
        syncs=len(passed.syncs),
    )
    return Section(title="Beats", setting=setting, rows=(command, *_costs(passed), *_held(passed)))


def _command(sizes: Sizes, place: Path) -> Row:
    say("beating as a command")
    where = world.repository(place / "command")
    commands.run((commands.WAGGLE, "join"), where)
    mine, python = alternate(
        sizes.commands,
        timed(lambda: commands.run((commands.WAGGLE, "beat"), where)),
        timed(lambda: commands.run(_PYTHON, where)),
    )
    against = '`python -c "import sqlite3"`'
    return Row(what="`waggle beat` as a command", ours=mine, baseline=python, against=against)


def _costs(passed: Passed) -> tuple[Row, ...]:
    return (
        Row(
            what="a beat in a process that runs already",
            ours=Samples(tuple(passed.renewals)),
            baseline=Samples(tuple(passed.bare)),
            against="a bare SQLite file opened, a row replaced, closed",
        ),
        Row(what="a sync that brings beats there and back", ours=Samples(tuple(passed.syncs))),
    )


def _held(passed: Passed) -> list[Row]:
    """Give what grew, which has to be nothing, and what waits to be removed."""
    grown = [
        Row(what=f"growth of {where}: {what}", ours=_one(after - before, unit), goals=_NONE)
        for where, ends in passed.held.items()
        for what, unit, before, after in _reached(*ends)
    ]
    packs = [
        Row(
            what=f"packs of {where} in the end",
            ours=_one(after.packed, "bytes"),
            baseline=_one(before.packed, "bytes"),
            against="after the first syncs",
        )
        for where, (before, after) in passed.held.items()
    ]
    waiting = [
        Row(what=f"objects of {where} before any `git gc`", ours=_one(after.before_gc, "KiB"))
        for where, (_, after) in passed.held.items()
    ]
    return [*grown, *packs, *waiting]


def _reached(before: Held, after: Held) -> tuple[tuple[str, str, int, int], ...]:
    return (
        ("objects that refs reach", "objects", before.objects, after.objects),
        ("their bytes", "bytes", before.content, after.content),
    )


def _one(value: int, unit: str) -> Samples:
    return Samples((float(value),), unit)
