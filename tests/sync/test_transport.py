"""git's network side: what a fetch and a push do, leave alone, refuse and leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.conftest import World, git
from tests.sync.hosts import bare, http_host

from waggle.base.errors import WaggleError
from waggle.sync.git import running, untaken
from waggle.sync.git.remotes import Remote
from waggle.sync.git.running import SAID_BYTES_MAX, Job
from waggle.sync.git.transport import Fetched, Transport
from waggle.sync.git.trouble import Kind, Trouble
from waggle.sync.git.untaken import PART_MAX, Untaken

PATIENCE_S = 20
Spoil = Callable[[Path, str], None]


def eventually(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


def at(where: str | Path, prefix: str = "refs/waggle") -> Remote:
    return Remote(name="hub", where=str(where), track="hub", prefix=prefix)


def transport(repository: Path, timeout_s: float = 60) -> Transport:
    return Transport(str(repository / ".git"), os.environ, timeout_s)


@pytest.fixture
def hub(world: World) -> Path:
    (world.folder / "host").mkdir()
    return bare(world.folder / "host" / "hub.git")


@pytest.fixture
def here(world: World) -> Path:
    world.repository("here")
    return world.folder / "here"


def name_of(number: int) -> str:
    return f"{number:032x}"


def commit(repository: Path, text: str) -> str:
    blob = git(repository, "hash-object", "-w", "--stdin", data=text.encode())
    tree = git(repository, "mktree", data=f"100644 blob {blob}\tentries.jsonl\n".encode())
    return git(repository, "commit-tree", "-m", text, tree)


def write_log(hub: Path, number: int) -> str:
    """Let a log of the remote's point at a commit of its own; give the commit."""
    oid = commit(hub, f"log {number}")
    git(hub, "update-ref", f"refs/waggle/main/{name_of(number)}", oid)
    return oid


