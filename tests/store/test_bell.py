"""The bell: every append wakes the node, and nothing about the bell can trouble an append."""

from __future__ import annotations

import os
import random
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from waggle.base.errors import WaggleError
from waggle.store.own import bell
from waggle.store.own.bell import Bell, claim, is_claimed, ring

PATIENCE_S = 20
NODE = """
import os, sys
from waggle.store.own.bell import Bell, claim
with claim(sys.argv[1]):
    bell = Bell(sys.argv[1], os.urandom)
    print("open", flush=True)
    sys.stdin.readline()
    bell.close()
"""
WRITER = """
import os, sys
from waggle.store.own.bell import ring
folder, name, count = sys.argv[1:]
for number in range(int(count)):
    with open(os.path.join(folder, f"{name}-{number}"), "w"):
        pass
    ring(folder)
print("socket" in sys.modules)
"""


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Bell]:
    one = Bell(str(tmp_path), random.Random(1).randbytes)
    yield one
    one.close()


def woken(one: Bell) -> bool:
    """Wait until somebody rings; False if nobody does."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        return bool(selector.select(PATIENCE_S))


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a node in a process of its own; whatever is left of it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", NODE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as node:
        assert node.stdout
        assert node.stdout.readline() == "open\n"
        yield node
        node.kill()


def test_every_ring_of_any_process_wakes_the_node(tmp_path: Path, listening: Bell) -> None:
    names = {f"{writer}-{number}" for writer in "abc" for number in range(50)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), writer, "50"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in "abc"
    ]
    seen: set[str] = set()
    while not names <= seen:
        assert woken(listening), f"nobody rang for {sorted(names - seen)}"
        listening.drain()
        seen = set(os.listdir(tmp_path))
    for writer in writers:
        assert writer.communicate()[0] == "False\n", "ringing imports nothing heavy"


def test_draining_takes_all_and_never_waits(tmp_path: Path, listening: Bell) -> None:
    assert not listening.drain()
    for _ in range(3):
        ring(str(tmp_path))
    assert woken(listening)
    assert listening.drain()
    assert not listening.drain()


def test_ringing_never_waits_for_a_node_that_does_not_listen(
    tmp_path: Path, listening: Bell
) -> None:
    for _ in range(20_000):  # far more than its queue holds
        ring(str(tmp_path))
    assert listening.drain()


def test_a_stranger_who_cannot_read_the_store_does_not_ring(
    tmp_path: Path, listening: Bell
) -> None:
    assert (tmp_path / bell.BELL_FILE).stat().st_mode & 0o077 == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (b"", b"x" * 32, b"x" * 9000):
            stranger.sendto(data, listening.socket.getsockname())
    assert woken(listening)
    assert not listening.drain()


@pytest.mark.parametrize(
    "says",
    [b"", b"no port", b"-1 t", b"0 t", b"65536 t", b"9" * 64, b"\xff 1", b" ", b"1\0 t", b"1"],
)
def test_ringing_by_any_file_troubles_nobody(says: bytes, tmp_path: Path) -> None:
    (tmp_path / bell.BELL_FILE).write_bytes(says)
    ring(str(tmp_path))
    assert (tmp_path / bell.BELL_FILE).read_bytes() == says


def test_ringing_where_nobody_can_listen_troubles_nobody(tmp_path: Path) -> None:
    ring(str(tmp_path))
    ring(str(tmp_path / "no such folder"))
    (tmp_path / bell.BELL_FILE).mkdir()
    ring(str(tmp_path))
    assert os.listdir(tmp_path) == [bell.BELL_FILE]


def test_the_bell_of_a_killed_node_is_harmless_and_the_next_one_is_heard(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        pass
    assert node.returncode == -signal.SIGKILL
    ring(str(tmp_path))
    left = (tmp_path / bell.BELL_FILE).read_bytes()
    with claim(str(tmp_path)):
        one = Bell(str(tmp_path), random.Random(2).randbytes)
        assert (tmp_path / bell.BELL_FILE).read_bytes() != left
        ring(str(tmp_path))
        assert woken(one)
        assert one.drain()
        one.close()
    assert sorted(os.listdir(tmp_path)) == ["node.lock"]


def test_closing_leaves_the_bell_of_another_node_alone(tmp_path: Path) -> None:
    old = Bell(str(tmp_path), random.Random(1).randbytes)
    new = Bell(str(tmp_path), random.Random(2).randbytes)
    old.close()
    ring(str(tmp_path))
    assert woken(new)
    new.close()
    assert os.listdir(tmp_path) == []


def test_one_node_a_store_and_the_second_one_hears_who_the_first_is(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert not is_claimed(folder)
    with running(tmp_path) as node:
        assert is_claimed(folder)
        with pytest.raises(WaggleError, match=f"process {node.pid} runs") as caught, claim(folder):
            pass
        assert caught.value.code == "busy"
        _, _ = node.communicate("stop\n", timeout=PATIENCE_S)
        assert not is_claimed(folder)
        with claim(folder):
            assert is_claimed(folder)


def test_a_claim_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        node.kill()
        node.wait()
        with claim(str(tmp_path)):
            again = pytest.raises(WaggleError, match=f"process {os.getpid()} runs")
            with again, claim(str(tmp_path)):
                pass


def test_a_child_of_the_node_holds_no_claim(tmp_path: Path) -> None:
    with claim(str(tmp_path)):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    with claim(str(tmp_path)):
        assert child.poll() is None
    child.communicate()
