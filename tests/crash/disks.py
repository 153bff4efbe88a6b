"""Disks that tests may fill, freeze and cut off: loop images and small file systems in memory."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

MIB = 1 << 20


def need(*programs: str) -> None:
    """Skip, and say so, where mounting is not possible."""
    if sys.platform != "linux":
        pytest.skip("mounting needs Linux")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; run as root to test power cuts and full disks")
    missing = [name for name in ("mount", "umount", *programs) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"mounting needs {', '.join(missing)}")


@contextmanager
def mounted(point: str, *options: str) -> Iterator[str]:
    """Mount at a new folder; skip where the system forbids it."""
    os.makedirs(point)
    done = subprocess.run(["mount", *options, point], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


@contextmanager
def memory(point: str, size: int) -> Iterator[str]:
    """A file system of `size` bytes in memory."""
    need()
    with mounted(point, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield point


def make_image(path: str, size: int) -> str:
    """An ext4 image of `size` bytes; its journal writes nothing by itself for an hour."""
    need("mkfs.ext4", "losetup")
    with open(path, "wb") as file:
        file.truncate(size)
    done = subprocess.run(["mkfs.ext4", "-q", "-F", path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return path


@contextmanager
def image(path: str, point: str) -> Iterator[str]:
    """Mount an image; what no one syncs stays in memory for far longer than a test runs.

    `commit=3600` keeps ext4's journal from committing by the clock; the kernel writes dirty pages
    back after 30 s (vm.dirty_expire_centisecs). Barriers stay on.
    """
    with mounted(point, "-o", "loop,commit=3600,noatime", path):
        yield point


def copy_frozen(path: str, to: str) -> str:
    """Copy an image that nobody writes to: what has reached the device, and nothing else.

    The copy is compared and taken again until it is of one moment.
    """
    for _ in range(20):
        subprocess.run(["cp", "--sparse=always", path, to], check=True)
        if filecmp.cmp(path, to, shallow=False):
            return to
    raise AssertionError("the image keeps changing although its writer is stopped")


def fill(folder: str) -> str:
    """Write a file until the disk is full to the last block; give its path."""
    path = os.path.join(folder, "ballast")
    with open(path, "ab", buffering=0) as file:
        for size in (MIB, 4096, 1):
            _write_until_full(file.fileno(), b"\0" * size)
    return path


def _write_until_full(handle: int, block: bytes) -> None:
    while True:
        try:
            os.write(handle, block)
        except OSError:
            return
