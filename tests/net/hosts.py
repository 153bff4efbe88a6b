"""Hosts in network namespaces, joined by links with delay, random loss and partitions.

    with network(3, delay_ms=5, loss=0.02, seed=7) as net:
        a, b, c = net.hosts
        server = a.start(["git", "daemon", f"--listen={a.address}", ...])
        net.partition({a, b}, {c})
        b.run(["git", "push", ...])
        net.heal()

The hosts share this machine's files and nothing else: they reach one another, not the world.
Sockets that are files (`AF_UNIX` with a path) go past the network, so give every host its own
folder for them. IPv4 only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import combinations, product
from typing import Any

import pytest
from tests.net.namespaces import PATIENCE_S, kill_within
from tests.net.switch import HOSTS_MAX

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINKS = "links cut"
NetworkOf = Callable[..., AbstractContextManager["Network"]]
"""Takes what `network` takes."""


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Look until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


class Host:
    """One machine, as far as the network goes."""

    def __init__(self, address: str, handle: int, user: Sequence[str]) -> None:
        self.address = address
        """Its IPv4 address, which the other hosts can reach."""
        self.handle = handle
        """An open file that holds its network namespace: only that long is its number its own."""
        self._enter = ["nsenter", *user, f"--net=/proc/{os.getpid()}/fd/{handle}", "--"]
        self._started: list[subprocess.Popen[Any]] = []

    def __repr__(self) -> str:
        return f"Host({self.address})"

    @property
    def namespace(self) -> int:
        """The number of its network namespace, as `/proc/PID/ns/net` shows it."""
        return os.fstat(self.handle).st_ino

    def start(self, argv: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:  # noqa: ANN401
        """Start a program here; `popen` is for subprocess.Popen, whose `pid` is the program's.

        It has a session of its own, so that Ctrl-C is for the tests to handle.
        """
        popen.setdefault("start_new_session", True)
        process = subprocess.Popen([*self._enter, *argv], **popen)
        self._started.append(process)
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = PATIENCE_S,
        **popen: Any,  # noqa: ANN401 (anything that Popen takes)
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end and give its status and what it printed.

        Raises subprocess.TimeoutExpired; the program is killed first.
        """
        popen.setdefault("stdin", subprocess.DEVNULL)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = self.start(argv, **(streams | popen))
        try:
            out, err = process.communicate(timeout=timeout_s)
        finally:
            self._forget(process)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def kill(self) -> None:
        """SIGKILL all that runs here, and wait until it is gone.

        The host's kernel lives on: it still sends what it was given, as after any SIGKILL.
        """
        for process in list(self._started):
            self._forget(process)
        kill_within({self.namespace})

    def close(self) -> None:
        """Kill all that runs here and let go of the namespace."""
        self.kill()
        os.close(self.handle)

    def _forget(self, process: subprocess.Popen[Any]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):  # it died before it was told everything
                    pipe.close()
        self._started.remove(process)


class Network:
    """Hosts and the links between each two of them."""

    def __init__(self, switch: subprocess.Popen[str], hosts: tuple[Host, ...]) -> None:
        self.hosts = hosts
        self.switch = switch
        """The process that carries the packets."""
        self._cut: set[frozenset[Host]] = set()
        self._cuts = 0

    def cut(self, one: Host, other: Host) -> None:
        """Cut the link between two hosts, both ways: from now on nothing of it arrives."""
        self.partition({one}, {other})

    def join(self, one: Host, other: Host) -> None:
        """Mend the link between two hosts."""
        self._set(self._cut - {frozenset((one, other))})

    def partition(self, *groups: Collection[Host], after: int = 0) -> None:
        """Cut all links between groups; those within groups and of other hosts stay as they are.

        `after` so many more packets were carried between any hosts, it happens by itself; whatever
        is cut or mended before takes its place.
        """
        pairs = [pair for two in combinations(groups, 2) for pair in product(*two)]
        assert all(one is not other for one, other in pairs), "a host is in two groups"
        self._set(self._cut | {frozenset(pair) for pair in pairs}, after)

    def heal(self) -> None:
        """Mend all links."""
        self._set(set())

    def counts(self) -> Counter[str]:
        """Count the links cut so far, and the packets by what became of them: see the switch."""
        return Counter({LINKS: self._cuts, **_ask(self.switch, "null")})

    def _set(self, cut: set[frozenset[Host]], after: int = 0) -> None:
        """Tell the switch which links are cut, and wait until it has heard."""
        pairs = [[number for number, host in enumerate(self.hosts) if host in two] for two in cut]
        _ask(self.switch, json.dumps({"cut": pairs, "after": after}))
        self._cuts += len(cut - self._cut)
        self._cut = cut


def _ask(switch: subprocess.Popen[str], order: str | None) -> dict[str, Any]:
    """Give the switch an order, if any, and take its answer. Raises RuntimeError."""
    assert switch.stdin is not None
    assert switch.stdout is not None
    try:
        if order is not None:
            switch.stdin.write(order + "\n")
            switch.stdin.flush()
        answer: dict[str, Any] = json.loads(switch.stdout.readline())
    except (BrokenPipeError, json.JSONDecodeError) as error:
        raise RuntimeError(f"the switch ended with status {switch.wait()}") from error
    return answer


@contextmanager
def network(count: int, *, delay_ms: float = 0, loss: float = 0, seed: int) -> Iterator[Network]:
    """Make so many hosts whose packets take `delay_ms` one way and are lost at a rate of `loss`.

    The same seed loses the same packets of each link, counted from its first. At the end everything
    that runs in the hosts is killed. Skips the test, with the reason, where the machine forbids it.
    Raises RuntimeError where the switch has died meanwhile.
    """
    assert 0 < count <= HOSTS_MAX
    if sys.platform != "linux" or shutil.which("nsenter") is None:
        pytest.skip("hosts in network namespaces need Linux and nsenter (util-linux)")
    print(f"network: {count} hosts, delay {delay_ms} ms, loss {loss}, seed {seed}")  # noqa: T201
    switch = subprocess.Popen(
        [sys.executable, "-m", "tests.net.switch"]
        + [str(value) for value in (count, delay_ms / 1000, loss, seed)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    hosts: tuple[Host, ...] = ()
    try:
        hosts = _meet(switch.pid, _ask(switch, None))
        net = Network(switch, hosts)
        yield net
        net.counts()
    finally:
        _end(switch, hosts)


def _meet(switch: int, said: Mapping[str, Any]) -> tuple[Host, ...]:
    if "refused" in said:
        hint = "; run the tests as root" if os.geteuid() else ""
        pytest.skip(f"no hosts in network namespaces here: {said['refused']}{hint}")
    user = ["--preserve-credentials", f"--user=/proc/{switch}/ns/user"] if said["user"] else []
    return tuple(
        Host(address, os.open(f"/proc/{switch}/fd/{held}", os.O_RDONLY | os.O_CLOEXEC), user)
        for address, held in said["hosts"]
    )


def _end(switch: subprocess.Popen[str], hosts: Sequence[Host]) -> None:
    """Kill what runs in the hosts, also where the switch, which would do it too, is dead."""
    try:
        for host in hosts:
            host.close()
        switch.communicate(timeout=PATIENCE_S)
    finally:
        switch.kill()
        switch.wait()
