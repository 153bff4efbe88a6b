"""A power cut: what was not synced is gone, what was acknowledged is not.

A writer works on an ext4 file system in an image. At a random time it and its gits are stopped,
and the image is copied as it is, without unmounting: page cache and journal of the file system
inside are lost with the power. The copy is mounted elsewhere and has to hold all that had been
acknowledged. What had reached the device but not been flushed from its own cache is kept here.

The control runs the same with every sync switched off and has to lose acknowledged entries: so
the test can fail.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from tests.crash.disks import MIB, copy_frozen, image, make_image
from tests.crash.harness import (
    Writer,
    examine,
    log_in_git,
    new_store,
    open_space,
    own_ref,
    seeded,
    writing,
)
from tests.crash.writer import Job

from waggle.base.errors import WaggleError

RUNS = 4
CUTS = 7
"""Per run: 28 in all."""
CONTROL_CUTS = 6
IMAGE_BYTES = 64 * MIB
_PATIENCE_S = 60


def stop(writer: Writer) -> None:
    """Stop the writer and every git it started; return when none of them is in a system call."""
    end = time.monotonic() + _PATIENCE_S
    os.killpg(writer.pid, signal.SIGSTOP)
    again = time.monotonic() + 0.5
    while not _resting(psutil.Process(writer.pid)):
        assert time.monotonic() < end, "the writer does not stop"
        if time.monotonic() > again:
            # A child that was stopped between vfork and exec keeps its parent from stopping. It has
            # to run for a moment: stopped again at once, it would get no further for ever.
            os.killpg(writer.pid, signal.SIGCONT)
            writer.read_for(0.02)
            os.killpg(writer.pid, signal.SIGSTOP)
            again = time.monotonic() + 0.5
    writer.read(0)


def _resting(parent: psutil.Process) -> bool:
    family = [parent, *parent.children(recursive=True)]
    try:
        states = {process.status() for process in family}
    except psutil.NoSuchProcess:
        return False  # a git ended just now; look again
    return states <= {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}


def cut(writer: Writer, disk: str, to: str) -> dict[str, str]:
    """Cut the power: give what had been acknowledged by then; the writer then runs on."""
    stop(writer)
    copy_frozen(disk, to)
    acked = dict(writer.acked)
    os.killpg(writer.pid, signal.SIGCONT)
    return acked


def start(point: Path, chance: random.Random, *, unsynced: bool) -> Job:
    """Make a store on the image, safe on the device, and a job that writes to it for long."""
    folder = new_store(str(point / "repository"))
    subprocess.run(["sync", "--file-system", folder], check=True)
    return Job(
        folder=folder,
        name="writer",
        entries=1_000_000,
        seal_every=chance.randint(2, 12),
        unsynced=unsynced,
    )


@pytest.mark.parametrize("run", range(RUNS))
def test_a_power_cut_loses_nothing(
    run: int, tmp_path: Path, request: pytest.FixtureRequest, tally: Counter[str]
) -> None:
    chance = seeded(request)
    disk = make_image(str(tmp_path / f"disk{run}"), IMAGE_BYTES)
    cuts: list[tuple[str, dict[str, str]]] = []
    with image(disk, str(tmp_path / "running")) as point:
        job = start(Path(point), chance, unsynced=False)
        with writing(job) as writer:
            writer.read_until(1)
            for number in range(CUTS):
                writer.read_for(chance.uniform(0, 0.15))
                copy = str(tmp_path / f"cut{number}")
                cuts.append((copy, cut(writer, disk, copy)))
    for copy, acked in cuts:
        with image(copy, f"{copy}.mounted") as point:
            examine(f"{point}/repository", [acked], tally)
        os.remove(copy)
        tally["power cuts"] += 1
        tally["entries acknowledged before a power cut"] += len(acked)


def survivors(folder: str) -> set[str]:
    """The ids that are left after a cut without syncs, or none where nothing can be read."""
    try:
        with open_space(folder) as space:
            space.seal()
        ref = own_ref(folder)
        return {entry for entry, _ in log_in_git(folder, ref)} if ref else set()
    except (WaggleError, AssertionError, ValueError):
        return set()  # the control looks for losses; a store that is beyond reading is one


def test_without_syncs_the_same_power_cut_does_lose(
    tmp_path: Path, request: pytest.FixtureRequest, tally: Counter[str]
) -> None:
    chance = seeded(request)
    disk = make_image(str(tmp_path / "disk"), IMAGE_BYTES)
    losing = 0
    with image(disk, str(tmp_path / "running")) as point:
        job = start(Path(point), chance, unsynced=True)
        with writing(job) as writer:
            for number in range(CONTROL_CUTS):
                writer.read_until(len(writer.acked) + 20)
                copy = str(tmp_path / f"cut{number}")
                acked = cut(writer, disk, copy)
                with image(copy, f"{copy}.mounted") as at:
                    left = survivors(f"{at}/repository")
                losing += not left.issuperset(acked.values())
                tally["control: entries lost with syncing off"] += len(set(acked.values()) - left)
    tally["control: power cuts with syncing off"] += CONTROL_CUTS
    tally["control: power cuts that lost acknowledged entries"] += losing
    # Anyone on the machine may call sync(2) just before a cut, so not every one has to lose.
    assert losing > CONTROL_CUTS // 2, f"{losing} of {CONTROL_CUTS} cuts without syncs lost any"
