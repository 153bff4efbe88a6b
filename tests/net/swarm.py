"""waggle itself on hosts in network namespaces: devices of one project, their nodes, a git remote.

Each device is a host with a clone, a home and a folder for sockets of its own: its node meets
others over the network or not at all. One more host serves the git remote. What a device has
acknowledged is kept, so that `agree` can say that nothing of it is missing anywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
from tests.conftest import git
from tests.net.hosts import Host, Network

from waggle.store import config

PATIENCE_S = 90
"""How long anything may take that is sure to happen on a loaded machine and a lossy link."""
GIT_TIMEOUT_S = 10
"""When a node gives up a remote: TCP sends a lost packet again after 1 s, or 3 s if it began so."""
LIVE_PORT = 7447
REMOTE = "remote.git"
LOGS = "refs/waggle/main"
Live = Mapping[str, object]
"""A device's settings of the live path; none: it listens nowhere and reaches nobody."""


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Look until a condition holds, less often than at what happens within one host."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)


def mesh(hosts: Collection[Host]) -> list[Live]:
    """Let every device listen and connect to all others, so that any two of them can speak."""
    return [
        {
            "listen": [_endpoint(one)],
            "connect": [_endpoint(other) for other in hosts if other is not one],
        }
        for one in hosts
    ]


def star(hosts: Collection[Host]) -> list[Live]:
    """Let the first device be the router and the others its clients, which speak through it."""
    first, *others = hosts
    client = {"mode": "client", "connect": [_endpoint(first)]}
    return [{"mode": "router", "listen": [_endpoint(first)]}, *(client for _ in others)]


def _endpoint(host: Host) -> str:
    return f"tcp/{host.address}:{LIVE_PORT}"


