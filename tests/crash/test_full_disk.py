"""A full disk: the error is definite, nothing is torn, and it goes on once there is space."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.crash.disks import MIB, fill, image, make_image, memory
from tests.crash.harness import examine, new_store, open_space

from waggle.base.errors import WaggleError
from waggle.eventual.tasks import TaskAdd
from waggle.log.entry import Agent
from waggle.store.frames.sealing import PHASES
from waggle.store.space import Draft, Space

ANN = Agent(name="ann")
PROMPT = "x" * 8000


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """The folder of a small file system."""
    point = str(tmp_path / "small")
    if request.param == "tmpfs":
        with memory(point, 12 * MIB):
            yield point
    else:
        with image(make_image(str(tmp_path / "disk"), 24 * MIB), point):
            yield point


def draft(key: str) -> Draft:
    return Draft(body=TaskAdd(title=key, prompt=PROMPT), key=key)


def append_until_refused(space: Space, name: str, acked: dict[str, str]) -> WaggleError:
    for number in range(10_000):
        try:
            acked[f"{name}{number}"] = space.append(draft(f"{name}{number}"), ANN).id
        except WaggleError as error:
            return error
    raise AssertionError("a full disk took 10,000 entries")


def test_an_append_to_a_full_disk_did_not_happen(disk: str, tally: Counter[str]) -> None:
    folder = new_store(f"{disk}/repository")
    acked: dict[str, str] = {}
    with open_space(folder) as space:
        acked["first"] = space.append(draft("first"), ANN).id
        space.seal()
        ballast = fill(disk)
        error = append_until_refused(space, "full", acked)
        assert error.code == "environment", f"{error.code}: {error}"
        assert error.kind.definite
        assert len(space.journal.read(space.name, 0)) == len(acked)
        os.remove(ballast)
        refused = f"full{len(acked) - 1}"
        acked[refused] = space.append(draft(refused), ANN).id
    examine(folder, [acked], tally)
    tally["full disks: append"] += 1


def test_a_store_opens_on_a_full_disk_or_says_why(disk: str, tally: Counter[str]) -> None:
    folder = new_store(f"{disk}/repository")
    with open_space(folder) as space:
        acked = {"first": space.append(draft("first"), ANN).id}
    ballast = fill(disk)
    with pytest.raises(WaggleError) as refused, open_space(folder) as space:
        raise append_until_refused(space, "full", acked)
    assert refused.value.code == "environment", f"{refused.value.code}: {refused.value}"
    os.remove(ballast)
    examine(folder, [acked], tally)
    tally["full disks: opening"] += 1


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_sealing_on_a_full_disk_can_be_repeated(phase: str, disk: str, tally: Counter[str]) -> None:
    folder = new_store(f"{disk}/repository")
    with open_space(folder) as space:
        acked = {"first": space.append(draft("first"), ANN).id}
        space.seal()
        acked["second"] = space.append(draft("second"), ANN).id
        filled: list[str] = []
        space.outside.reached = _at(phase, lambda: filled.append(fill(disk)))
        try:
            space.seal()
        except WaggleError as error:
            assert error.code == "environment", f"{error.code}: {error}"  # noqa: PT017 - it may also pass
            tally["full disks: sealing refused"] += 1
        space.outside.reached = lambda _phase: None
        assert filled, f"{phase} was not reached"
        os.remove(filled[0])
    examine(folder, [acked], tally)
    tally["full disks: sealing"] += 1


def _at(phase: str, act: Callable[[], None]) -> Callable[[str], None]:
    return lambda reached: act() if reached == phase else None
