"""A host's part in a test of the network: it talks by datagrams, as it is told on its input.

Both ways a line is one JSON array. It reads `["send", ADDRESS, FIRST, COUNT]` (send so many
questions, numbered) and `["join", ADDRESS]` (listen to a multicast group, too). It prints
`["ready"]`, `["joined"]`, `["heard", NUMBER]` for each question, which it answers, and
`["answered", NUMBER, SECONDS]` for each answer and the time that it took.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

PORT = 7000
_INPUT = 0


def say(*event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def hear(talk: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
    kind, number, sent_s = json.loads(data)
    if kind == "answer":
        say("answered", number, time.monotonic() - sent_s)
    else:
        say("heard", number)
        talk.sendto(json.dumps(["answer", number, sent_s]).encode(), sender)


def obey(talk: socket.socket, order: bytes) -> None:
    match json.loads(order):
        case ["send", address, first, count]:
            for number in range(first, first + count):
                question = json.dumps(["question", number, time.monotonic()])
                talk.sendto(question.encode(), (address, PORT))
        case ["join", address]:
            group = socket.inet_aton(address) + socket.inet_aton(sys.argv[1])
            talk.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            say("joined")


def main(address: str) -> None:
    talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    talk.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    talk.bind(("", PORT))
    say("ready")
    rest = b""
    while True:
        ready, _, _ = select.select([_INPUT, talk.fileno()], [], [])
        if talk.fileno() in ready:
            hear(talk, *talk.recvfrom(1 << 16))
        if _INPUT in ready:
            data = os.read(_INPUT, 1 << 16)
            *orders, rest = (rest + data).split(b"\n")
            for order in orders:
                obey(talk, order)
            if not data:
                return


if __name__ == "__main__":
    main(sys.argv[1])