def refs(repository: Path, *prefixes: str) -> dict[str, str]:
    rows = git(repository, "for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
    return dict(row.split(" ") for row in rows.split("\n") if row)


def mirrored(repository: Path) -> dict[str, str]:
    prefix = "refs/waggle-remote/hub/main/"
    return {
        name.removeprefix(prefix): oid for name, oid in refs(repository, prefix.rstrip("/")).items()
    }


# --- one log that spoils the fetch of all ------------------------------------------------------


def fail_fsck(hub: Path, name: str) -> None:
    text = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor x <x> 0 +0000\n\nx\n"
    git(hub, "mktree")
    bad = git(hub, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", data=text)
    git(hub, "update-ref", f"refs/waggle/main/{name}", bad)


def damage(hub: Path, name: str, what: str, data: bytes | None) -> None:
    oid = git(hub, "rev-parse", f"refs/waggle/main/{name}{what}")
    path = hub / "objects" / oid[:2] / oid[2:]
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def lose_a_file(hub: Path, name: str) -> None:
    damage(hub, name, ":entries.jsonl", None)


def lose_a_tree(hub: Path, name: str) -> None:
    damage(hub, name, "^{tree}", None)


def overwrite_a_file(hub: Path, name: str) -> None:
    damage(hub, name, ":entries.jsonl", b"garbage")


@pytest.fixture(params=["path", "http"])
def address(request: pytest.FixtureRequest, hub: Path) -> Iterator[str]:
    if request.param == "path":
        yield str(hub)
    else:
        with http_host(hub.parent) as host:
            yield host.address("hub.git")


@pytest.mark.parametrize("spoil", [fail_fsck, lose_a_file, lose_a_tree, overwrite_a_file])
def test_one_spoilt_log_keeps_only_itself_out(
    hub: Path, here: Path, address: str, spoil: Spoil
) -> None:
    good = {name_of(number): write_log(hub, number) for number in range(6)}
    write_log(hub, 9)
    spoil(hub, name_of(9))
    got = transport(here).fetch(at(address), "main")
    assert got.trouble is None
    assert set(got.bad) == {name_of(9)}
    assert got.bad[name_of(9)].kind == "hostile"
    assert mirrored(here) == good


def test_several_spoilt_logs_among_many_are_found(hub: Path, here: Path) -> None:
    oid = write_log(hub, 0)
    numbers = range(1, 2 * PART_MAX + 50)
    orders = "".join(f"create refs/waggle/main/{name_of(n)} {oid}\n" for n in numbers)
    git(hub, "update-ref", "--stdin", data=orders.encode())
    spoilt = {name_of(number) for number in (0, 1, PART_MAX, 2 * PART_MAX)}
    for name in spoilt:
        fail_fsck(hub, name)
    got = transport(here).fetch(at(hub), "main")
    assert got.trouble is None
    assert set(got.bad) == spoilt
    assert set(mirrored(here)) == {name_of(n) for n in range(2 * PART_MAX + 50)} - spoilt


def test_strange_names_beside_a_spoilt_log_are_left_alone(hub: Path, here: Path) -> None:
    oid = write_log(hub, 1)
    for strange in ("a\u2028b", "a\u0085b", "\u202etxt", "deep/er/x", "-x", "x" * 200):
        git(hub, "update-ref", f"refs/waggle/main/{strange}", oid)
    name = b"refs/waggle/main/\xff\xfe"
    subprocess.run(["git", "update-ref", name, oid], cwd=hub, check=True)
    assert transport(here).fetch(at(hub), "main") == Fetched(trouble=None, bad={})
    fail_fsck(hub, name_of(2))
    write_log(hub, 3)
    got = transport(here).fetch(at(hub), "main")
    assert got.trouble is None
    assert set(got.bad) == {name_of(2)}
    for number in (1, 3):
        assert git(here, "rev-parse", f"refs/waggle-remote/hub/main/{name_of(number)}")


def test_the_names_of_a_remotes_refs_are_printable_and_of_this_space(hub: Path, here: Path) -> None:
    oid = write_log(hub, 1)
    git(hub, "update-ref", "refs/waggle/main/a\u2028b", oid)
    git(hub, "update-ref", f"refs/other/refs/waggle/main/{name_of(2)}", oid)
    assert transport(here).refs(at(hub), "main") == {
        f"refs/waggle/main/{name_of(1)}": oid,
        r"refs/waggle/main/a\xe2\x80\xa8b": oid,
    }


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_mirror_loses_what_the_remote_has_lost(hub: Path, here: Path, *, spoilt: bool) -> None:
    for number in (1, 2):
        write_log(hub, number)
    transport(here).fetch(at(hub), "main")
    git(hub, "update-ref", "-d", f"refs/waggle/main/{name_of(1)}")
    if spoilt:
        fail_fsck(hub, name_of(3))
    assert transport(here).fetch(at(hub), "main").trouble is None
    assert set(mirrored(here)) == {name_of(2)}


@pytest.mark.parametrize("spoilt", [False, True])
def test_hidden_logs_are_not_fetched(hub: Path, here: Path, *, spoilt: bool) -> None:
    for number in (1, 2):
        write_log(hub, number)
    if spoilt:
        fail_fsck(hub, name_of(3))
    transport(here).fetch(at(hub), "main", {name_of(1)})
    assert set(mirrored(here)) == {name_of(2)}


def test_a_spoilt_log_that_is_hidden_spoils_nothing(hub: Path, here: Path) -> None:
    write_log(hub, 1)
    fail_fsck(hub, name_of(2))
    got = transport(here).fetch(at(hub), "main", {name_of(2)})
    assert got == Fetched(trouble=None, bad={})


class Looking:
    """Looks at a remote again and again, as a node does, and counts what that costs."""

    def __init__(self, repository: Path, hub: Path) -> None:
        self._repository, self._hub = repository, hub
        self._known = Untaken()
        self._trace = repository / ".git" / "trace"

    def look(self) -> tuple[set[str], int]:
        """Give the logs that git did not take, and how many fetches it took to tell."""
        self._trace.unlink(missing_ok=True)
        environ = {**os.environ, "GIT_TRACE": str(self._trace)}
        one = Transport(str(self._repository / ".git"), environ, 60, self._known)
        got = one.fetch(at(self._hub), "main")
        assert got.trouble is None
        return set(got.bad), self._trace.read_text().count("built-in: git fetch ")


def test_a_log_that_git_does_not_take_is_not_downloaded_again(hub: Path, here: Path) -> None:
    looking = Looking(here, hub)
    spoilt = {name_of(9)}
    good = {name_of(number): write_log(hub, number) for number in range(8)}
    good_before = write_log(hub, 9)
    looking.look()
    fail_fsck(hub, name_of(9))
    good[name_of(3)] = write_log(hub, 3)
    bad, fetches = looking.look()
    assert bad == spoilt
    assert fetches > 1
    good[name_of(5)] = write_log(hub, 5)
    assert looking.look() == (spoilt, 1)
    assert mirrored(here) == {**good, name_of(9): good_before}
    good[name_of(9)] = write_log(hub, 9)
    assert looking.look() == (set(), 1)
    assert mirrored(here) == good


def test_two_spoilt_logs_are_known_apart(hub: Path, here: Path) -> None:
    looking = Looking(here, hub)
    write_log(hub, 0)
    fail_fsck(hub, name_of(1))
    assert looking.look()[0] == {name_of(1)}
    write_log(hub, 2)
    lose_a_file(hub, name_of(2))
    assert looking.look()[0] == {name_of(1), name_of(2)}
    assert looking.look() == ({name_of(1), name_of(2)}, 1)
    git(hub, "update-ref", "-d", f"refs/waggle/main/{name_of(1)}")
    assert looking.look() == ({name_of(2)}, 1)


def test_what_was_missing_is_asked_for_now_and_then(
    hub: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untaken, "LOOKS_MAX", 3)
    looking = Looking(here, hub)
    oid = write_log(hub, 1)
    lost = git(hub, "rev-parse", f"{oid}:entries.jsonl")
    path = hub / "objects" / lost[:2] / lost[2:]
    data = path.read_bytes()
    path.unlink()
    assert looking.look()[0] == {name_of(1)}
    path.write_bytes(data)
    assert looking.look() == ({name_of(1)}, 1)
    fail_fsck(hub, name_of(2))
    assert looking.look()[0] == {name_of(1), name_of(2)}
    assert looking.look()[0] == {name_of(2)}
    assert mirrored(here) == {name_of(1): oid}


def test_a_log_whose_mirror_is_locked_comes_the_next_time(hub: Path, here: Path) -> None:
    for number in (1, 2):
        write_log(hub, number)
    folder = here / ".git" / "refs" / "waggle-remote" / "hub" / "main"
    folder.mkdir(parents=True)
    lock = folder / f"{name_of(1)}.lock"
    lock.touch()
    got = transport(here).fetch(at(hub), "main")
    assert got.trouble is not None
    assert got.trouble.kind == "busy"
    assert got.bad == {}
    assert set(mirrored(here)) == {name_of(2)}
    lock.unlink()
    assert transport(here).fetch(at(hub), "main") == Fetched(trouble=None, bad={})
    assert set(mirrored(here)) == {name_of(1), name_of(2)}


# --- what is the user's ------------------------------------------------------------------------

USERS = {
    "fetch.prune": "true",
    "fetch.pruneTags": "true",
    "fetch.recurseSubmodules": "true",
    "remote.hub.fetch": "+refs/*:refs/*",
    "remote.hub.tagOpt": "--tags",
    "remote.hub.mirror": "true",
    "push.followTags": "true",
    "push.gpgSign": "true",
    "push.recurseSubmodules": "check",
    "push.default": "matching",
}


@pytest.fixture
def settled(world: World, hub: Path) -> Path:
    """A shallow clone of somebody who has settings, hooks, tags and branches of their own."""
    world.repository("seed")
    seed = world.folder / "seed"
    for number in range(3):
        git(seed, "commit", "-q", "--allow-empty", "-m", str(number))
    git(seed, "push", "-q", str(hub), "HEAD:refs/heads/main", "HEAD:refs/tags/theirs")
    git(world.folder, "clone", "-q", "--depth=1", "--branch=main", f"file://{hub}", "here")
    here = world.folder / "here"
    git(here, "remote", "rename", "origin", "hub")
    git(here, "tag", "-a", "-m", "mine", "mine")
    git(here, "fetch", "-q", "hub", "main")
    hooks = world.folder / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction"):
        (hooks / name).write_text("#!/bin/sh\necho a hook of the user's ran >&2; exit 1\n")
        (hooks / name).chmod(0o755)
    for name, value in {**USERS, "core.hooksPath": str(hooks)}.items():
        git(here, "config", name, value)
    return here


def belongings(here: Path) -> dict[str, object]:
    files = ("FETCH_HEAD", "shallow", "HEAD", "config", "index")
    ours = {name for name in refs(here) if name.startswith("refs/waggle-remote/")}
    return {
        "refs": {name: oid for name, oid in refs(here).items() if name not in ours},
        **{name: (here / ".git" / name).read_bytes() for name in files},
    }


def named() -> Remote:
    return Remote(name="hub", where="hub", track="hub", prefix="refs/waggle")


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_fetch_leaves_what_is_the_users_alone(hub: Path, settled: Path, *, spoilt: bool) -> None:
    git(hub, "tag", "newer", write_log(hub, 1))
    if spoilt:
        fail_fsck(hub, name_of(2))
    before = belongings(settled)
    assert transport(settled).fetch(named(), "main").trouble is None
    assert set(mirrored(settled)) == {name_of(1)}
    assert belongings(settled) == before


def test_a_push_moves_only_what_it_is_told_to(hub: Path, settled: Path) -> None:
    before = refs(hub)
    oid = commit(settled, "ours")
    ref = f"refs/waggle/main/{name_of(1)}"
    pushed = transport(settled).push(named(), {ref: oid})
    assert pushed.trouble is None
    assert pushed.refs[ref].trouble is None
    assert refs(hub) == {**before, ref: oid}


# --- pushes ------------------------------------------------------------------------------------


def test_each_ref_of_a_push_is_taken_or_refused_for_itself(hub: Path, here: Path) -> None:
    hook = hub / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in */refused) echo "not for you" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    one, two = commit(here, "one"), commit(here, "two")
    ahead = git(here, "commit-tree", "-m", "ahead", "-p", one, f"{one}^{{tree}}")
    names = ("new", "same", "forward", "other", "refused")
    refs_of = {name: f"refs/waggle/main/{name}" for name in names}
    git(here, "push", "-q", str(hub), *(f"{one}:{refs_of[n]}" for n in ("same", "forward")))
    git(here, "push", "-q", str(hub), f"{two}:{refs_of['other']}")
    wanted = {"new": one, "same": one, "forward": ahead, "other": one, "refused": one}
    pushed = transport(here).push(at(hub), {refs_of[name]: oid for name, oid in wanted.items()})
    assert pushed.trouble is None
    kinds = {
        name: outcome.trouble and outcome.trouble.kind
        for name, ref in refs_of.items()
        for outcome in [pushed.refs[ref]]
    }
    assert kinds == {
        "new": None, "same": None, "forward": None, "other": "rewound", "refused": "denied",
    }  # fmt: skip
    assert refs(hub)[refs_of["other"]] == two
    refused = pushed.refs[refs_of["refused"]].trouble
    assert refused is not None
    assert "not for you" in refused.text


def test_a_branch_in_the_way_of_the_logs_is_a_matter_of_the_layout(hub: Path, here: Path) -> None:
    oid = commit(here, "x")
    git(here, "push", "-q", str(hub), f"{oid}:refs/heads/waggle")
    ref = f"refs/heads/waggle/main/{name_of(1)}"
    refused = transport(here).push(at(hub, "refs/heads/waggle"), {ref: oid}).refs[ref].trouble
    assert refused is not None
    assert refused.kind == "layout"


# --- addresses that would be commands ----------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("ext::touch {mark}", True),
        ("ext::touch {mark}", False),
        ("-oProxyCommand=touch {mark}", False),
        ("--upload-pack=touch {mark}", False),
        ("ssh://-oProxyCommand=touch%20{mark}/x", True),
        ("-oProxyCommand=touch {mark}:x", True),
        ("file://-/x;touch {mark}", True),
        ("$(touch {mark})", True),
    ],
)
def test_an_address_never_is_a_command(here: Path, address: str, *, named: bool) -> None:
    mark = here.parent / "mark"
    where = address.format(mark=mark)
    git(here, "config", "protocol.ext.allow", "always")
    remote = Remote(name=where if named else "hub", where=where, track="hub", prefix="refs/waggle")
    sends = transport(here, 5)
    assert sends.fetch(remote, "main").trouble is not None
    assert isinstance(sends.refs(remote, "main"), Trouble)
    oid = commit(here, "x")
    pushed = sends.push(remote, {f"refs/waggle/main/{name_of(1)}": oid})
    assert pushed.trouble is not None
    assert not mark.exists()


