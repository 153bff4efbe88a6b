"""What a hostile party pushes to a remote, and a user who syncs with that remote all the same.

The hostile party writes into the bare repository itself, so nothing stands between it and what
others fetch: neither our code nor the checks of a push. Its key is its own and a valid one.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from tests.conftest import START_MS, Forger, World, git
from tests.race.field import Ran
from tests.store.test_forged import ENVELOPE, WRONG, of_lines, raw
from tests.sync.test_exchange import remote, sync

from waggle.base.limits import FRAME_ENTRIES_MAX
from waggle.faces.cli.main import main
from waggle.log.frame import Statement, commit_bytes, identity, message, signed_bytes
from waggle.log.sshsig import sign
from waggle.store.repo.git import EMPTY_TREE
from waggle.store.repo.objects import Objects
from waggle.store.space import Space

OTHER = b"\5" * 32
"""The seed of a second replica of the hostile party's."""
ESCAPE = "\x1b[31mred\x1b]0;owned\x07\x9b2J\r\nfake: line"
BOMB_BYTES = 100 * 1024 * 1024


class Attack(Struct, frozen=True):
    """A frame that is to be refused, a part of the reason, and how many entries before it count."""

    make: Callable[[Forger], str]
    why: str
    kept: int = 0


def swapped(forger: Forger) -> str:
    """Two right frames in the wrong order, with a third one on top."""
    lines = forger.lines(6)
    ids = forger.ids(lines)
    late = forger.frame(lines[2:4], first=3, before=ids[1])
    early = forger.frame(lines[:2], parents=(late,))
    return forger.frame(lines[4:], first=5, before=ids[3], parents=(early,))


def hash_of_other_lines(forger: Forger) -> str:
    lines = forger.lines(3)
    wrong = {"hash": forger.ids(lines[::-1])[-1]}
    return forger.frame(lines, states=wrong)


def clock_back(forger: Forger) -> str:
    lines = forger.lines(2)
    forger.at -= 1
    return forger.frame([*lines, forger.line(at=forger.at)])


def clock_back_in_the_second(forger: Forger) -> str:
    lines = forger.lines(2)
    late = forger.line(at=forger.at - 1)
    before, parents = forger.ids(lines)[-1], (forger.frame(lines),)
    return forger.frame([late], first=3, before=before, parents=parents)


def too_many(forger: Forger) -> str:
    return forger.frame(forger.lines(FRAME_ENTRIES_MAX + 1))


def cut_commit(forger: Forger) -> str:
    return forger.objects.commit(forger.objects.raw(forger.frame(forger.lines(1)))[:-40])


def cut_entries(forger: Forger) -> str:
    lines = forger.lines(2)
    whole = b"".join(line + b"\n" for line in lines)
    return forger.frame(lines, blob=whole[:-10])


def of_another_space(forger: Forger) -> str:
    """A right frame of its own log in another space, brought here."""
    there = Forger(forger.objects, space="other")
    return there.frame(there.lines(2))


def of_another_replica(forger: Forger) -> str:
    other = Forger(forger.objects, OTHER)
    return other.frame(other.lines(2))


def signed_again(forger: Forger) -> str:
    """Another's frame, signed by this key: what it states is the other's."""
    other = Forger(forger.objects, OTHER)
    return other.frame(other.lines(2), key=forger.key)


def written_again(forger: Forger) -> str:
    """Another's lines under this name and key, with the hashes that they have there."""
    other = Forger(forger.objects, OTHER)
    lines = other.lines(2)
    return forger.frame(lines, states={"hash": other.ids(lines)[-1]})


def large_commit(forger: Forger) -> str:
    commit = forger.objects.raw(forger.frame(forger.lines(1)))
    head, _, text = commit.partition(b"\n\n")
    return forger.objects.commit(head + b"\nx " + b"y" * (4 << 20) + b"\n\n" + text)


def large_tree(forger: Forger) -> str:
    """A tree of 100,000 files beside the entries."""
    blob = bytes.fromhex(forger.objects.blob(b""))
    rows = [b"100644 a%06d\0%b" % (number, blob) for number in range(100_000)]
    return with_tree(forger, rows)


def beside(mode: bytes, name: bytes, target: bytes = b"") -> Callable[[Forger], str]:
    """A right frame with something else in its tree: a mode, a name, and the id or else a file."""
    return lambda forger: with_tree(
        forger,
        [mode + b" " + name + b"\0" + (target or bytes.fromhex(forger.objects.blob(b"evil\n")))],
    )


def zeros(forger: Forger) -> str:
    """Entries of 100 MB that are a few KB on the way."""
    return with_entries(forger, bomb(forger.objects))