class Device:
    """A clone with a store on a host."""

    def __init__(self, host: Host, folder: Path, remote: str, live: Live) -> None:
        self.host = host
        self.name = folder.name
        self.acknowledged: set[str] = set()
        """Ids of entries that a command said to be written."""
        self.killed = 0
        self.token = ""
        """What the last write handed on: all that this device has written."""
        self._clone = folder / "clone"
        self._log = folder / "up.log"
        runtime = folder / "run"
        runtime.mkdir(parents=True)
        git(folder, "clone", "--quiet", str(folder.parent / REMOTE), "clone")
        git(self._clone, "remote", "set-url", "origin", remote)
        self._environ = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "WAGGLE_AGENT": folder.name,
        }
        self.replica = str(self.run("init")["replica"])
        store = str(self._clone / ".git/waggle")
        config.save(store, msgspec.structs.replace(config.load(store), live=live))

    def command(self, *words: str) -> tuple[list[str], dict[str, Any]]:
        """Give a command as subprocess.Popen takes it."""
        argv = [sys.executable, "-m", "waggle", *words]
        return argv, {"cwd": self._clone, "env": self._environ}

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        argv, popen = self.command(*words)
        return self.host.run(argv, timeout_s=2 * PATIENCE_S, **popen)

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command that has to succeed; give what it says."""
        done = self.attempt(*words, "--json")
        assert done.returncode == 0, f"{self.name}: {done.stdout}{done.stderr}"
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def start(self, *words: str) -> None:
        """Start a command and leave it alone."""
        argv, popen = self.command(*words)
        self.host.start(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **popen)

    def read(self, *words: str, after: Collection[Device] = ()) -> dict[str, Any]:
        """Read once everything is here that other devices have written."""
        tokens = [word for other in after if other.token for word in ("--after", other.token)]
        return self.run(*words, "--wait", str(PATIENCE_S), *tokens)

    def write(self, what: str, *words: str) -> str:
        """Run a command that writes one entry, which the field `what` names; give its id."""
        said = self.run(*words)
        found = said[what]
        entry = str(found["id"] if isinstance(found, dict) else found)
        self.acknowledged.add(entry)
        self.token = said["token"]
        return entry

    def task(self, title: str, *words: str) -> str:
        """Add a task and give its id."""
        return self.write("task", "task", "add", title, *words)

    def titles(self, after: Collection[Device] = ()) -> list[str]:
        """Give the titles of all tasks in order, once what others have written is here."""
        tasks = self.read("tasks", "--limit", "0", after=after)["tasks"]
        return sorted(task["title"] for task in tasks)

    def ref(self) -> str:
        """Give this device's log as it is sealed here."""
        return git(self._clone, "for-each-ref", "--format=%(objectname)", f"{LOGS}/{self.replica}")

    def up(self) -> None:
        """Start the node and wait until it is open."""
        argv, popen = self.command("up", "--timeout", str(GIT_TIMEOUT_S))
        with self._log.open("wb") as file:
            node = self.host.start(
                argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, **popen
            )
        eventually(
            f"the node of {self.name}", lambda: bool(self.events("open")) or node.poll() is not None
        )
        assert node.poll() is None, self.told()

    def told(self) -> str:
        """Give all that the node that was started last has printed."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def events(self, what: str) -> list[str]:
        """Give what the node that was started last has told of one kind."""
        rows = [row.split() for row in self.told().splitlines()]
        return [" ".join(row) for row in rows if row[1:2] == [what]]

    def kill(self) -> None:
        """SIGKILL the node and whatever else runs here."""
        self.host.kill()
        self.killed += 1


class Swarm:
    """A remote on the first host of a network and a device on each other one."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self.server, *self.hosts = net.hosts
        self.devices: list[Device] = []
        self._folder = folder
        self._serve()

    def _serve(self) -> None:
        git(self._folder, "init", "--quiet", "seed")
        git(self._folder / "seed", "commit", "--quiet", "--allow-empty", "--message=begin")
        git(self._folder, "clone", "--quiet", "--bare", "seed", REMOTE)
        log = self._folder / "daemon.log"
        with log.open("wb") as file:
            self.server.start(
                [
                    *("git", "daemon", "--verbose", "--export-all", "--enable=receive-pack"),
                    *(f"--listen={self.server.address}", f"--base-path={self._folder}"),
                    str(self._folder),
                ],
                stdin=subprocess.DEVNULL,
                stderr=file,
            )
        eventually("the daemon", lambda: "Ready to rumble" in log.read_text(encoding="utf-8"))

    def settle(self, lives: Collection[Live]) -> list[Device]:
        """Give a device on each host; no node runs yet."""
        remote = f"git://{self.server.address}/{REMOTE}"
        names = ("ann", "bob", "cid", "dan")
        for host, name, live in zip(self.hosts, names, lives, strict=False):
            self.devices.append(Device(host, self._folder / name, remote, live))
        return self.devices

    def up(self) -> None:
        """Start all nodes."""
        for one in self.devices:
            one.up()

    def logs(self) -> dict[str, str]:
        """Give the logs that the remote holds: replica to newest frame."""
        rows = git(self._folder / REMOTE, "for-each-ref", "--format=%(refname) %(objectname)", LOGS)
        pairs = (row.removeprefix(f"{LOGS}/").split(" ") for row in rows.splitlines())
        return dict(pairs)

    def complete(self) -> bool:
        """Tell whether the remote holds all that is sealed on the devices."""
        return self.logs() == {one.replica: one.ref() for one in self.devices}

    def agree(self) -> None:
        """Wait until all hold what any wrote: then views are equal and nothing is missing."""
        acknowledged = set().union(*(one.acknowledged for one in self.devices))
        states = []
        for one in self.devices:
            held = one.read("log", "--limit", "0", after=self.devices)["entries"]
            ids = {entry["id"] for entry in held}
            assert acknowledged <= ids, f"{one.name} lacks {acknowledged - ids}"
            state = one.run("digest")
            states.append((state["admitted"], state["digest"]))
        assert all(state == states[0] for state in states), states

    def told(self) -> str:
        """Give what each device's node has printed."""
        return "\n".join(f"{one.name}'s node:\n{one.told()}" for one in self.devices)

    def counts(self) -> Counter[str]:
        """Count what was done to the devices, and what they did."""
        return Counter(
            {
                "nodes killed": sum(one.killed for one in self.devices),
                "writes acknowledged": sum(len(one.acknowledged) for one in self.devices),
            }
        )
