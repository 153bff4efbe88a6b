"""What hostile replicas push to a remote is refused or held, and shown; the honest goes on.

Each attack arrives as it really would: by `waggle sync`, from a bare repository. An honest log
beside it arrives in the same sync.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Forger, World, git
from tests.faces.test_members import YEAR_2100
from tests.faces.test_terminal import harmless
from tests.store.test_forged import WRONG, raw, two_histories
from tests.sync.hostile import (
    ATTACKS,
    ESCAPE,
    ODD,
    OTHER,
    REFUSED_BY_GIT,
    Scene,
    User,
    beside,
    junk_chain,
    junk_refs,
    zeros,
)

from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.log.line import body
from waggle.log.line import line as put_clock
from waggle.store.frames.logs import Logs
from waggle.store.frames.refusals import REFUSED_ALL_MAX
from waggle.store.frames.sealing import ref_name
from waggle.store.repo.objects import Objects


@pytest.fixture
def scene(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Scene:
    world.repository("hub.git", "--bare")
    hub: Path = world.folder / "hub.git"
    git(world.folder, "clone", "-q", str(hub), "user")
    user = User(world.folder / "user", monkeypatch, capfd)
    user.json("init")
    return Scene(world, user, hub)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that were read so far."""
    found: list[str] = []
    whole = Objects.raw

    def raw(objects: Objects, oid: str, bytes_max: int | None = None) -> bytes:
        found.append(oid)
        return whole(objects, oid, bytes_max)

    monkeypatch.setattr(Objects, "raw", raw)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bad_frame_is_refused_and_shown_and_the_rest_goes_on(
    scene: Scene, read: list[str], name: str
) -> None:
    attack, user, forger = ATTACKS[name], scene.user, scene.forger()
    bad = attack.make(forger)
    forger.point(bad)
    scene.writes("honest 1")

    got = user.sync()
    (finding,) = got["findings"]
    assert (finding["kind"], finding["replica"]) == ("refused", forger.replica)
    assert any(part in finding["what"] for part in attack.why.split("|")), finding
    kept = {forger.replica: attack.kept} if attack.kept else {}
    assert got["received"] == {scene.honest.replica: 1} | kept
    titles = ["honest 1", *(f"forged {n}" for n in range(attack.kept))]
    assert user.titles() == sorted(titles)
    assert user.logged() == {scene.honest.replica, *kept}
    assert list(user.refs("refs/waggle-refused").values()) == [bad]

    (problem,) = user.json("verify")["report"]["problems"]
    assert (problem["replica"], problem["harm"]) == (forger.replica, "note")
    assert any(part in problem["reason"] for part in attack.why.split("|")), problem
    known = {one["id"]: one["entries"] for one in user.json("members")["members"]}
    assert known.get(forger.replica, 0) == attack.kept

    scene.writes("honest 2")
    read.clear()
    again = user.sync()
    assert again["findings"] == [finding]
    assert again["received"] == {scene.honest.replica: 1}
    assert bad not in read


@pytest.mark.parametrize("name", REFUSED_BY_GIT)
def test_what_git_does_not_take_is_shown_and_the_rest_goes_on(scene: Scene, name: str) -> None:
    user, forger = scene.user, scene.forger()
    scene.point(forger.ref, REFUSED_BY_GIT[name](forger))
    for title in ("honest 1", "honest 2"):
        scene.writes(title)
        got = user.sync()
        (finding,) = got["findings"]
        assert (finding["kind"], finding["replica"]) == ("refused", forger.replica)
        assert "git does not take it" in finding["what"]
        assert got["received"] == {scene.honest.replica: 1}
    assert user.titles() == ["honest 1", "honest 2"]
    assert user.json("verify")["verified"]


@pytest.mark.parametrize("name", ODD)
def test_what_lies_beside_right_entries_harms_nobody(scene: Scene, name: str) -> None:
    user, forger = scene.user, scene.forger()
    forger.point(ODD[name](forger))
    scene.writes("honest")
    assert user.sync()["received"] == {scene.honest.replica: 1, forger.replica: 1}
    assert user.titles() == ["forged", "honest"]
    assert user.json("verify")["verified"]
    assert [path.name for path in user.folder.iterdir()] == [".git"]


