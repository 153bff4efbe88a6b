"""Hosts in network namespaces: delay, loss and partitions are real, and nothing is left of them."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.net.hosts import LINKS, ROOT, Host, Network, NetworkOf, eventually
from tests.net.namespaces import PATIENCE_S, processes_within
from tests.net.switch import CARRIED, CUT, DELAYED, LOST

_TALK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "talk.py")
BURST = 100
"""Datagrams that fit into a socket's buffer: what the switch carries, the host does not drop."""


class Talker:
    """A host that talks as tests.net.talk does, and all that it has said so far."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.events: list[list[Any]] = []
        self._rest = b""
        self._process = host.start(
            [sys.executable, _TALK, host.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        eventually("the talker", lambda: bool(self.said("ready")))

        eventually("the talker", lambda: bool(self.said("ready")))

    def _read(self) -> None:
        """Take in what is there."""
        assert self._process.stdout
        pipe = self._process.stdout.fileno()
        while select.select([pipe], [], [], 0)[0]:
            data = os.read(pipe, 1 << 16)
            assert data, "the talker ended"
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.events += map(json.loads, lines)

    def _order(self, *order: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def said(self, what: str) -> list[list[Any]]:
        """Give the events of a kind."""
        self._read()
        return [event for event in self.events if event[0] == what]

    def numbers(self, what: str) -> list[int]:
        return [event[1] for event in self.said(what)]

    def send(self, to: str, first: int = 0, count: int = 1) -> None:
        self._order("send", to, first, count)

    def join(self, group: str) -> None:
        self._order("join", group)
        eventually("joined", lambda: bool(self.said("joined")))

    def asks(self, other: Talker, number: int) -> None:
        """Ask and wait for the answer; the network loses nothing."""
        self.send(other.host.address, number)
        eventually(f"answer {number}", lambda: number in self.numbers("answered"))


def burst(net: Network, one: Talker, other: Talker, first: int) -> None:
    """Send a burst and wait until no packet of it is left on the way."""
    one.send(other.host.address, first, BURST)

    def settled() -> bool:
        counts, heard = net.counts(), len(other.said("heard"))
        arrived = counts[CARRIED] == heard + len(one.said("answered"))
        return arrived and counts[CARRIED] + counts[LOST] == first + BURST + heard

    eventually(f"the burst from {first} to be over", settled)


def lost_numbers(networks: NetworkOf, seed: int, loss: float, bursts: int) -> Collection[int]:
    """Give the numbers of the datagrams that do not arrive at the other host."""
    with networks(2, loss=loss, seed=seed) as net:
        one, other = map(Talker, net.hosts)
        for first in range(0, bursts * BURST, BURST):
            burst(net, one, other, first)
        return set(range(bursts * BURST)) - set(other.numbers("heard"))


# --- what links do -----------------------------------------------------------------------------


def test_there_and_back_takes_at_least_twice_the_delay(networks: NetworkOf) -> None:
    with networks(2, delay_ms=20) as net:
        one, other = map(Talker, net.hosts)
        for number in range(5):
            one.asks(other, number)
        assert min(seconds for _, _, seconds in one.said("answered")) >= 0.04
        assert +net.counts() == {CARRIED: 10, DELAYED: 10}


def test_packets_are_lost_at_the_rate_and_the_seed_says_which(networks: NetworkOf) -> None:
    lost = lost_numbers(networks, 1, 0.1, 20)
    deviation = (2000 * 0.1 * 0.9) ** 0.5
    assert abs(len(lost) - 200) < 5 * deviation
    first = {number for number in lost if number < 5 * BURST}
    assert lost_numbers(networks, 1, 0.1, 5) == first
    assert lost_numbers(networks, 2, 0.1, 5) != first


SINK = """
import hashlib, socket
server = socket.create_server(("", 7001))
print("ready", flush=True)
with server.accept()[0].makefile("rb") as stream:
    print(hashlib.sha256(stream.read()).hexdigest())
