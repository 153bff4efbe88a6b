"""A switch between hosts in network namespaces: a process that delays, loses and stops packets.

It makes the hosts and says `{"hosts": [[ADDRESS, FILE], ...], "user": BOOL}`: this process holds
their namespaces open as these files, and perhaps has a user namespace of its own. Or it says
`{"refused": WHY}`. Then it reads JSON lines and answers each with what it has counted: `null`, or
`{"cut": [[0, 2], ...], "after": PACKETS}`, which sets all pairs of hosts that are cut, once so many
more packets were carried. When nobody can tell it anything any more, it kills what still runs in
the hosts, and ends.

Whether the nth packet on the way from one host to another is lost depends on the seed and n only.
A packet is stopped where the link is cut when it leaves or when it would arrive: once a cut is
answered, nothing comes through.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence

from tests.net.namespaces import (
    RefusedError,
    hold,
    kill_within,
    plug,
    unshare_network,
)

CARRIED = "packets carried"
DELAYED = "packets delayed"
LOST = "packets lost at random"
CUT = "packets stopped by a partition"
CROWDED = "packets dropped by a full queue"
HOSTS_MAX = 100
FLIGHT_PACKETS_MAX = 50_000
"""How many packets are on their way at once; further ones are dropped."""
_TURN_PACKETS = 64
"""How many packets of one host are taken before the others have their turn."""
_PACKET_BYTES_MAX = 65_535
_CONTROL = 0
_IPV4, _MULTICAST, _BROADCAST = 4, 224, 255


class Switch:
    """Carries packets between the files of hosts, known by their addresses."""

    def __init__(
        self, hosts: Sequence[tuple[int, str]], delay_s: float, loss: float, seed: int
    ) -> None:
        self._handles = [handle for handle, _ in hosts]
        self._numbers = {socket.inet_aton(address): n for n, (_, address) in enumerate(hosts)}
        self._delay_s = delay_s
        self._loss = loss
        self._chance = {
            (source, target): random.Random(f"{seed} {source}>{target}")
            for source in range(len(self._handles))
            for target in range(len(self._handles))
        }
        self._flight: deque[tuple[float, int, int, bytes]] = deque()
        self._orders = b""
        self._cut: set[tuple[int, int]] = set()
        self._next_cut: set[tuple[int, int]] = set()
        self._cut_at: int | None = None
        """When as many packets as this are carried, the next cut is the cut."""
        self._counts = Counter({CARRIED: 0, DELAYED: 0, LOST: 0, CUT: 0, CROWDED: 0})

    def run(self) -> None:
        """Carry packets and obey until the other end of the control is closed."""
        while True:
            due_s = self._flight[0][0] - time.monotonic() if self._flight else None
            wait_s = None if due_s is None else max(0.0, due_s)
            ready, _, _ = select.select([_CONTROL, *self._handles], [], [], wait_s)
            if _CONTROL in ready and not self._obey():
                return
            for number, handle in enumerate(self._handles):
                if handle in ready:
                    self._take(number, handle)
            while self._flight and self._flight[0][0] <= time.monotonic():
                self._deliver(*self._flight.popleft()[1:])

    def _obey(self) -> bool:
        data = os.read(_CONTROL, 1 << 16)
        *orders, self._orders = (self._orders + data).split(b"\n")
        for order in orders:
            if wanted := json.loads(order):
                pairs = wanted["cut"]
                self._next_cut = {(a, b) for a, b in pairs} | {(b, a) for a, b in pairs}
                self._cut_at = self._counts[CARRIED] + wanted["after"]
                self._cut_if_due()
            _say(self._counts)
        return bool(data)

    def _cut_if_due(self) -> None:
        if self._cut_at is not None and self._counts[CARRIED] >= self._cut_at:
            self._cut, self._cut_at = self._next_cut, None

    def _take(self, source: int, handle: int) -> None:
        for _ in range(_TURN_PACKETS):
            try:
                packet = os.read(handle, _PACKET_BYTES_MAX)
            except BlockingIOError:
                return  # that was the last one for now
            for target in self._targets(source, packet):
                self._send(source, target, packet)

    def _targets(self, source: int, packet: bytes) -> list[int]:
        """Give whom a packet is for; nobody if it is IPv6, in which no host has an address."""
        if packet[0] >> 4 != _IPV4:
            return []
        address = packet[16:20]
        if address[0] >= _MULTICAST or address[3] == _BROADCAST:
            return [number for number in range(len(self._handles)) if number != source]
        number = self._numbers.get(address)
        return [] if number is None else [number]

    def _send(self, source: int, target: int, packet: bytes) -> None:
        if (source, target) in self._cut:
            self._counts[CUT] += 1
        elif self._chance[source, target].random() < self._loss:
            self._counts[LOST] += 1
        elif not self._delay_s:
            self._deliver(source, target, packet)
        elif len(self._flight) >= FLIGHT_PACKETS_MAX:
            self._counts[CROWDED] += 1
        else:
            # The delay is the same for all, so who came first is due first.
            self._flight.append((time.monotonic() + self._delay_s, source, target, packet))
            self._counts[DELAYED] += 1

    def _deliver(self, source: int, target: int, packet: bytes) -> None:
        if (source, target) in self._cut:
            self._counts[CUT] += 1
        else:
            os.write(self._handles[target], packet)
            self._counts[CARRIED] += 1
            self._cut_if_due()


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(count: int, delay_s: float, loss: float, seed: int) -> None:
    """Make so many hosts, be their switch, and leave nothing of them."""
    addresses = [f"10.77.0.{number + 1}" for number in range(count)]
    handles, holds = [], []
    user = os.stat("/proc/self/ns/user").st_ino
    try:
        for address in addresses:
            unshare_network()
            handles.append(plug(address))
            holds.append(hold())
        unshare_network()  # out of the last host, whose processes are going to be killed
    except RefusedError as error:
        _say({"refused": str(error)})
        return
    _say(
        {
            "hosts": list(zip(addresses, holds, strict=True)),
            "user": os.stat("/proc/self/ns/user").st_ino != user,
        }
    )
    try:
        Switch(list(zip(handles, addresses, strict=True)), delay_s, loss, seed).run()
    finally:
        kill_within({os.fstat(held).st_ino for held in holds})


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