MEASURED = (
    "import resource, sys\n"
    "from waggle.faces.cli.main import main\n"
    "try:\n"
    "    status = main(sys.argv[1:])\n"
    "except SystemExit as done:\n"
    "    status = done.code\n"
    "assert not status, status\n"
    "for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
    "    print(resource.getrusage(who).ru_maxrss)\n"
)


def peaks(folder: Path, *words: str) -> list[int]:
    """Run a command, or sync, in a process; give the most KiB that it and its gits held at once."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *(words or ("sync",))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(row) for row in done.stdout.splitlines()[-2:]]


@pytest.mark.parametrize("way", ["loose", "packed"])
def test_a_bomb_is_measured_before_it_is_unpacked(scene: Scene, way: str) -> None:
    """100 MB of zeros are 100 KB on the way; the size stands in front, and git knows it, too."""
    scene.writes("honest")
    plain = peaks(scene.user.folder)
    forger = scene.forger()
    forger.point(zeros(forger))
    scene.writes("honest 2")
    git(scene.hub, "repack", "-adq")  # a remote on this machine would unpack it to send it
    if way == "packed":
        scene.user.git("config", "fetch.unpackLimit", "1")
    for command in ("sync", "sync", "verify"):
        bombed = peaks(scene.user.folder, command)
        for before, now in zip(plain, bombed, strict=True):
            assert now < before + 16 * 1024, (command, plain, bombed)
    assert scene.user.titles() == ["honest", "honest 2"]


def test_a_long_chain_of_junk_is_walked_once(scene: Scene, read: list[str]) -> None:
    forger = scene.forger()
    scene.point(forger.ref, junk_chain(scene.hub, forger, 5000))
    for number in range(3):
        scene.writes(f"honest {number}")
        read.clear()
        got = scene.user.sync()
        assert [one["what"].split(": ")[-1] for one in got["findings"]] == ["it is not signed"]
        assert got["received"] == {scene.honest.replica: 1}
        assert (len(read) > 5000) == (number == 0)


def test_ten_thousand_refs_of_junk_are_judged_once_and_summed_up(
    scene: Scene, read: list[str]
) -> None:
    junk_refs(scene.hub, scene.forger(), 10_000)
    counts = []
    for number in range(2):
        scene.writes(f"honest {number}")
        read.clear()
        got = scene.user.sync()
        assert got["received"] == {scene.honest.replica: 1}
        counts.append(len(read))
        last = {one["kind"]: one["what"] for one in got["findings"]}
        assert "4900 more" in last["refused"]
        assert "4900 more" in last["stray"]
        assert len(got["findings"]) == 202
    assert counts[0] > 5000
    assert counts[1] < 100
    assert len(scene.user.refs("refs/waggle-refused")) == REFUSED_ALL_MAX
    assert len(scene.user.json("members")["members"]) == 2
    assert scene.user.titles() == ["honest 0", "honest 1"]


# --- what may be right in another place or at another time -------------------------------------


def test_a_log_under_anothers_name_counts_under_its_own_alone(scene: Scene) -> None:
    user, forger, other = scene.user, scene.forger(), scene.forger(OTHER)
    oid = forger.frame(forger.lines(2))
    forger.point(oid)
    other.point(oid)
    scene.writes("honest")
    got = user.sync()
    assert got["received"] == {scene.honest.replica: 1, forger.replica: 2}
    assert [one["replica"] for one in got["findings"]] == [other.replica]
    assert user.logged() == {scene.honest.replica, forger.replica}


def test_a_bad_frame_in_the_honest_writers_place_changes_nothing(scene: Scene) -> None:
    """Whoever may push to a remote can move any ref of it back, or to anything."""
    user, forger, name = scene.user, scene.forger(), scene.honest.replica
    scene.writes("honest 1")
    user.sync()
    bad = Forger(scene.objects)
    bad.replica = name
    for oid in (bad.frame(bad.lines(1)), WRONG["no frame"][0](forger)):
        scene.point(ref_name("main", name), oid)
        got = user.sync()
        assert [(one["kind"], one["replica"]) for one in got["findings"]] == [("refused", name)]
        assert user.titles() == ["honest 1"]
    git(scene.hub, "update-ref", "-d", ref_name("main", name))
    scene.writes("honest 2")
    assert user.sync()["findings"] == []
    assert user.titles() == ["honest 1", "honest 2"]


def test_a_remote_that_was_rolled_back_is_told_of_and_filled_up(scene: Scene) -> None:
    user, forger = scene.user, scene.forger()
    lines = forger.lines(4)
    first = forger.frame(lines[:2])
    before = forger.ids(lines[:2])[-1]
    forger.point(forger.frame(lines[2:], first=3, before=before, parents=(first,)))
    user.sync()
    forger.point(first)
    scene.writes("honest")
    got = user.sync()
    assert [(one["kind"], one["replica"]) for one in got["findings"]] == [
        ("rewound", forger.replica)
    ]
    assert got["received"] == {scene.honest.replica: 1}
    assert forger.replica in got["pushed"]
    assert len(user.titles()) == 5
    assert user.sync()["findings"] == []


def test_entries_from_the_future_are_held_until_the_operator_admits_them(scene: Scene) -> None:
    user, forger = scene.user, scene.forger()
    lines = [forger.line(TaskAdd(title="now")), forger.line(TaskAdd(title="later"), at=YEAR_2100)]
    forger.point(forger.frame(lines))
    scene.writes("honest")
    for new in (2, 0):
        ran = user.json("sync")["spaces"][0]
        assert ran["report"]["remotes"][0]["received"].get(forger.replica, 0) == new
        assert ran["held_back"] == {forger.replica: 1}
    assert user.titles() == ["honest", "now"]
    assert user.json("verify")["report"]["problems"][0]["seq"] == 2
    (held,) = (one for one in user.json("members")["members"] if one["held_back"])
    assert (held["id"], held["held_back"], held["future"][:4]) == (forger.replica, "future", "2100")
    user.json("members", "admit", forger.replica, held["last_id"], "--reason", "its clock")
    assert user.titles() == ["honest", "later", "now"]


@pytest.mark.parametrize("order", [("origin", "other"), ("other", "origin")])
def test_two_histories_from_two_remotes_are_held_until_the_operator_rules(
    scene: Scene, order: tuple[str, str]
) -> None:
    user, world = scene.user, scene.world
    world.repository("other.git", "--bare")
    user.git("remote", "add", "other", str(world.folder / "other.git"))
    forger = scene.forger()
    left, right = two_histories(forger)
    forger.point(left)
    git(scene.hub, "push", "-q", str(world.folder / "other.git"), f"{right}:{forger.ref}")
    scene.writes("honest")

    assert user.sync(order[0])["findings"] == []
    (finding,) = user.sync(order[1])["findings"]
    assert (finding["kind"], finding["replica"]) == ("forked", forger.replica)
    user.sync(*order)
    assert user.titles() == ["forged 0", "forged 1", "honest"]
    assert set(user.refs("refs/waggle-fork").values()) == {left, right}
    report = user.json("verify", status=8)["report"]
    (fork,) = report["forks"]
    assert (fork["replica"], fork["seq"], len(set(fork["ids"]))) == (forger.replica, 3, 2)
    (member,) = (one for one in user.json("members")["members"] if one["held_back"])
    assert (member["forked"], member["admitted"], member["entries"]) == ("open", 2, 3)

    entry = Logs(scene.objects).frame(left, "main", forger.replica).statement.hash
    user.json("members", "admit", forger.replica, entry, "--reason", "that one")
    assert user.titles() == ["forged 0", "forged 1", "honest", "left"]
    (member,) = (one for one in user.json("members")["members"] if one["forked"] != "no")
    assert (member["forked"], member["held_back"]) == ("settled", None)


# --- lines that are odd and right --------------------------------------------------------------

BODIES = {
    "a float": b'"timeout_s":1.5,"title":"x"',
    "a huge integer": b'"timeout_s":' + b"9" * 400 + b',"title":"x"',
    "no title": b'"z":1',
    "another type": b'"title":{"x":[]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_body_is_skipped_alone_and_shown(scene: Scene, name: str) -> None:
    user, forger = scene.user, scene.forger()
    line = raw(forger, b'"by":{"name":"eve"},"kind":"task.add",' + BODIES[name])
    forger.point(forger.frame([line, forger.line()]))
    scene.writes("honest")
    assert user.sync()["received"] == {scene.honest.replica: 1, forger.replica: 2}
    assert user.titles() == ["forged", "honest"]
    problems = user.json("verify")["report"]["problems"]
    assert {(one["seq"], one["harm"]) for one in problems} == {(1, "note")}


def test_unknown_kinds_and_fields_are_kept_and_carried_on(scene: Scene) -> None:
    user, forger, world = scene.user, scene.forger(), scene.world
    unknown = raw(forger, b'"by":{"name":"eve"},"kind":"dance.waggle","new":[1.5,{"deep":null}]')
    oid = forger.frame([unknown, forger.line()])
    forger.point(oid)
    scene.writes("honest")
    user.sync()
    assert user.titles() == ["forged", "honest"]
    assert user.json("verify")["report"]["unknown"] == {"dance.waggle": 1}
    world.repository("next.git", "--bare")
    user.sync(str(world.folder / "next.git"))
    assert git(world.folder / "next.git", "rev-parse", forger.ref) == oid
    lines = [one["line"] for one in user.json("log")["entries"]]
    assert unknown.decode() in lines


# --- names, and the terminal -------------------------------------------------------------------

NAMES = [
    "\u202ereversed",
    "c1\u009b2J",
    "two\u2028rows\u0085x",
    "🐝",
    "x" * 200,
    "deep/" * 20 + "x",
    "-x",
    "';touch$IFS'y;#|`x`",
]


def test_refs_with_hostile_names_are_shown_as_what_they_are(scene: Scene) -> None:
    user, forger = scene.user, scene.forger()
    oid = forger.frame(forger.lines(1))
    for name in NAMES:
        scene.point(f"refs/waggle/main/{name}", oid)
    scene.point(f"{forger.ref}/below", oid)
    scene.point(os.fsdecode(b"refs/waggle/main/\xff\xfe"), oid)
    scene.writes("honest")
    got = user.sync()
    assert got["received"] == {scene.honest.replica: 1}
    assert {one["kind"] for one in got["findings"]} == {"stray"}
    shown = user.waggle("sync")
    assert shown.status == 0
    assert harmless(shown.out + shown.err)
    assert user.titles() == ["honest"]


def test_nothing_raw_reaches_the_terminal(scene: Scene) -> None:
    """From titles, agents' names, commit messages, refused frames and git's own words."""
    user, forger = scene.user, scene.forger()
    by = Agent(name="eve", session="s").fields() | {"name": f"eve {ESCAPE}"}
    fields = {"title": f"title {ESCAPE}"}
    forger.at += 1
    evil = put_clock(forger.at, body("task.add", by, fields))
    forger.point(forger.frame([evil, forger.line(TaskAdd(title=ESCAPE), at=YEAR_2100)]))
    others = [Forger(scene.objects, bytes([seed]) * 32) for seed in (20, 21, 22, 23)]
    commit = scene.objects.raw(others[0].frame(others[0].lines(1)))
    others[0].point(scene.objects.commit(commit.replace(b"waggle 1-1", ESCAPE.encode())))
    others[1].point(scene.objects.commit(commit.replace(b"space: main", ESCAPE.encode())))
    kind = json.dumps(ESCAPE).encode()
    others[2].point(others[2].frame([raw(others[2], b'"by":{"name":"eve"},"kind":%b' % kind)]))
    scene.point(others[3].ref, beside(b"100644", b"../" + ESCAPE.encode())(others[3]))
    scene.writes("honest")
    for words in (["sync"], ["sync", "--json"], ["members"], ["members", "--json"], ["verify"],
                  ["verify", "--json"], ["log"], ["log", "--raw"], ["log", "--json"], ["tasks"],
                  ["status"]):  # fmt: skip
        ran = user.waggle(*words)
        assert ran.status == 0, ran
        assert harmless(ran.out), words
        assert harmless(ran.err), words
        assert "\nfake:" not in ran.out + ran.err, words
    assert len(user.sync()["findings"]) == 4
