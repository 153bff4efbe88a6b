"""`status`: one screen for a person, and the same in fields."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import World, git
from tests.race.field import Field

from waggle.choice.kinds import Candidate, Vote
from waggle.eventual.facts import FactAssert
from waggle.eventual.members import Join, Leave
from waggle.eventual.task_kinds import TaskClaim, TaskEdit
from waggle.eventual.tasks import TaskAdd
from waggle.faces.cli import build
from waggle.faces.ops import registry
from waggle.faces.ops.context import Context
from waggle.faces.ops.overview import WINDOW, Tasks
from waggle.faces.ops.registry import Nothing
from waggle.faces.ops.status import COLUMNS, STATUS, CandidateCount, RemoteShape, StatusShape
from waggle.log.entry import Agent, Body
from waggle.store.space import Draft, Space
from waggle.sync.git import last
from waggle.sync.node.spread import Part

ANN, BOB = Agent(name="ann"), Agent(name="bob")
SCREEN = 24


def put(space: Space, body: Body, by: Agent = ANN) -> str:
    return space.append(Draft(body=body), by).id


def status(world: World, space: Space) -> StatusShape:
    ctx = Context(
        cwd=str(space.repository.work_tree), environ={}, outside=world.outside, acting="ann"
    )
    try:
        found = STATUS.run(ctx, Nothing())
    finally:
        ctx.close()
    assert isinstance(found, StatusShape)
    return found


def test_work_is_counted(world: World, space: Space) -> None:
    tasks = [put(space, TaskAdd(title=f"task {n}")) for n in range(5)]
    put(space, TaskAdd(title="waits", depends=(tasks[0],)))
    put(space, TaskClaim(task=tasks[0], lease_s=60), BOB)
    put(space, TaskClaim(task=tasks[1], lease_s=1), BOB)
    put(space, TaskEdit(task=tasks[2], over=(tasks[2],), state="done"))
    for title, by in (("left", ANN), ("right", BOB)):
        put(space, TaskEdit(task=tasks[3], over=(tasks[3],), title=title), by)
        put(space, FactAssert(entity="e", attribute="a", value=title), by)
    made = [
        put(space, Candidate(task=task, result="0" * 64, size=1, text="x"), by)
        for task, by in ((tasks[2], BOB), (tasks[3], BOB), (tasks[3], BOB), (tasks[4], ANN))
    ]
    put(space, Vote(candidate=made[1], score=0))
    put(space, Join(lease=600))
    put(space, Join(lease=600), BOB)
    put(space, Leave(), BOB)
    world.clock.pass_ms(5000)
    found = status(world, space)
    assert found.tasks == Tasks(open=5, ready=3, claimed=1, done=1, conflicts=1)
    assert found.candidates == CandidateCount(unvoted=1, open=3, tasks=2, older=False)
    assert found.fact_conflicts == 1
    assert found.agents == {"alive": 1, "left": 1}
    text = "\n".join(STATUS.show(found))
    for words in ("5 open, 3 ready, 1 claimed, 1 done", "1 candidates without yours", "1 facts"):
        assert words in text


def test_that_there_are_older_candidates_is_said(world: World, space: Space) -> None:
    task = put(space, TaskAdd(title="one"))
    made = [Candidate(task=task, result="0" * 64, size=n, text="x") for n in range(WINDOW + 1)]
    space.append_all([Draft(body=body) for body in made], BOB)
    found = status(world, space)
    assert found.candidates == CandidateCount(unvoted=WINDOW, open=WINDOW, tasks=1, older=True)
    assert f"of the newest {WINDOW}" in "\n".join(STATUS.show(found))


NUMBERS = st.integers(0, 10**9)
WORDS = st.text(max_size=100)


@st.composite
def shapes(draw: st.DrawFn) -> StatusShape:
    """Anything that a store could come to."""
    ids = st.text("0123456789abcdef", min_size=32, max_size=32)
    counts = st.dictionaries(ids, NUMBERS, max_size=30)
    return StatusShape(
        replica=draw(ids),
        space=draw(st.text("abc", min_size=1, max_size=64)),
        entries=draw(NUMBERS),
        unsealed=draw(NUMBERS),
        admitted=draw(counts),
        node=draw(st.booleans()),
        remotes=draw(
            st.lists(
                st.builds(
                    RemoteShape,
                    name=WORDS,
                    own=NUMBERS,
                    logs=NUMBERS,
                    synced=st.just("2026-01-01 00:00:00Z"),
                    trouble=st.none() | WORDS,
                ),
                max_size=20,
            )
        ),
        replicas=draw(counts),
        spread=draw(
            st.lists(
                st.builds(Part, first=NUMBERS, last=NUMBERS, remotes=NUMBERS, replicas=NUMBERS)
            )
        ),
        held_back=draw(counts),
        tasks=draw(st.builds(Tasks, **dict.fromkeys(Tasks.__struct_fields__, NUMBERS))),
        candidates=draw(
            st.builds(
                CandidateCount, unvoted=NUMBERS, open=NUMBERS, tasks=NUMBERS, older=st.booleans()
            )
        ),
        fact_conflicts=draw(NUMBERS),
        agents=dict.fromkeys(("alive", "lapsed", "left", "suspect"), draw(NUMBERS)),
        held=draw(NUMBERS),
        refused=draw(NUMBERS),
    )


@given(shapes())
def test_it_fits_on_one_screen(shape: StatusShape) -> None:
    text = list(STATUS.show(shape))
    assert len(text) <= SCREEN
    assert all(len(line) <= COLUMNS for line in text)


def test_commands_that_it_names_are_there(world: World, space: Space) -> None:
    whole = msgspec.structs.replace(
        status(world, space),
        unsealed=1,
        held=1,
        refused=1,
        fact_conflicts=1,
        held_back={"a": 1},
        candidates=CandidateCount(unvoted=1, open=1, tasks=1, older=True),
        tasks=Tasks(open=1, ready=1, claimed=1, done=1, conflicts=1),
        agents={"alive": 1},
    )
    commands = re.findall(r"`waggle ([^`]*)`", "\n".join(STATUS.show(whole)))
    assert len(commands) > 8
    for words in commands:
        name = max((one for one in registry.NAMES if f"{words} ".startswith(f"{one} ")), key=len)
        rest = shlex.split(words)[len(name.split()) :]
        build.command(registry.find(name)).make_context(name, rest)


def test_what_is_held_and_what_is_not_synced_is_told(field: Field) -> None:
    field.waggle("init")
    field.waggle("task", "add", "AKIA" + "Q7VZ2K4WX9J3M5T8")
    found = field.waggle("status", "--json").object
    text = field.waggle("status").out
    assert found["held"] == 1
    assert "`waggle held`" in text
    assert "no node runs" in text


# --- when a remote was last synced -------------------------------------------------------------


FINE: dict[str, str | None] = {"origin": None}
SLOW: dict[str, str | None] = {"origin": "slow"}


def test_a_sync_is_remembered_with_the_trouble_after_it(tmp_path: Path) -> None:
    store = str(tmp_path)
    assert last.load(store, "main") == {}
    last.note(store, "main", {"origin": None, "other": "slow"}, 1000)
    last.note(store, "main", SLOW, 2000)
    assert last.load(store, "main") == {
        "origin": last.Last(tried_ms=2000, done_ms=1000, trouble="slow"),
        "other": last.Last(tried_ms=1000, done_ms=0, trouble="slow"),
    }
    assert last.load(store, "elsewhere") == {}


def test_a_torn_note_says_nothing(tmp_path: Path) -> None:
    last.note(str(tmp_path), "main", FINE, 1000)
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes()[:5])
    assert last.load(str(tmp_path), "main") == {}


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / last.LAST_DIR).write_text("a file where a folder has to be")
    last.note(str(tmp_path), "main", FINE, 1000)
    assert (tmp_path / last.LAST_DIR).is_file()


def test_only_the_remotes_that_were_tried_last_are_remembered() -> None:
    known = {f"r{n}": last.Last(tried_ms=n) for n in range(last.REMOTES_MAX)}
    kept = last.noted(known, {"new": None}, 10_000)
    assert len(kept) == last.REMOTES_MAX
    assert "new" in kept
    assert "r0" not in kept


def test_a_remote_shows_when_it_was_synced(world: World, space: Space) -> None:
    world.repository("there", "--bare")
    git(str(space.repository.work_tree), "remote", "add", "origin", str(world.folder / "there"))
    last.note(space.store_dir, "main", FINE, world.START_MS)
    last.note(space.store_dir, "main", SLOW, world.START_MS + 1)
    (remote,) = status(world, space).remotes
    assert (remote.synced, remote.trouble) == ("2026-01-01 00:00:00Z", "slow")
    text = "\n".join(STATUS.show(status(world, space)))
    assert "synced 2026-01-01 00:00:00Z, then slow" in text
