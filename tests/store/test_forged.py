"""Other replicas are hostile until verified: whatever they write, the rest goes on.

Every wrong log here is refused or held, is shown with its place and reason, and never stops a fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waggle.base.clock import DRIFT_MS_MAX, stamp
from waggle.base.limits import ENTRY_BYTES_MAX, FRAME_BYTES_MAX
from waggle.eventual.tasks import TaskAdd, tasks
from waggle.log.entry import Agent
from waggle.log.line import body
from waggle.log.line import line as put_clock
from waggle.store.checkup.verify import verify
from waggle.store.frames import discovery
from waggle.store.frames.discovery import discover
from waggle.store.frames.logs import Logs
from waggle.store.frames.sealing import ref_name
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import Forger, World

STRANGER = Ed25519PrivateKey.from_private_bytes(b"\11" * 32)
ENVELOPE = b'"by":{"name":"eve"},"kind":"task.add","title":"x"'


def raw(forger: Forger, inner: bytes = ENVELOPE, tail: bytes = b"}") -> bytes:
    forger.at += 1
    return b'{"at":%d,' % forger.at + inner + tail


def of_lines(*make: Callable[[Forger], bytes]) -> Callable[[Forger], str]:
    """A frame of lines that is right in everything but its lines."""
    return lambda forger: forger.frame([line(forger) for line in make])


def good(forger: Forger) -> bytes:
    return forger.line()


def wrong_key(forger: Forger) -> str:
    return forger.frame(forger.lines(2), key=STRANGER)


def unsigned(forger: Forger) -> str:
    commit = forger.objects.raw(forger.frame(forger.lines(1))).decode()
    start, end = commit.index("gpgsig"), commit.index("-----END SSH SIGNATURE-----")
    rest = commit[end + len("-----END SSH SIGNATURE-----\n") :]
    return forger.objects.commit((commit[:start] + rest).encode())


def edited_after_signing(forger: Forger) -> str:
    commit = forger.objects.raw(forger.frame(forger.lines(2)))
    return forger.objects.commit(commit.replace(b"last: 2", b"last: 1"))


def other_tree_after_signing(forger: Forger) -> str:
    commit = forger.objects.raw(forger.frame(forger.lines(1)))
    tree = forger.objects.tree({"entries.jsonl": forger.line(TaskAdd(title="other")) + b"\n"})
    return forger.objects.commit(b"tree " + tree.encode() + commit[45:])


def no_frame(forger: Forger) -> str:
    tree = forger.objects.tree({"README": b"hello\n"})
    who = b"A <a@b> 1 +0000"
    return forger.objects.commit(
        b"tree %b\nauthor %b\ncommitter %b\n\nhello\n" % (tree.encode(), who, who)
    )


def cut(forger: Forger) -> str:
    lines = forger.lines(2)
    return forger.frame(lines, blob=lines[0] + b"\n" + lines[1])


def many_bytes(forger: Forger) -> str:
    lines = [
        forger.line(TaskAdd(title="x", prompt="y" * 32_000))
        for _ in range(FRAME_BYTES_MAX // 32_000 + 1)
    ]
    return forger.frame(lines)


def entries_are_a_folder(forger: Forger) -> str:
    lines = forger.lines(1)
    commit = forger.objects.raw(forger.frame(lines, blob=b"", files={"entries.jsonl/x": b"y"}))
    return forger.objects.commit(commit)


def gap(forger: Forger) -> str:
    lines = forger.lines(4)
    first = forger.frame(lines[:2])
    before = forger.ids(lines[:3])[-1]
    return forger.frame(lines[3:], first=4, before=before, parents=(first,))


def replayed(forger: Forger) -> str:
    lines = forger.lines(2)
    return forger.frame(lines, parents=(forger.frame(lines),), first=3)


def headless(forger: Forger) -> str:
    lines = forger.lines(4)
    return forger.frame(lines[2:], first=3, before=forger.ids(lines[:2])[-1])


def on_a_missing_frame(forger: Forger) -> str:
    lines = forger.lines(2)
    before = forger.ids(lines[:1])[-1]
    return forger.frame(lines[1:], first=2, before=before, parents=("de" * 20,))


WRONG: dict[str, tuple[Callable[[Forger], str], str]] = {
    "signed by another key": (wrong_key, "by another replica"),
    "not signed": (unsigned, "not signed"),
    "edited after signing": (edited_after_signing, "does not fit the content"),
    "tree swapped after signing": (other_tree_after_signing, "does not fit the content"),
    "no frame": (no_frame, "no frame"),
    "another space": (lambda f: f.frame(f.lines(1), states={"space": "other"}), "another log"),
    "another replica": (
        lambda f: f.frame(f.lines(1), states={"replica": "ab" * 16}),
        "another replica",
    ),
    "wrong hash": (lambda f: f.frame(f.lines(2), states={"hash": "ab" * 32}), "running hash"),
    "first too high": (lambda f: f.frame(f.lines(2), states={"first": 2}), "follows seq 0"),
    "last too high": (lambda f: f.frame(f.lines(2), states={"last": 3}), "another number"),
    "last too low": (lambda f: f.frame(f.lines(2), states={"last": 1}), "another number"),
    "last before first": (lambda f: f.frame(f.lines(2), states={"last": 0}), "out of order"),
    "first is 0": (lambda f: f.frame(f.lines(2), states={"first": 0}), "out of order"),
    "reordered": (lambda f: f.frame(f.lines(3)[::-1]), "clock"),
    "repeated": (lambda f: f.frame(f.lines(1) * 2), "clock"),
    "a gap": (gap, "out of order|follows seq 2"),
    "the same frame twice": (replayed, "running hash|clock"),
    "without its beginning": (headless, "follows seq 0"),
    "on a frame that is missing": (on_a_missing_frame, "missing"),
    "no final newline": (cut, "cut short"),
    "no lines at all": (lambda f: f.frame(f.lines(1), blob=b""), "cut short"),
    "an empty line": (lambda f: f.frame(f.lines(2), blob=b"\n\n"), "not an entry"),
    "CRLF": (of_lines(good, lambda f: raw(f, tail=b"}\r")), "canonical"),
    "not UTF-8": (of_lines(lambda f: raw(f, ENVELOPE + b',"z":"\xff"')), "utf-8"),
    "NaN": (of_lines(lambda f: raw(f, ENVELOPE + b',"z":NaN')), "malformed"),
    "a float for a clock": (
        of_lines(lambda f: raw(f).replace(b',"by"', b'.0,"by"')),
        "not an entry",
    ),
    "two clocks": (of_lines(lambda f: raw(f, b'"at":1,' + ENVELOPE)), "canonical"),
    "deep nesting": (
        of_lines(lambda f: raw(f, ENVELOPE + b',"z":' + b"[" * 5000 + b"]" * 5000)),
        "nests",
    ),
    "a huge line": (
        of_lines(lambda f: raw(f, ENVELOPE + b',"z":"' + b"x" * ENTRY_BYTES_MAX + b'"')),
        "longer",
    ),
    "too many bytes": (many_bytes, "limit"),
    "a folder for entries": (entries_are_a_folder, "missing"),
}


FRAMES_BEFORE = {"a gap": 2, "the same frame twice": 2}
"""Entries in right frames before the wrong one: these count."""


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_log_is_refused_and_shown_and_the_rest_goes_on(
    world: World, space: Space, wrong: str
) -> None:
    make, why = WRONG[wrong]
    forger = world.forger(space)
    mine = world.task(space)
    space.seal()
    honest = world.forger(space, b"\5" * 32)
    honest.point(honest.frame([honest.line(TaskAdd(title="honest"))]))
    forger.point(make(forger))

    found = space.find_logs()
    assert [item.replica for item in found] == [forger.replica]
    assert any(part in found[0].what for part in why.split("|")), found
    kept = FRAMES_BEFORE.get(wrong, 0)
    expected = {"x", "honest", *(f"forged {n}" for n in range(kept))}
    assert {task.body.title for task in tasks(space.db)} == expected
    space.rebuild()
    assert mine.id in {task.id for task in tasks(space.db)}

    report = verify(space)
    assert not report.sound
    errors = [item for item in report.problems if item.harm == "error"]
    assert {item.replica for item in errors} == {forger.replica}
    assert any(part in errors[0].reason for part in why.split("|")), errors
    assert report.entries >= 2


@pytest.mark.parametrize("target", ["blob", "tree", "tag"])
def test_a_ref_at_something_else_than_a_commit(world: World, space: Space, target: str) -> None:
    forger = world.forger(space)
    oids = {
        "blob": lambda: forger.objects.blob(b"hello"),
        "tree": lambda: forger.objects.tree({"a": b"b"}),
        "tag": lambda: world.git(
            space.repository, "mktag",
            data=f"object {forger.frame(forger.lines(1))}\ntype commit\ntag v\n"
            "tagger A <a@b> 1 +0000\n\nwaggle\n".encode(),
        ),
    }  # fmt: skip
    path = f"{space.repository.common_dir}/{forger.ref}"
    world.git(space.repository, "update-ref", forger.ref, oids[target]())
    assert [item.replica for item in space.find_logs()] == [forger.replica], path
    world.task(space)
    assert len(tasks(space.db)) == 1
    assert not verify(space).sound


def test_another_replicas_frame_under_this_ref(world: World, space: Space) -> None:
    forger = world.forger(space)
    other = world.forger(space, b"\5" * 32)
    other.point(forger.frame(forger.lines(2)))
    found = space.find_logs()
    assert [(item.replica, "another" in item.what) for item in found] == [(other.replica, True)]
    assert tasks(space.db) == []


def test_a_ref_that_names_no_replica_is_shown(world: World, space: Space) -> None:
    forger = world.forger(space)
    oid = forger.frame(forger.lines(1))
    space.objects.refs.point("refs/waggle/main/sessions", oid)
    assert [item.replica for item in space.find_logs()] == ["sessions"]
    assert "names no replica" in verify(space).problems[0].reason


def test_frames_before_a_bad_one_count_for_whoever_comes_when(world: World, space: Space) -> None:
    forger = world.forger(space)
    lines = forger.lines(3)
    ids = forger.ids(lines)
    first = forger.frame(lines[:2])
    second = forger.frame(lines[2:], first=3, before=ids[1], parents=(first,), key=STRANGER)
    forger.point(second)
    assert [item.seq for item in space.find_logs()] == [3]
    late = space.rebuild(), space.digest()

    early = world.space("early")
    world.exchange_objects(early, space)
    world.forger(early).point(first)
    early.find_logs()
    world.forger(early).point(second)
    assert [item.seq for item in early.find_logs()] == [3]
    assert (early.rebuild(), early.digest()) == late
    assert late[0] == 2


def test_a_frame_signed_again_in_another_cut_is_the_same_log(world: World, space: Space) -> None:
    forger = world.forger(space)
    lines = forger.lines(4)
    ids = forger.ids(lines)
    forger.point(forger.frame(lines[:3]))
    assert space.find_logs() == []
    recut = forger.frame(lines[:2])
    forger.point(forger.frame(lines[2:], first=3, before=ids[1], parents=(recut,)))
    assert space.find_logs() == []
    assert len(tasks(space.db)) == 4
    assert verify(space).sound


def test_a_ref_that_went_back_is_not_obeyed(world: World, space: Space) -> None:
    forger = world.forger(space)
    lines = forger.lines(4)
    first = forger.frame(lines[:2])
    second = forger.frame(lines[2:], first=3, before=forger.ids(lines[:2])[-1], parents=(first,))
    forger.point(second)
    assert space.find_logs() == []
    forger.point(first)
    assert ["went back" in item.what for item in space.find_logs()] == [True]
    assert len(tasks(space.db)) == 4
    report = verify(space)
    assert report.sound
    assert "went back" in report.problems[0].reason
    forger.point(second)
    assert space.find_logs() == []


# --- equivocation ------------------------------------------------------------------------------


def two_histories(forger: Forger, shared: int = 2) -> tuple[str, str]:
    """Give the ends of two validly signed chains that agree on `shared` entries."""
    lines = forger.lines(shared)
    before = forger.ids(lines)[-1]
    root = forger.frame(lines)
    ends = []
    for title in ("left", "right"):
        line = forger.line(TaskAdd(title=title))
        ends.append(forger.frame([line], first=shared + 1, before=before, parents=(root,)))
    return ends[0], ends[1]


def test_two_histories_are_both_kept_and_admitted_up_to_the_fork(
    world: World, space: Space
) -> None:
    forger = world.forger(space)
    left, right = two_histories(forger)
    forger.point(left)
    assert space.find_logs() == []
    assert "left" in {task.body.title for task in tasks(space.db)}
    forger.point(right)
    assert ["two histories" in item.what for item in space.find_logs()] == [True]
    assert sorted(task.body.title for task in tasks(space.db)) == ["forged 0", "forged 1"]
    assert space.view.admitted()[forger.replica].seq == 2

    forks = space.objects.refs.under("refs/waggle-fork/main")
    assert set(forks.values()) == {left, right}
    (fork,) = verify(space).forks
    assert (fork.replica, fork.seq, set(fork.frames)) == (forger.replica, 3, {left, right})
    assert len(set(fork.ids)) == 2
    assert not verify(space).sound


def test_a_fork_looks_the_same_whichever_history_came_first(world: World) -> None:
    digests = set()
    for name, order in (("one", (0, 1)), ("two", (1, 0))):
        space = world.space(name)
        forger = world.forger(space)
        ends = two_histories(forger)
        for n in order:
            forger.point(ends[n])
            space.find_logs()
            space.digest()
        _, admitted, digest = space.digest()
        digests.add((str(admitted), digest))
    assert len(digests) == 1


def test_a_forked_log_may_grow_and_stays_forked(world: World, space: Space) -> None:
    forger = world.forger(space)
    left, right = two_histories(forger)
    for end in (left, right):
        forger.point(end)
        space.find_logs()
    stated = Logs(space.objects).frame(right, "main", forger.replica).statement
    more = forger.frame(
        [forger.line()], first=stated.last + 1, before=stated.hash, parents=(right,)
    )
    forger.point(more)
    space.find_logs()
    assert space.digest()[1][forger.replica].seq == 2
    assert len(verify(space).forks) == 1


# --- time --------------------------------------------------------------------------------------


def test_entries_from_the_future_wait_until_their_time_comes(world: World, space: Space) -> None:
    forger = world.forger(space)
    now = forger.line(TaskAdd(title="now"))
    ahead = DRIFT_MS_MAX + 60_000
    later = forger.line(TaskAdd(title="later"), at=stamp(world.START_MS + ahead))
    forger.point(forger.frame([now, later]))
    assert space.find_logs() == []
    assert [task.body.title for task in tasks(space.db)] == ["now"]
    report = verify(space)
    assert report.sound
    assert [(item.seq, "future" in item.reason) for item in report.problems] == [(2, True)]

    world.clock.pass_ms(60_000)
    assert len(tasks(space.db)) == 2
    assert verify(space).problems == ()
    incremental = space.digest()
    space.rebuild()
    assert space.digest() == incremental


def test_a_future_entry_does_not_move_the_own_clock(world: World, space: Space) -> None:
    forger = world.forger(space)
    forger.point(forger.frame([forger.line(at=stamp(world.START_MS * 2))]))
    space.find_logs()
    assert world.task(space).at == stamp(world.START_MS)


# --- bodies ------------------------------------------------------------------------------------


def test_a_body_that_is_wrong_is_skipped_alone(world: World, space: Space) -> None:
    forger = world.forger(space)
    bodies: list[dict[str, object]] = [
        {"title": 7},
        {"title": ""},
        {},
        {"title": "x", "timeout_s": 1.5},
        {"title": "x", "timeout_s": 2**70},
        {"title": "x" * 2000},
    ]
    lines = []
    for fields in bodies:
        forger.at += 1
        lines.append(put_clock(forger.at, body("task.add", {"name": "eve"}, fields)))
    forger.point(forger.frame([*lines, forger.line(TaskAdd(title="right"))]))
    assert space.find_logs() == []
    assert [task.body.title for task in tasks(space.db)] == ["right"]
    report = verify(space)
    assert report.sound
    assert [item.seq for item in report.problems] == [1, 2, 3, 4, 5, 6]
    assert all(item.reason.startswith("skipped") for item in report.problems)


def test_equal_keys_are_read_alike_by_all_and_shown(world: World, space: Space) -> None:
    forger = world.forger(space)
    line = raw(forger, ENVELOPE + b',"title":"last"')
    forger.point(forger.frame([line]))
    space.find_logs()
    assert [task.body.title for task in tasks(space.db)] == ["last"]
    assert "canonical" in verify(space).problems[0].reason


def test_unknown_kinds_and_fields_survive_and_stop_nothing(world: World, space: Space) -> None:
    """From another version's journal through frame, log and rebuild, byte for byte."""
    forger = world.forger(space)
    forger.at += 1
    unknown = put_clock(
        forger.at, body("dance.waggle", {"name": "eve"}, {"new": [1, {"deep": None}]})
    )
    forger.at += 1
    wider = put_clock(
        forger.at, body("task.add", {"name": "eve"}, {"title": "wider", "zeal": {"x": 1}})
    )
    forger.point(forger.frame([unknown, wider]))
    assert space.find_logs() == []
    assert [task.body.title for task in tasks(space.db)] == ["wider"]
    assert [link.line for link in space.counted.every(forger.replica)] == [unknown, wider]
    rows = space.db.execute("SELECT replica, seq, kind FROM skipped").fetchall()
    assert rows == [(forger.replica, 1, "dance.waggle")]
    assert verify(space).unknown == {"dance.waggle": 1}
    digest = space.digest()
    space.rebuild()
    assert space.digest() == digest