def test_a_remote_of_gits_own_settings_may_be_a_command_if_these_allow_it(
    hub: Path, here: Path
) -> None:
    write_log(hub, 1)
    git(here, "config", "protocol.ext.allow", "always")
    git(here, "config", "remote.hub.url", f"ext::git %s {hub}")
    assert transport(here).fetch(named(), "main").trouble is None
    assert set(mirrored(here)) == {name_of(1)}


# --- nobody is asked, and nothing stays behind -------------------------------------------------


def use_ssh(here: Path, script: str) -> str:
    """Let git use a script instead of ssh; it gets HOST and COMMAND."""
    path = here.parent / "my-ssh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    git(here, "config", "ssh.variant", "simple")
    git(here, "config", "core.sshCommand", str(path))
    return str(path)


def alive(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return bool(done.stdout) and not done.stdout.startswith(b"Z")


def noted(path: Path) -> list[int]:
    return [int(row) for row in path.read_text().split()] if path.exists() else []


LOOK = """exec >{seen} 2>&1
tty < /dev/tty; echo "askpass=$SSH_ASKPASS require=$SSH_ASKPASS_REQUIRE gcm=$GCM_INTERACTIVE"
"""


@pytest.mark.parametrize(
    ("users", "seen"),
    [
        ({"SSH_ASKPASS": "/bin/dialog"}, "askpass= require=never gcm=never"),
        (
            {"SSH_ASKPASS": "/bin/vault", "SSH_ASKPASS_REQUIRE": "force", "GCM_INTERACTIVE": "1"},
            "askpass=/bin/vault require=force gcm=1",
        ),
    ],
)
def test_ssh_is_the_users_own_and_has_nobody_to_ask(
    here: Path, users: dict[str, str], seen: str
) -> None:
    path = here.parent / "seen"
    use_ssh(here, LOOK.format(seen=path))
    sends = Transport(str(here / ".git"), {**os.environ, **users, "DISPLAY": ":0"}, 60)
    assert sends.fetch(at("host:x"), "main").trouble is not None
    eventually("ssh has looked", lambda: "askpass=" in path.read_text())
    *terminal, rest = path.read_text().strip().split("\n")
    assert rest == seen
    assert not any("/dev/pts" in row for row in terminal), "it has a terminal to ask at"


def test_no_dialog_asks_for_a_password(world: World, hub: Path, here: Path) -> None:
    ask = world.folder / "ask"
    ask.write_text(f"#!/bin/sh\ntouch {world.folder}/asked\necho x\n")
    ask.chmod(0o755)
    with http_host(hub.parent) as host:
        host.user = "bee:honey"
        environ = {**os.environ, "SSH_ASKPASS": str(ask), "DISPLAY": ":0"}
        got = Transport(str(here / ".git"), environ, 60).fetch(at(host.address("hub.git")), "main")
        assert got.trouble is not None
        assert got.trouble.kind == "denied"
        assert not (world.folder / "asked").exists()
        environ = {**os.environ, "GIT_ASKPASS": str(ask)}
        Transport(str(here / ".git"), environ, 60).fetch(at(host.address("hub.git")), "main")
        assert (world.folder / "asked").exists(), "what hands out credentials was not used"


STUBBORN = """trap '' TERM
echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; wait; sleep 1000"""


def test_out_of_time_it_ends_with_all_its_children(here: Path) -> None:
    pids = here.parent / "pids"
    use_ssh(here, STUBBORN.format(pids=pids))
    got = transport(here, 1).fetch(at("host:x"), "main")
    assert got.trouble is not None
    assert got.trouble.kind == "slow"
    assert len(noted(pids)) == 2
    eventually("its children ended", lambda: not any(map(alive, noted(pids))))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_behind(here: Path, how: signal.Signals) -> None:
    pids = here.parent / "pids"
    use_ssh(here, f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; wait")
    program = (
        "import os, signal\n"
        "from waggle.sync.git.remotes import Remote\n"
        "from waggle.sync.git.transport import Transport\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "remote = Remote(name='hub', where='host:x', track='hub', prefix='refs/waggle')\n"
        f"Transport({str(here / '.git')!r}, os.environ, 1000).fetch(remote, 'main')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    eventually("ssh runs", lambda: len(noted(pids)) == 2)
    process.send_signal(how)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert b"KeyboardInterrupt" in said
    eventually("its children ended", lambda: not any(map(alive, noted(pids))))


def test_another_thread_can_stop_it_for_good(here: Path) -> None:
    pids = here.parent / "pids"
    use_ssh(here, f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; wait")
    sends = transport(here, 1000)
    fetching = threading.Thread(target=sends.fetch, args=(at("host:x"), "main"))
    fetching.start()
    eventually("ssh runs", lambda: len(noted(pids)) == 2)
    sends.cancel()
    fetching.join(PATIENCE_S)
    assert not fetching.is_alive()
    eventually("its children ended", lambda: not any(map(alive, noted(pids))))
    with pytest.raises(WaggleError, match="was stopped"):
        sends.fetch(at("host:x"), "main")


def test_a_connection_that_ssh_keeps_for_later_holds_nothing_up(hub: Path, here: Path) -> None:
    """As ControlPersist does in OpenSSH before 8.5: it keeps git's standard error open."""
    write_log(hub, 1)
    pids = here.parent / "pids"
    use_ssh(here, f'setsid sleep 1000 </dev/null >/dev/null & echo $! >> {pids}\nexec sh -c "$2"')
    try:
        got = transport(here).fetch(at(f"host:{hub}"), "main")
        assert got == Fetched(trouble=None, bad={})
        assert all(map(alive, noted(pids))), "the connection was not kept"
    finally:
        for pid in noted(pids):
            with suppress(ProcessLookupError):  # then the test has failed above
                os.kill(pid, signal.SIGKILL)


def test_an_answer_without_end_is_cut_off(
    here: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        write_log(hub, number)
    monkeypatch.setattr(running, "ANSWER_BYTES_MAX", 500)
    got = transport(here).refs(at(hub), "main")
    assert isinstance(got, Trouble)
    assert got.kind == "hostile"


def test_of_what_is_said_without_end_the_end_is_kept(here: Path) -> None:
    said = "import sys\nfor n in range(100_000): print(n, file=sys.stderr)"
    with Job(str(here), os.environ, 60) as job:
        ended = job.run([sys.executable, "-c", said])
    assert ended.status == 0
    assert len(ended.said) <= SAID_BYTES_MAX
    assert ended.said.endswith("99998\n99999\n")


def test_all_gits_of_a_job_share_one_time_limit(here: Path) -> None:
    with Job(str(here), os.environ, 1) as job:
        assert job.run(["sleep", "1000"]).status is None
        assert job.run(["touch", "started"]).status is None
    assert not (here / "started").exists()


def test_without_git_it_says_what_to_do(here: Path) -> None:
    sends = Transport(str(here / ".git"), {**os.environ, "PATH": "/nowhere"}, 60)
    with pytest.raises(WaggleError, match="cannot run git") as caught:
        sends.fetch(at("host:x"), "main")
    assert caught.value.code == "environment"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Push rejected: refs outside refs/heads", "layout"),
        ("remote: Retry later", "limited"),
        ("No space left on device", "full"),
        ("fatal: project is read only", "readonly"),
        ("GitLab: You are not allowed to push code to this project.", "denied"),
    ],
)
def test_a_hooks_words_tell_why_a_push_was_refused(
    hub: Path, here: Path, words: str, expected: Kind
) -> None:
    hook = hub / "hooks" / "pre-receive"
    hook.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
    hook.chmod(0o755)
    ref = f"refs/waggle/main/{name_of(1)}"
    refused = transport(here).push(at(hub), {ref: commit(here, "x")}).refs[ref].trouble
    assert refused is not None
    assert refused.kind == expected
    assert words.removeprefix("remote: ") in refused.text