"""
SOURCE = """
import socket, sys
socket.create_connection((sys.argv[1], 7001)).sendall(sys.stdin.buffer.read())
"""


def test_a_transfer_over_tcp_survives_loss(networks: NetworkOf, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "data").write_bytes(data)
    with networks(2, delay_ms=5, loss=0.02) as net, open(tmp_path / "data", "rb") as file:
        source, sink = net.hosts
        taking = sink.start([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True)
        assert taking.stdout
        assert taking.stdout.readline() == "ready\n"
        done = source.run([sys.executable, "-c", SOURCE, sink.address], stdin=file)
        assert done.returncode == 0, done.stderr
        assert taking.stdout.read().strip() == hashlib.sha256(data).hexdigest()
        counts = net.counts()
        assert counts[LOST] > 0
        assert counts[CARRIED] * 1500 > len(data)


def test_whoever_joined_a_multicast_group_hears_it(networks: NetworkOf) -> None:
    with networks(3) as net:
        one, two, three = map(Talker, net.hosts)
        two.join("239.1.2.3")
        one.send("239.1.2.3", 1)
        eventually("answer", lambda: one.numbers("answered") == [1])
        one.asks(three, 2)
        assert (two.numbers("heard"), three.numbers("heard")) == ([1], [2])


# --- partitions --------------------------------------------------------------------------------


def test_a_partition_stops_everything_and_healing_restores_it(networks: NetworkOf) -> None:
    with networks(2) as net:
        one, other = map(Talker, net.hosts)
        one.asks(other, 1)
        net.partition({one.host}, {other.host})
        one.send(other.host.address, 2, 10)
        other.send(one.host.address, 2, 10)
        eventually("packets at the cut", lambda: net.counts()[CUT] == 20)
        net.heal()
        one.asks(other, 3)
        other.asks(one, 4)
        assert (one.numbers("heard"), other.numbers("heard")) == ([4], [1, 3])
        counts = net.counts()
        assert (counts[LINKS], counts[CUT], counts[CARRIED]) == (1, 20, 6)


def test_what_is_on_its_way_when_the_link_is_cut_does_not_arrive(networks: NetworkOf) -> None:
    with networks(2, delay_ms=300) as net:
        one, other = map(Talker, net.hosts)
        one.send(other.host.address, 1)
        eventually("a packet on its way", lambda: net.counts()[DELAYED] == 1)
        net.cut(one.host, other.host)
        eventually("the packet at the cut", lambda: net.counts()[CUT] == 1)
        net.join(one.host, other.host)
        one.asks(other, 2)
        assert other.numbers("heard") == [2]


def test_a_partition_can_wait_for_packets(networks: NetworkOf) -> None:
    with networks(2) as net:
        one, other = map(Talker, net.hosts)
        net.partition({one.host}, {other.host}, after=3)
        one.asks(other, 1)
        one.send(other.host.address, 2)
        eventually("an answer at the cut", lambda: net.counts()[CUT] == 1)
        assert (other.numbers("heard"), one.numbers("answered")) == ([1, 2], [1])
        net.partition({one.host}, {other.host}, after=3)
        net.heal()
        for number in range(3, 6):
            one.asks(other, number)


def test_of_three_hosts_one_is_cut_off(networks: NetworkOf) -> None:
    with networks(3) as net:
        one, two, three = map(Talker, net.hosts)
        net.partition({one.host, two.host}, {three.host})
        one.send(three.host.address, 1)
        three.send(two.host.address, 2)
        one.asks(two, 3)
        two.asks(one, 4)
        eventually("packets at the cut", lambda: net.counts()[CUT] == 2)
        net.join(one.host, three.host)
        three.asks(one, 5)
        three.send(two.host.address, 6)
        eventually("a third packet at the cut", lambda: net.counts()[CUT] == 3)
        assert two.numbers("heard") == [3]
        assert three.numbers("heard") == []


def test_networks_side_by_side_do_not_mix(networks: NetworkOf) -> None:
    with networks(2) as here, networks(2) as there:
        one, other, stranger = map(Talker, (*here.hosts, there.hosts[1]))
        assert stranger.host.address == other.host.address
        one.asks(other, 1)
        assert stranger.numbers("heard") == []


# --- nothing is left ---------------------------------------------------------------------------

STRAY = ["sh", "-c", "setsid sh -c 'sleep 1000 & echo up' & exec sleep 1000"]
"""A program whose children are nobody's: they are found by the host alone."""


