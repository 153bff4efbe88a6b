"""Starting nodes in processes of their own, and waiting for what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from waggle.sync.live.settings import Settings

_NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node.py")
PATIENCE_S = 20


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Look until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


class Node:
    """A running node, and all that it has said so far."""

    def __init__(self, replica: str, settings: Settings) -> None:
        self.replica = replica
        self.events: list[list[Any]] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", _NODE, replica, msgspec.json.encode(settings).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for row in self.process.stdout:
            if not row.endswith("\n"):
                return  # it was killed while it printed
            with self._news:
                self.events.append(json.loads(row))
                self._news.notify_all()

    def wait(self, what: str, holds: Callable[[list[list[Any]]], bool]) -> None:
        """Wait until its events fulfil a condition."""
        with self._news:
            done = self._news.wait_for(lambda: holds(self.events), PATIENCE_S)
            assert done, f"{self.replica[:4]} waited in vain: {what}; it said {self.events[-20:]}"

    def hears(self, node: Node, what: str, text: str = "", times: int = 1) -> None:
        """Wait until it has heard something of another node."""
        event = ["heard", node.replica, what, text]
        self.wait(f"{event}", lambda events: events.count(event) >= times)

    def count(self, replica: str, what: str, text: str = "") -> int:
        """Count how often it has heard something of a node."""
        with self._news:
            return self.events.count(["heard", replica, what, text])

    def meets(self, *others: Node) -> None:
        """Wait until it and the others see one another."""
        for other in others:
            self.hears(other, "here")
            other.hears(self, "here")

    def do(self, *command: object) -> None:
        """Tell it to do something."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL it, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop it, as Ctrl-Z does, and wait until it stands."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Let it run on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it if it still runs, and close everything."""
        self.kill()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


class Nodes:
    """Nodes that meet in one folder."""

    def __init__(self, meeting: str) -> None:
        self.meeting = meeting
        self._all: list[Node] = []

    def begin(self, replica: str = "", **settings: Any) -> Node:  # noqa: ANN401 (any setting)
        """Start a node, with a replica of its own if none is given."""
        settings.setdefault("meeting", self.meeting)
        node = Node(replica or f"{len(self._all) + 1:04x}" * 8, Settings(**settings))
        self._all.append(node)
        return node

    def start(self, replica: str = "", **settings: Any) -> Node:  # noqa: ANN401 (any setting)
        """Start a node and wait until it is open."""
        node = self.begin(replica, **settings)
        node.wait("open", lambda events: ["open"] in events)
        return node

    def end(self) -> None:
        for node in self._all:
            node.end()
