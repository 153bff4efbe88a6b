"""What looks like a secret stays out of the log, is kept and shown, and can be released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from waggle.base.errors import WaggleError
from waggle.choice.kinds import Candidate
from waggle.eventual.tasks import TaskAdd, tasks
from waggle.log.entry import Agent
from waggle.store.checkup.verify import verify
from waggle.store.own import held
from waggle.store.space import Draft, Space

if TYPE_CHECKING:
    from tests.conftest import World

ANN = Agent(name="ann")
SECRET = "ghp" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def refused(space: Space, draft: Draft) -> WaggleError:
    with pytest.raises(WaggleError) as caught:
        space.append(draft, ANN)
    assert caught.value.code == "held"
    return caught.value


def everything_in_the_log(world: World, space: Space) -> str:
    """Give the text of all frames and of the journal, whatever is in them."""
    space.seal()
    git = world.git(space.repository, "log", "--glob=refs/waggle/*", "-p", "--root")
    rows = space.journal.read(space.name, 0)
    return git + "".join(line.decode() for _, _, line in rows)


def test_a_suspect_text_is_kept_and_not_appended(space: Space) -> None:
    error = refused(space, Draft(body=TaskAdd(title="x", prompt=f"a\nuse {SECRET}")))
    assert tasks(space.db) == []
    assert space.journal.head("main")[0] == 0
    (draft,) = held.listing(space.objects, "main")
    assert space.objects.refs.get(f"{held.HELD_REFS}/main/{draft.id}") == draft.id
    assert draft.id[:12] in error.message
    assert SECRET in draft.draft.encoded
    assert verify(space).entries == 0


def test_the_error_names_place_and_rule_and_never_the_secret(space: Space) -> None:
    error = refused(space, Draft(body=TaskAdd(title="x", prompt=f"a\nuse {SECRET}")))
    assert "prompt:2" in error.message
    assert "GitHub" in error.message
    told = f"{error.message} {error.next_step} {error!r}"
    assert not any(SECRET[i : i + 8] in told for i in range(len(SECRET) - 7))


def test_files_and_diffs_are_looked_at_too(world: World, space: Space) -> None:
    task = world.task(space)
    body = Candidate(task=task.id, result="ab" * 16, files=("a/b.env",))
    in_file = refused(space, Draft(body=body, content={"a/b.env": f"x\ny={SECRET}".encode()}))
    assert "a/b.env:2" in in_file.message
    diff = (
        f"diff --git a/c.py b/c.py\n--- a/c.py\n+++ b/c.py\n@@ -1,0 +7,1 @@\n+token = '{SECRET}'\n"
    )
    in_diff = refused(space, Draft(body=body, diff=diff))
    assert "c.py:7" in in_diff.message
    world.task(space, "harmless")
    assert SECRET not in everything_in_the_log(world, space)


def test_one_suspect_holds_back_its_whole_batch(space: Space) -> None:
    drafts = [Draft(body=TaskAdd(title="fine")), Draft(body=TaskAdd(title=f"t {SECRET}"))]
    with pytest.raises(WaggleError, match="looks like"):
        space.append_all(drafts, ANN)
    assert tasks(space.db) == []


def test_release_appends_exactly_what_was_held(world: World, space: Space) -> None:
    task = world.task(space)
    body = Candidate(task=task.id, result="ab" * 16, files=("a/k", "b"), summary="é")
    content = {"a/k": f"k={SECRET}".encode(), "b": b"\x00\xff"}
    refused(space, Draft(body=body, content=content, key="once"))
    (draft,) = held.listing(space.objects, "main")
    written = space.release(draft.id[:10])
    assert held.listing(space.objects, "main") == []
    (frame,) = space.seal()
    for path, data in content.items():
        assert space.objects.file(frame.oid, f"content/{written.seq}/{path}") == data
    link = list(space.counted.every(space.replica))[-1]
    assert link.envelope.key == "once"
    assert link.line.split(b",", 1)[1] == draft.draft.encoded.encode()[1:]
    assert verify(space).sound


def test_what_is_not_held_cannot_be_released(space: Space) -> None:
    refused(space, Draft(body=TaskAdd(title=SECRET)))
    with pytest.raises(WaggleError) as caught:
        space.release("0" * 12)
    assert caught.value.code == "not_found"
    assert len(held.listing(space.objects, "main")) == 1


def test_holding_the_same_draft_again_keeps_one(space: Space) -> None:
    draft = Draft(body=TaskAdd(title=SECRET))
    assert refused(space, draft).message == refused(space, draft).message
    assert len(held.listing(space.objects, "main")) == 1