def with_entries(forger: Forger, blob: str) -> str:
    """A frame whose entries are any blob."""
    tree = forger.objects.whole_tree(b"100644 entries.jsonl\0" + bytes.fromhex(blob))
    return with_root(forger, tree)


def with_tree(forger: Forger, rows: list[bytes]) -> str:
    """A right frame but for what stands in its tree before `entries.jsonl`."""
    line = forger.line()
    entries = b"100644 entries.jsonl\0" + bytes.fromhex(forger.objects.blob(line + b"\n"))
    return with_root(forger, forger.objects.whole_tree(b"".join([*rows, entries])), line)


def with_root(forger: Forger, tree: str, line: bytes | None = None) -> str:
    """A frame that is signed for any tree."""
    stated = forger.statement([line or forger.line()])
    who = identity(forger.replica, START_MS // 1000)
    unsigned = commit_bytes(tree=tree, parents=(), who=who, text=message(stated, ["task.add"]))
    return forger.objects.commit(signed_bytes(unsigned, sign(forger.key, unsigned)))


def bomb(objects: Objects, size: int = BOMB_BYTES) -> str:
    """Write a blob of zeros piece by piece, as no honest writer has it; give its id."""
    head = b"blob %d\0" % size
    digest, deflate = hashlib.sha1(head, usedforsecurity=False), zlib.compressobj(9)
    packed = [deflate.compress(head)]
    piece = bytes(1024 * 1024)
    for _ in range(size // len(piece)):
        digest.update(piece)
        packed.append(deflate.compress(piece))
    oid = digest.hexdigest()
    path = Path(objects.common_dir, "objects", oid[:2], oid[2:])
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join([*packed, deflate.flush()]))
    return oid


def junk_chain(hub: Path, forger: Forger, count: int) -> str:
    """Push a chain of frames that state what they should and are not signed; give its end."""
    rows = []
    for seq in range(1, count + 1):
        stated = Statement(
            space="main", replica=forger.replica, first=seq, last=seq, hash=f"{seq:064x}"
        )
        text = message(stated, ["task.add"])
        rows.append(
            f"commit refs/junk/chain\ncommitter A <a@b> 1 +0000\ndata {len(text)}\n{text}\n"
        )
    git(hub, "fast-import", "--quiet", data="".join(rows).encode())
    return git(hub, "rev-parse", "refs/junk/chain")


def junk_refs(hub: Path, forger: Forger, count: int) -> None:
    """Push refs of which half name replicas and none shows a frame."""
    oid = WRONG["no frame"][0](forger)
    names = [f"{number:032x}" if number % 2 else f"junk-{number}" for number in range(count)]
    rows = "".join(f"create refs/waggle/main/{name} {oid}\n" for name in names)
    git(hub, "update-ref", "--stdin", data=rows.encode())
    git(hub, "pack-refs", "--all")


def field(text: bytes) -> Callable[[Forger], str]:
    """A frame with one right line, and one with a further field."""
    return of_lines(lambda forger: forger.line(), lambda forger: raw(forger, ENVELOPE + text))


BY_GIT = {"on a frame that is missing", "a folder for entries"}
"""What git itself does not take, or does not send."""
ATTACKS: dict[str, Attack] = {
    **{name: Attack(make, why, {"a gap": 2, "the same frame twice": 2}.get(name, 0))
       for name, (make, why) in WRONG.items() if name not in BY_GIT},
    "another's frame": Attack(of_another_replica, "for another log, or by another replica"),
    "another's frame, signed again": Attack(signed_again, "another log, or by another replica"),
    "another's lines, signed again": Attack(written_again, "running hash"),
    "replayed from another space": Attack(of_another_space, "another log"),
    "two frames swapped": Attack(swapped, "follows seq 2", 2),
    "hash of other lines": Attack(hash_of_other_lines, "running hash"),
    "clock stands": Attack(clock_back, "clock"),
    "clock goes back in the second frame": Attack(clock_back_in_the_second, "clock", 2),
    "too many entries": Attack(too_many, "holds none or more than"),
    "commit cut short": Attack(cut_commit, "signature|no frame|not of its form"),
    "entries cut short": Attack(cut_entries, "cut short"),
    "commit of 4 MB": Attack(large_commit, "bytes; the limit is"),
    "tree of 3 MB": Attack(large_tree, "bytes; the limit is"),
    "entries of 100 MB of zeros": Attack(zeros, "bytes; the limit is"),
    "not JSON": Attack(field(b',"z":{'), "malformed|truncated"),
    "a lone surrogate": Attack(field(b',"z":"\xed\xa0\x80"'), "utf-8"),
    "a huge clock": Attack(of_lines(lambda _: b'{"at":%d,' % 10**30 + ENVELOPE + b"}"), "an entry"),
    "a clock below zero": Attack(of_lines(lambda _: b'{"at":-1,' + ENVELOPE + b"}"), "an entry"),
    "nested a little too deep": Attack(field(b',"z":' + b"[" * 33 + b"]" * 33), "nests"),
    "no kind": Attack(of_lines(lambda f: raw(f, b'"by":{"name":"eve"},"kind":"x"')), "no kind"),
}  # fmt: skip
"""Frames that are refused, each arriving as the newest frame of the hostile replica's log."""


REFUSED_BY_GIT: dict[str, Callable[[Forger], str]] = {
    "a parent folder": beside(b"100644", b".."),
    "this folder": beside(b"100644", b"."),
    "a path that leads out": beside(b"100644", b"../x"),
    "an absolute path": beside(b"100644", b"/etc/x"),
    "a hook": beside(b"100644", b".git/hooks/post-checkout"),
    "a git folder": beside(b"40000", b".git", bytes.fromhex(EMPTY_TREE)),
    "a git folder in disguise": beside(b"40000", b".GIT", bytes.fromhex(EMPTY_TREE)),
    "no name": beside(b"100644", b""),
    "no object": beside(b"100644", b"a", bytes(20)),
    "a name twice": beside(b"100644", b"entries.jsonl"),
    "a folder for entries": WRONG["a folder for entries"][0],
}
"""Frames whose entries are right and whose trees would harm whoever checked them out."""
ODD: dict[str, Callable[[Forger], str]] = {
    "a link": beside(b"120000", b"content"),
    "another repository": beside(b"160000", b"content", b"\1" * 20),
    "an unknown mode": beside(b"100777", b"a"),
    "a program": beside(b"100755", b"content"),
    "a long name": beside(b"100644", b"a" * 4000),
    "a name of control characters": beside(b"100644", b"\1\x1b[2J\n\xff"),
}
"""Frames whose entries are right, and beside which lies what no frame of ours has."""
PLAIN = {"a name of control characters"}
"""Those of them that git takes for a plain file, and a receiver of the live path, too."""


class User:
    """A user's clone with a store; commands run in this process, from the program's own entry."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def waggle(self, *words: str) -> Ran:
        """Run a command as it is."""
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("WAGGLE_AGENT", "tester")
            self._capfd.readouterr()
            with pytest.raises(SystemExit) as done:
                sys.exit(main(list(words)))  # commands of their own status exit by themselves
        said = self._capfd.readouterr()
        assert isinstance(done.value.code, int)
        return Ran(done.value.code, said.out, said.err)

    def json(self, *words: str, status: int = 0) -> dict[str, Any]:
        """Run a command that ends with a status; give the object that it prints."""
        ran = self.waggle(*words, "--json")
        assert ran.status == status, ran
        return ran.object

    def sync(self, *remotes: str) -> dict[str, Any]:
        """Sync, and give what it did with the first remote."""
        (space,) = self.json("sync", *remotes)["spaces"]
        one: dict[str, Any] = space["report"]["remotes"][0]
        assert one["trouble"] is None, one
        return one

    def titles(self) -> list[str]:
        """Give the titles of the tasks in the view."""
        return sorted(task["title"] for task in self.json("tasks")["tasks"])

    def logged(self) -> set[str]:
        """Give the replicas of which entries are shown."""
        return {one["replica"] for one in self.json("log", "--limit", "0")["entries"]}

    def git(self, *words: str) -> str:
        """Run git."""
        return git(self.folder, *words)

    def refs(self, prefix: str) -> dict[str, str]:
        """Give refs, name to commit."""
        rows = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(row.split(" ") for row in rows.splitlines())


class Scene:
    """A remote that all can push to, an honest writer, a hostile one, and a user who syncs."""

    def __init__(self, world: World, user: User, hub: Path) -> None:
        self.world = world
        self.user = user
        self.hub = hub
        self.honest: Space = world.space("honest")
        self.objects = Objects(str(hub))

    def forger(self, seed: bytes = b"\7" * 32) -> Forger:
        """Give a hostile writer at the remote, with a valid key of its own."""
        return Forger(self.objects, seed)

    def writes(self, title: str) -> None:
        """Let the honest writer write a task, and bring it to the remote."""
        self.world.task(self.honest, title)
        (one,) = sync(self.honest, remote(self.hub)).remotes
        assert one.trouble is None, one
        assert self.honest.replica in one.pushed

    def point(self, ref: str, oid: str) -> None:
        """Let a ref of the remote point at an object, whatever git would say to either."""
        path = os.path.join(self.hub, *ref.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(f"{oid}\n")
