"""What git itself meets on a slow and lossy network that breaks in the middle of a push."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import git
from tests.net.hosts import Host, Network, NetworkOf, eventually
from tests.net.namespaces import PATIENCE_S, processes_within
from tests.net.switch import CUT, LOST

PACK_BYTES = 400_000
"""As large as to be on its way for long enough to be interrupted."""


class Clone:
    """A clone on a host, which pushes a ref of its own and fetches everybody's."""

    def __init__(self, host: Host, folder: Path, server: Host, chance: random.Random) -> None:
        self.host = host
        self.folder = folder
        self._remote = f"git://{server.address}/remote"
        self._push = self._git(
            "push", "--quiet", self._remote, f"HEAD:refs/waggle/main/{folder.name}"
        )
        self._chance = chance
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")

    def commit(self) -> None:
        """Commit a file that cannot be compressed."""
        (self.folder / "data").write_bytes(self._chance.randbytes(PACK_BYTES))
        git(self.folder, "add", "data")
        git(self.folder, "commit", "--quiet", "--message=data")

    def _git(self, *args: str) -> list[str]:
        return ["git", "-C", str(self.folder), *args]

    def start_push(self) -> subprocess.Popen[Any]:
        return self.host.start(
            self._push,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def push(self) -> None:
        done = self.host.run(self._push)
        assert done.returncode == 0, done.stderr

    def push_beside_a_ghost(self) -> bool:
        """Push and tell whether it was taken; an earlier push of the same ref may come between."""
        done = self.host.run(self._push)
        assert done.returncode == 0 or "cannot lock ref" in done.stderr, done.stderr
        return done.returncode == 0

    def fetch(self) -> dict[str, str]:
        """Fetch all refs and give them."""
        spec = "+refs/waggle/*:refs/waggle-remote/*"
        done = self.host.run(self._git("fetch", "--quiet", "--prune", self._remote, spec))
        assert done.returncode == 0, done.stderr
        return refs(self.folder, "refs/waggle-remote")


def refs(folder: Path, prefix: str) -> dict[str, str]:
    """Give the refs below a prefix, which is left away."""
    rows = git(folder, "for-each-ref", "--format=%(refname) %(objectname)", prefix).split("\n")
    return dict(row.removeprefix(prefix).split(" ") for row in rows if row)


class Site:
    """A server with a bare repository on one host, and two clones on others."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self.server, *others = net.hosts
        self.remote = folder / "remote"
        git(folder, "init", "--quiet", "--bare", str(self.remote))
        self._serve(folder)
        chance = random.Random(1)
        self.one, self.two = (
            Clone(host, folder / name, self.server, chance)
            for host, name in zip(others, ("one", "two"), strict=True)
        )

    def _serve(self, folder: Path) -> None:
        log = folder / "daemon.log"
        with log.open("wb") as file:
            self.server.start(
                [
                    *("git", "daemon", "--verbose", "--export-all", "--enable=receive-pack"),
                    *(f"--listen={self.server.address}", f"--base-path={folder}", str(folder)),
                ],
                stdin=subprocess.DEVNULL,
                stderr=file,
            )
        eventually("the daemon", lambda: "Ready to rumble" in log.read_text(encoding="utf-8"))
        self._idle = set(processes_within({self.server.namespace}))

    def serving(self) -> set[int]:
        """Give the processes that serve a clone."""
        return set(processes_within({self.server.namespace})) - self._idle

    def refs(self) -> dict[str, str]:
        return refs(self.remote, "refs/waggle")

    def part(self, after: int = 0) -> None:
        """Cut the first clone off."""
        self.net.partition({self.one.host}, {self.server, self.two.host}, after=after)

    def agrees(self) -> None:
        """Both clones see what the server has."""
        assert self.one.fetch() == self.two.fetch() == self.refs()


@pytest.fixture
def site(networks: NetworkOf, tmp_path: Path) -> Iterator[Site]:
    with networks(3, delay_ms=5, loss=0.02) as net:
        yield Site(net, tmp_path)


def test_a_push_outlasts_a_partition_and_others_do_not_wait_for_it(site: Site) -> None:
    site.one.commit()
    site.two.commit()
    site.part(after=150)
    push = site.one.start_push()
    eventually("the push to be cut off", lambda: site.net.counts()[CUT] > 0)
    site.two.push()
    assert site.two.fetch() == site.refs()
    assert list(site.refs()) == ["/main/two"]
    assert push.poll() is None
    site.net.heal()
    _, said = push.communicate(timeout=PATIENCE_S)
    assert push.returncode == 0, said
    assert list(site.refs()) == ["/main/one", "/main/two"]
    site.agrees()
    assert site.net.counts()[LOST] > 0


def test_a_push_that_is_given_up_ends_anyhow_and_undoes_nothing(site: Site) -> None:
    """Who is killed leaves data with the kernel, which delivers it later: a ghost of a push.

    It may take the ref under the next push, which then is told so and has to be done again.
    """
    site.one.commit()
    site.part(after=150)
    site.one.start_push()
    eventually("the push to be cut off", lambda: site.net.counts()[CUT] > 0)
    site.one.host.kill()
    site.one.commit()
    assert site.refs() == {}
    site.net.heal()
    eventually("the next push to be taken", site.one.push_beside_a_ghost)
    eventually("the ghost to end", lambda: site.serving() == set())
    assert site.refs() == {"/main/one": git(site.one.folder, "rev-parse", "HEAD")}
    site.agrees()


HOOK = """#!/bin/sh
echo arrived >"$GIT_DIR/arrived"
read -r _ <"$GIT_DIR/go-on"
"""


def test_a_push_arrived_though_its_sender_never_hears_of_it(site: Site) -> None:
    hook, gate = site.remote / "hooks" / "pre-receive", site.remote / "go-on"
    os.mkfifo(gate)
    hook.write_text(HOOK, encoding="utf-8")
    hook.chmod(0o755)
    site.one.commit()
    push = site.one.start_push()
    eventually("the push to arrive", (site.remote / "arrived").exists)
    site.part()
    hook.unlink()
    with open(gate, "r+b", buffering=0) as held:
        held.write(b"go on\n")
        eventually("the push to be taken in", lambda: list(site.refs()) == ["/main/one"])
    eventually("the answer at the cut", lambda: site.net.counts()[CUT] > 0)
    assert push.poll() is None
    site.one.host.kill()
    site.net.heal()
    site.one.push()
    site.one.commit()
    site.one.push()
    site.agrees()
