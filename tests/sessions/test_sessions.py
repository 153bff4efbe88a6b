"""Sessions across processes and devices: a token given is a token kept, checked from outside."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import World, git
from tests.sessions.checker import Record, violations

from waggle.base.errors import WaggleError
from waggle.log.vector import decode, encode, join
from waggle.store import waiting
from waggle.store.space import Space

REPLICAS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
SPOTS = st.tuples(st.integers(1, 2**40), st.integers(0, 2**32 - 1).map(lambda n: f"{n:08x}"))
VECTORS = st.dictionaries(REPLICAS, SPOTS, max_size=6)


@given(VECTORS)
def test_a_token_says_what_it_was_made_of(vector: dict[str, tuple[int, str]]) -> None:
    assert decode(encode(vector)) == vector


@given(VECTORS, VECTORS, VECTORS)
def test_joining_is_a_least_upper_bound(
    one: dict[str, tuple[int, str]],
    two: dict[str, tuple[int, str]],
    three: dict[str, tuple[int, str]],
) -> None:
    assert join(one, two) == join(two, one)
    assert join(one, join(two, three)) == join(join(one, two), three)
    assert join(one, one) == one


@given(st.text(max_size=60))
def test_what_is_no_token_is_refused(text: str) -> None:
    try:
        vector = decode(text)
    except WaggleError as error:
        if error.code != "invalid":
            raise
    else:
        assert encode(vector) == text


def test_one_writes_token_is_short() -> None:
    assert len(encode({"ab" * 16: (10**9, "cd" * 32)})) < 50


class Ticking:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, space: Space, token: str, seconds: float) -> None:
        waiting.wait_for(space, token, seconds, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_store_has_its_own_writes_at_once(world: World) -> None:
    one = world.space()
    world.task(one)
    Ticking().wait(one, waiting.own_token(one), 0)
    assert decode(waiting.token(one)) == decode(waiting.own_token(one))


def test_another_store_waits_as_long_as_it_was_told_and_says_what_is_missing(world: World) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    token, clock = waiting.own_token(one), Ticking()
    with pytest.raises(WaggleError, match=one.replica[:12]) as caught:
        clock.wait(two, token, 5)
    assert caught.value.code == "behind"
    assert clock.now == pytest.approx(5)
    one.seal()
    world.exchange(two, one)
    clock.wait(two, token, 0)


def test_what_arrives_meanwhile_ends_the_wait(world: World) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    one.seal()

    def sleep(_seconds: float) -> None:
        world.exchange(two, one)

    waiting.wait_for(two, waiting.own_token(one), 60, lambda: 0.0, sleep)


def test_another_history_is_never_taken_for_the_one_that_was_meant(world: World) -> None:
    one, two = world.space("one"), world.space("two")
    for title in "abc":
        world.task(one, title)
    one.seal()
    world.exchange(two, one)
    for seq in (1, 3):
        with pytest.raises(WaggleError, match="another one here") as caught:
            Ticking().wait(two, encode({one.replica: (seq, "00000000")}), 60)
        assert caught.value.code == "behind"


def test_a_token_of_a_store_that_was_copied_is_honoured_under_its_new_name(world: World) -> None:
    one = world.space("one")
    world.task(one)
    one.seal()
    last = world.task(one, "only here")
    token = encode({one.replica: (last.seq, last.id)})
    twin = world.space(world.copy(one, "twin"))
    world.task(twin, "after the copy")
    assert twin.replica != one.replica
    Ticking().wait(twin, token, 0)


# --- real processes, two devices, a recorded history ----------------------------------------------


class Client:
    """A session: one after another it writes and reads, on one device or the other."""

    def __init__(self, name: str, devices: list[Path], *, keeps_tokens: bool = True) -> None:
        self.name = name
        self.devices = devices
        self.keeps_tokens = keeps_tokens
        self.tokens: list[str] = []
        self.history: list[Record] = []

    def write(self, chance: random.Random, number: int) -> None:
        title = f"{self.name}-{number}"
        done = _waggle(chance.choice(self.devices), "task", "add", title)
        self.tokens.append(str(done["token"]))
        self.history.append(Record(self.name, "wrote", frozenset({title})))

    def read(self, chance: random.Random) -> None:
        held = [word for token in self.tokens for word in ("--after", token)]
        words = held if self.keeps_tokens else []
        done = _waggle(chance.choice(self.devices), "tasks", "--token", "--wait", "60", *words)
        tasks = done["tasks"]
        assert isinstance(tasks, list)
        shown = frozenset(str(task["title"]) for task in tasks)
        self.tokens = [str(done["token"])]
        self.history.append(Record(self.name, "read", shown))


def _waggle(folder: Path, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "waggle", *words, "--json"],
        cwd=folder,
        env={**os.environ, "WAGGLE_AGENT": "tester"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[list[Path]]:
    """Two clones of one remote that sync in the background, now and then."""
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        git(tmp_path, "clone", "-q", "hub.git", folder.name)
        _waggle(folder, "init")
    stop = threading.Event()

    def sync() -> None:
        while not stop.is_set():
            for folder in folders:
                _waggle(folder, "sync")

    thread = threading.Thread(target=sync)
    thread.start()
    yield folders
    stop.set()
    thread.join()


def _work(devices: list[Path], seed: int, *, keeps_tokens: bool = True) -> list[Record]:
    clients = [Client(name, devices, keeps_tokens=keeps_tokens) for name in ("ann", "bob")]

    def live(client: Client) -> None:
        chance = random.Random(f"{seed} {client.name}")
        for number in range(6):
            client.write(chance, number)
            client.read(chance)

    threads = [threading.Thread(target=live, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(client.history) == 12 for client in clients), "a client failed"
    return [record for client in clients for record in client.history]


def test_sessions_read_their_writes_and_never_go_back(devices: list[Path]) -> None:
    assert violations(_work(devices, seed=1)) == []


def test_the_checker_sees_that_reads_without_tokens_break_both(devices: list[Path]) -> None:
    history = _work(devices, seed=2, keeps_tokens=False)
    assert [found for found in violations(history) if found.startswith("read your writes")]
    assert [found for found in violations(history) if found.startswith("monotonic reads")]
