"""`waggle up` as users run it: processes beside one another, killed, stopped, ended, gone on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from tests.conftest import git

import waggle
from waggle.base.errors import WaggleError
from waggle.log.entry import Entry

PATIENCE_S = 30
ME = waggle.Agent(name="tester")


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two clones of one project without any remote to sync with, whose nodes can meet."""
    # Unix sockets have short names only.
    with tempfile.TemporaryDirectory(prefix="wg") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setenv("WAGGLE_AGENT", "tester")
        git(tmp_path, "init", "-q", "seed")
        git(tmp_path / "seed", "commit", "-q", "--allow-empty", "-m", "begin")
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            git(tmp_path, "clone", "-q", "seed", folder.name)
            git(folder, "remote", "remove", "origin")
            said(folder, "init")
        yield folders


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "waggle", *words]


def said(folder: Path, *words: str) -> dict[str, object]:
    """Run a command that has to succeed; give what it says."""
    done = subprocess.run(
        command(*words, "--json"), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def titles(folder: Path, *tokens: object) -> list[str]:
    """Give the titles of the tasks that a clone shows once it holds what tokens name."""
    after = [word for token in tokens for word in ("--after", str(token))]
    tasks = said(folder, "tasks", "--wait", str(PATIENCE_S), *after)["tasks"]
    assert isinstance(tasks, list)
    return sorted(task["title"] for task in tasks)


@contextmanager
def node(
    folder: Path, *remotes: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a node; it is open when the context begins, and gone when that ends."""
    with subprocess.Popen(
        command("up", *remotes), cwd=folder, env={**os.environ, **(env or {})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            assert " open " in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_what_any_command_writes_is_read_at_the_other_end(clones: list[Path]) -> None:
    one, two = clones
    with node(one), node(two):
        there = said(one, "task", "add", "from one")["token"]
        assert titles(two, there) == ["from one"]
        back = said(two, "task", "add", "from two")["token"]
        assert titles(one, back) == ["from one", "from two"]


def test_status_tells_on_how_many_replicas_the_entries_are(clones: list[Path]) -> None:
    one, two = clones
    with node(one), node(two):
        titles(two, said(one, "task", "add", "spread")["token"])
        end = time.monotonic() + PATIENCE_S
        while not (replicas := said(one, "status")["replicas"]):
            assert time.monotonic() < end, "no node said that it holds the entry"
    assert replicas == {said(two, "status")["replica"]: 1}
    assert said(one, "status")["spread"] == [{"first": 1, "last": 1, "remotes": 0, "replicas": 1}]


def test_a_late_one_is_told_everything(clones: list[Path]) -> None:
    one, two = clones
    with node(one):
        token = said(one, "task", "add", "early")["token"]
        with node(two):
            assert titles(two, token) == ["early"]


def test_a_node_that_is_killed_loses_nothing_and_the_next_goes_on(clones: list[Path]) -> None:
    one, two = clones
    with node(two):
        with node(one) as first:
            before = said(one, "task", "add", "before")["token"]
            titles(two, before)
            first.send_signal(signal.SIGKILL)
            first.wait()
        during = said(one, "task", "add", "while no node ran")["token"]
        with node(one):
            assert titles(two, during) == ["before", "while no node ran"]


def test_a_stopped_listener_holds_up_nobody_and_has_everything_later(clones: list[Path]) -> None:
    one, two = clones
    with node(one), node(two) as other:
        titles(two, said(one, "task", "add", "0")["token"])
        other.send_signal(signal.SIGSTOP)
        tokens = [said(one, "task", "add", str(number))["token"] for number in range(1, 8)]
        other.send_signal(signal.SIGCONT)
        assert titles(two, tokens[-1]) == [str(number) for number in range(8)]


def test_one_replica_has_one_node(clones: list[Path]) -> None:
    with node(clones[0]) as first:
        second = subprocess.run(
            command("up"), cwd=clones[0], capture_output=True, text=True, check=False
        )
        assert second.returncode == 9
        assert str(first.pid) in second.stderr
        assert said(clones[0], "status")["node"] is True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_cleanly(clones: list[Path], how: signal.Signals) -> None:
    with node(clones[0]) as process:
        process.send_signal(how)
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out
    assert out.splitlines()[-1].startswith("stopped; 0 entries here")
    assert not (clones[0] / ".git/waggle/bell").exists()
    assert not [name for _, _, names in os.walk(os.environ["XDG_RUNTIME_DIR"]) for name in names
                if name.endswith(".sock")]  # fmt: skip
    assert said(clones[0], "status")["node"] is False


async def take(entries: AsyncIterator[Entry], count: int) -> list[str]:
    found: list[str] = []
    async for entry in entries:
        assert isinstance(entry.body, waggle.TaskAdd)
        found.append(entry.body.title)
        if len(found) == count:
            return found
    raise AssertionError("the stream ended")


def test_a_library_follows_what_comes_each_entry_once_and_in_order(clones: list[Path]) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            one, two = [
                await stack.enter_async_context(waggle.open(str(folder))) for folder in clones
            ]
            here, there = (asyncio.create_task(take(space.follow(), 20)) for space in (one, two))
            await asyncio.sleep(0)
            for number in range(20):
                one.append(waggle.Draft(body=waggle.TaskAdd(title=str(number))), ME)
                await asyncio.sleep(0)
            wanted = [str(number) for number in range(20)]
            assert await asyncio.wait_for(here, PATIENCE_S) == wanted
            assert await asyncio.wait_for(there, PATIENCE_S) == wanted

    asyncio.run(work())


def test_an_error_in_the_body_ends_the_node_and_comes_out(clones: list[Path]) -> None:
    async def work() -> None:
        async with waggle.open(str(clones[0])):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(work())
    assert said(clones[0], "status")["node"] is False


def test_a_second_node_in_a_library_is_busy(clones: list[Path]) -> None:
    async def work() -> None:
        async with waggle.open(str(clones[0])), waggle.open(str(clones[0])):
            raise AssertionError("two nodes of one replica")

    with pytest.raises(WaggleError) as caught:
        asyncio.run(work())
    assert caught.value.code == "busy"


@pytest.fixture
def abyss() -> Iterator[str]:
    """The address of a host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"git://127.0.0.1:{listener.getsockname()[1]}/x.git"


def test_a_remote_that_hangs_holds_up_neither_the_others_nor_the_end(
    clones: list[Path], abyss: str
) -> None:
    one, two = clones
    git(one.parent, "init", "-q", "--bare", "hub.git")
    hub = str(one.parent / "hub.git")
    with node(one, abyss, hub, env={"XDG_RUNTIME_DIR": str(one)}) as process:
        said(one, "task", "add", "through the hub")
        end = time.monotonic() + PATIENCE_S
        while titles(two) != ["through the hub"]:
            assert time.monotonic() < end, "the hub did not get it"
            said(two, "sync", hub)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


def test_one_node_serves_all_spaces_of_its_replica(clones: list[Path]) -> None:
    one, two = clones
    for folder in clones:
        said(folder, "task", "add", "first", "--space", "reviews")
    with node(one), node(two):
        for space, title in (("main", "in main"), ("reviews", "in reviews")):
            token = said(one, "task", "add", title, "--space", space)["token"]
            words = ("--space", space, "--after", str(token), "--wait", str(PATIENCE_S))
            tasks = said(two, "tasks", *words)["tasks"]
            assert isinstance(tasks, list)
            assert title in [task["title"] for task in tasks]