def begin_stray(host: Host) -> subprocess.Popen[Any]:
    process = host.start(STRAY, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    assert len(processes_within({host.namespace})) >= 2
    return process


class Watch:
    """Namespaces that this test holds, so that their numbers stay theirs, and who else does."""

    def __init__(self) -> None:
        self._handles: list[int] = []

    def add(self, handle: int) -> None:
        """Hold a namespace by another open file."""
        self._handles.append(handle)

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)

    def others(self) -> list[str]:
        """Give whatever else keeps them: processes, open files and mounts."""
        numbers = {os.fstat(handle).st_ino for handle in self._handles}
        assert len(numbers) == 2
        names = {f"net:[{number}]" for number in numbers}
        found = [f"process {pid}" for pid in processes_within(numbers)]
        mine = {Path(f"/proc/{os.getpid()}/fd/{handle}") for handle in self._handles}
        for link in _open_files() - mine:
            try:
                name = os.readlink(link)
            except OSError:  # it was closed meanwhile, or is another user's
                continue
            if name in names:
                found.append(f"{link}: {name}")
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        return found + [f"mount of {name}" for name in names if name in mounts]


def _open_files() -> set[Path]:
    """Give the links to open files of all processes; some end while they are looked at."""
    found: set[Path] = set()
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            found.update(folder.iterdir())
    return found


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.close()


class FailedError(Exception):
    """A test failed."""


def test_a_failed_test_leaves_nothing(networks: NetworkOf, watch: Watch) -> None:
    def test() -> None:
        with networks(2) as net:
            for host in net.hosts:
                watch.add(os.dup(host.handle))
                begin_stray(host)
            assert len(watch.others()) >= 2 * 4
            raise FailedError

    with pytest.raises(FailedError):
        test()
    assert watch.others() == []


def test_a_killed_switch_leaves_nothing_and_fails_the_test(
    networks: NetworkOf, watch: Watch
) -> None:
    def test() -> None:
        with networks(2) as net:
            for host in net.hosts:
                watch.add(os.dup(host.handle))
                begin_stray(host)
            net.switch.kill()

    with pytest.raises(RuntimeError, match="the switch ended with status -9"):
        test()
    assert watch.others() == []


def test_a_killed_host_is_empty_and_the_others_live(networks: NetworkOf) -> None:
    with networks(2) as net:
        one, other = net.hosts
        process, alive = begin_stray(one), begin_stray(other)
        one.kill()
        assert process.returncode == -signal.SIGKILL
        assert processes_within({one.namespace}) == []
        assert alive.poll() is None


OWNER = """
import json, os, signal
from tests.net.hosts import network
from tests.net.namespaces import processes_within
from tests.net.test_hosts import begin_stray
with network(2, seed=1) as net:
    begin_stray(net.hosts[0])
    inside = processes_within({net.hosts[0].namespace})
    held = [f"/proc/{os.getpid()}/fd/{host.handle}" for host in net.hosts]
    print(json.dumps([[net.switch.pid, *inside], held]), flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_the_tests_leaves_nothing(
    networks: NetworkOf, watch: Watch, number: int
) -> None:
    with networks(1):
        pass  # skipped where there are no networks
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert owner.stdout
    owner.stdout.readline()  # the seed
    pids, held = json.loads(owner.stdout.readline())
    assert len(pids) >= 3
    running = [os.pidfd_open(pid) for pid in pids]
    for path in held:
        watch.add(os.open(path, os.O_RDONLY))
    os.killpg(owner.pid, number)
    owner.communicate(timeout=PATIENCE_S)
    for process in running:
        assert select.select([process], [], [], PATIENCE_S)[0], "a process did not end"
        os.close(process)
    assert watch.others() == []


# --- where it cannot be ------------------------------------------------------------------------

FORBIDDEN = """
echo 0 > /proc/sys/user/max_net_namespaces
exec "$@"
"""


def test_where_namespaces_are_forbidden_it_skips_and_says_why(tmp_path: Path) -> None:
    test = f"{__file__}::test_networks_side_by_side_do_not_mix"
    pytest_run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", test]
    pytest_run += ["--basetemp", str(tmp_path / "inner")]
    forbid = ["unshare", "--user", "--map-root-user", "sh", "-c", FORBIDDEN, "sh"]
    if subprocess.run([*forbid, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be forbidden here: no user namespace can be made")
    done = subprocess.run([*forbid, *pytest_run], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout.decode()
    assert (
        "no hosts in network namespaces here: no network namespace can be made"
        in done.stdout.decode()
    )