def test_unknown_kinds_of_our_own_journal_survive_sealing(world: World, space: Space) -> None:
    from waggle.store.own.journal import Pending

    encoded = body("dance.waggle", {"name": "ann"}, {"new": [1]})
    space.write([Pending(encoded)])
    world.task(space)
    before = [link.line for link in space.counted.every(space.replica)]
    assert len(tasks(space.db)) == 1
    (frame,) = space.seal()
    stored = Logs(space.objects).frame(frame.oid, "main", space.replica)
    assert stored.lines == before
    assert before[0].endswith(encoded[1:])
    assert space.rebuild() == 2


# --- who may write what ------------------------------------------------------------------------


def test_our_own_ref_moved_by_somebody_else_is_not_written_over(world: World, space: Space) -> None:
    from waggle.base.errors import WaggleError

    world.task(space)
    space.seal()
    forger = world.forger(space)
    name = ref_name("main", space.replica)
    space.objects.refs.point(name, forger.frame(forger.lines(1)))
    world.task(space)
    with pytest.raises(WaggleError) as caught:
        space.seal()
    assert caught.value.code == "damaged"
    assert len(space.find_logs()) == 1
    assert len(tasks(space.db)) == 2


def test_discovering_reads_only_what_is_new(world: World, space: Space) -> None:
    """A log of many frames costs its news, not its length: the old frames may even be gone."""
    forger = world.forger(space)
    lines = forger.lines(3)
    ids = forger.ids(lines)
    first = forger.frame(lines[:1])
    second = forger.frame(lines[1:2], first=2, before=ids[0], parents=(first,))
    forger.point(second)
    assert space.find_logs() == []
    assert len(tasks(space.db)) == 2
    third = forger.frame(lines[2:], first=3, before=ids[1], parents=(second,))
    read: list[str] = []

    class Watched(Logs):
        def frame(self, oid: str, space: str, replica: str):  # type: ignore[no-untyped-def] # noqa: ANN202
            read.append(oid)
            return super().frame(oid, space, replica)

    forger.point(third)
    assert discover(space.journal, Watched(space.objects), "main") == []
    assert read == [third]
    assert len(tasks(space.db)) == 3


def test_many_logs_are_taken_in_a_few_at_a_time(
    world: World, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "MOVES_MAX", 2)
    for seed in range(5):
        forger = world.forger(space, bytes([seed]) * 32)
        forger.point(forger.frame(forger.lines(1)))
    begun: list[str] = []
    space.journal.db.set_trace_callback(begun.append)
    assert space.find_logs() == []
    space.journal.db.set_trace_callback(None)
    assert begun.count("BEGIN IMMEDIATE") == 3
    assert len(tasks(space.db)) == 5


def test_agents_of_two_replicas_are_two_writers(world: World, space: Space) -> None:
    forger = world.forger(space)
    forger.point(forger.frame(forger.lines(1)))
    space.append(Draft(body=TaskAdd(title="x")), Agent(name="eve"))
    space.find_logs()
    assert {task.by for task in tasks(space.db)} == {
        f"{forger.replica}/eve",
        f"{space.replica}/eve",
    }
