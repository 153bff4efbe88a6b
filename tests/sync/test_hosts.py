"""Syncing with hosts as they are: over HTTP, refusing, limiting, hanging, shallow and partial."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import World
from tests.sync.hosts import Host, bare, http_host
from tests.sync.test_exchange import admitted, only, sync

from waggle.choice.kinds import Candidate
from waggle.log.entry import Agent
from waggle.store.checkup.verify import verify
from waggle.store.repo.locate import find
from waggle.store.setup import initialise
from waggle.store.space import Draft, Space
from waggle.sync.git.exchange import Exchange
from waggle.sync.git.remotes import Remote
from waggle.sync.git.transport import Transport
from waggle.sync.git.trouble import Kind

ONLY_BRANCHES = """case "$1" in refs/heads/*) exit 0;; esac
echo "{words}" >&2; exit 1"""


@pytest.fixture
def host(world: World) -> Iterator[Host]:
    root = world.folder / "host"
    root.mkdir()
    bare(root / "hub.git")
    with http_host(root) as running:
        yield running


def at(address: str, prefix: str = "refs/waggle") -> Remote:
    return Remote(name="hub", where=address, track="hub", prefix=prefix)


def kind(space: Space, remote: Remote, timeout_s: float = 60) -> Kind:
    transport = Transport(space.repository.common_dir, os.environ, timeout_s)
    trouble = only(Exchange(space, transport).sync([remote])).trouble
    assert trouble is not None
    assert trouble.text
    assert trouble.next_step
    return trouble.kind


def test_over_http_as_over_a_path(world: World, host: Host) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    assert only(sync(one, at(host.address("hub.git")))).own == 1
    assert only(sync(two, at(host.address("hub.git")))).received == {one.replica: 1}
    assert two.digest()[1:] == one.digest()[1:]


def test_a_sync_with_news_is_one_fetch_and_one_push(world: World, host: Host) -> None:
    one = world.space("one")
    world.task(one)
    sync(one, at(host.address("hub.git")))
    host.requests.clear()
    world.task(one)
    sync(one, at(host.address("hub.git")))
    services = [path.partition("service=")[2] for path in host.requests if "service=" in path]
    assert services == ["git-upload-pack", "git-receive-pack"]
    host.requests.clear()
    sync(one, at(host.address("hub.git")))
    assert not [path for path in host.requests if "receive-pack" in path], "a push for nothing"


def test_a_password_is_asked_of_nobody_and_never_shown(world: World, host: Host) -> None:
    host.user = "bee:honey"
    one = world.space("one")
    world.task(one)
    assert kind(one, at(host.address("hub.git"))) == "denied"
    wrong = host.address("hub.git").replace("//", "//bee:wrong-secret@")
    trouble = only(sync(one, at(wrong))).trouble
    assert trouble is not None
    assert trouble.kind == "denied"
    assert "wrong-secret" not in trouble.text
    right = host.address("hub.git").replace("//", "//bee:honey@")
    assert only(sync(one, at(right))).own == 1


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (403, "Forbidden", "denied"),
        (404, "Not Found", "absent"),
        (429, "Too Many Requests", "limited"),
        (502, "Bad Gateway", "offline"),
        (503, "Service Unavailable", "offline"),
    ],
)
def test_what_a_host_says_is_told_apart(
    world: World, host: Host, status: int, words: str, expected: Kind
) -> None:
    one = world.space("one")
    world.task(one)
    host.status, host.words = status, words
    assert kind(one, at(host.address("hub.git"))) == expected


@pytest.mark.parametrize(
    "words",
    [
        "remote: error: cannot create ref outside refs/heads",
        "GitLab: You can only push to refs/heads and refs/tags",
        "prohibited by Gerrit: not permitted: create",
    ],
)
def test_a_host_that_takes_branches_only(world: World, host: Host, words: str) -> None:
    bare(host.root / "strict.git", hook=ONLY_BRANCHES.format(words=words))
    one = world.space("one")
    world.task(one)
    address = host.address("strict.git")
    assert kind(one, at(address)) == "layout"
    assert only(sync(one, at(address, "refs/heads/waggle"))).own == 1


def test_a_host_that_one_may_only_read(world: World, host: Host) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    sync(one, at(host.address("hub.git")))
    world.git(host.root / "hub.git", "config", "http.receivepack", "false")
    world.task(two)
    got = only(sync(two, at(host.address("hub.git"))))
    assert got.received == {one.replica: 1}, "it was not even read"
    assert got.trouble is not None
    assert got.trouble.kind == "denied"
    assert got.own == 0


def test_nobody_listens(world: World) -> None:
    one = world.space("one")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert kind(one, at(f"http://127.0.0.1:{port}/hub.git")) == "offline"
    assert kind(one, at("http://nowhere.invalid/hub.git")) == "offline"


def test_a_host_that_hangs_is_given_up_and_leaves_no_process(world: World, host: Host) -> None:
    one, other = world.space("one"), bare(world.folder / "other.git")
    world.task(one)
    host.hold.clear()
    transport = Transport(one.repository.common_dir, os.environ, 2)
    remotes = [
        at(host.address("hub.git")),
        Remote(name="o", where=str(other), track="o", prefix="refs/waggle"),
    ]
    slow, quick = Exchange(one, transport).sync(remotes).remotes
    assert slow.trouble is not None
    assert slow.trouble.kind == "slow"
    assert quick.own == 1, "the slow one held up the other"
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert host.url not in listed.stdout


def test_one_corrupt_object_keeps_only_its_own_log_out(world: World, host: Host) -> None:
    one, two = world.space("one"), world.space("two")
    world.task(one)
    sync(one, at(host.address("hub.git")))
    forger = world.forger(one)
    hub = host.root / "hub.git"
    # A commit without a committer: git takes it from a careless host unless it is told to look.
    text = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor x <x> 0 +0000\n\nx\n"
    world.git(hub, "mktree")
    bad = world.git(hub, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", data=text)
    world.git(hub, "update-ref", forger.ref, bad)
    got = only(sync(two, at(host.address("hub.git"))))
    assert got.trouble is None
    assert got.received == {one.replica: 1}
    assert [(found.kind, found.replica) for found in got.findings] == [("refused", forger.replica)]


def _device(world: World, name: str, *options: str) -> Space:
    """Clone the hub as a user does, and make a store in the clone."""
    hub = f"file://{world.folder / 'hub.git'}"
    world.git(world.folder, "clone", "-q", *options, hub, name)
    repository = find(str(world.folder / name), {})
    initialise(repository, world.outside)
    return world.space(repository)


@pytest.mark.parametrize("options", [("--depth=1",), ("--filter=blob:none",), ()])
def test_shallow_and_partial_clones_have_every_log_whole(
    world: World, options: tuple[str, ...]
) -> None:
    hub = bare(world.folder / "hub.git")
    world.git(hub, "config", "uploadpack.allowFilter", "true")
    seed = world.space("seed")
    top = Path(seed.repository.work_tree or "")
    for number in range(3):
        (top / "code.py").write_text(f"print({number})\n")
        world.git(top, "add", "code.py")
        world.git(top, "commit", "-qm", str(number))
    world.git(top, "push", "-q", str(hub), "HEAD:refs/heads/main")
    world.git(hub, "symbolic-ref", "HEAD", "refs/heads/main")
    task = world.task(seed)
    (top / "code.py").write_text("print('better')\n")
    world.git(top, "commit", "-qam", "candidate")
    commit = world.git(top, "rev-parse", "HEAD")
    body = Candidate(task=task.id, commit=commit, result="00" * 16, size=1)
    seed.append(Draft(body=body, commits=(commit,)), Agent(name="ann"))
    text = Candidate(task=task.id, files=("a.txt",), result="11" * 16, size=1)
    seed.append(Draft(body=text, content={"a.txt": b"whole\n"}), Agent(name="ann"))
    sync(seed, at(f"file://{hub}"))
    device = _device(world, "device", *options)
    origin = Remote(name="origin", where="origin", track="origin", prefix="refs/waggle")
    world.task(device)
    assert only(sync(device, origin)).own == 1
    assert admitted(device)[seed.replica] == 3
    assert verify(device).sound
    shown = world.git(device.repository, "--no-replace-objects", "show", f"{commit}:code.py")
    assert shown == "print('better')"
    assert only(sync(seed, at(f"file://{hub}"))).received == {device.replica: 1}
