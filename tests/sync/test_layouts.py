"""`waggle doctor --remote`: which refs a host takes, and nothing left there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import World
from tests.sync.hosts import bare
from tests.sync.test_exchange import remote

from waggle.faces.ops.doctor import diagnose
from waggle.store.checkup.patient import Diagnosis
from waggle.sync.git.layouts import PREFIXES, find_layouts
from waggle.sync.git.transport import Transport

REFUSE = """case "$1" in {pattern}) echo "refs outside what this host takes" >&2; exit 1;; esac"""


def look(world: World, hub: Path) -> list[Diagnosis]:
    space = world.space("one")
    transport = Transport(space.repository.common_dir, os.environ, 60)
    where = remote(hub)
    return diagnose(where, find_layouts(transport, space.objects, where, os.urandom))


def test_a_host_that_takes_everything(world: World) -> None:
    hub = bare(world.folder / "hub.git")
    (found,) = look(world, hub)
    assert found.severity == "ok"
    assert world.git(hub, "for-each-ref") == "", "a probe was left"


@pytest.mark.parametrize(
    ("pattern", "prefix"), [("refs/waggle/*", PREFIXES[1]), ("refs/heads/*", PREFIXES[0])]
)
def test_a_host_that_takes_one_layout(world: World, pattern: str, prefix: str) -> None:
    hub = bare(world.folder / "hub.git", hook=REFUSE.format(pattern=pattern))
    (found,) = look(world, hub)
    assert prefix in found.what
    assert found.severity == ("ok" if prefix == PREFIXES[0] else "error")
    assert world.git(hub, "for-each-ref") == "", "a probe was left"


def test_a_host_that_takes_nothing(world: World) -> None:
    hub = bare(world.folder / "hub.git", hook="echo 'access denied' >&2; exit 1")
    (found,) = look(world, hub)
    assert found.severity == "error"
    assert "denied" in found.what


def test_a_host_that_lets_no_branch_be_deleted_is_shown_what_stays(world: World) -> None:
    hub = bare(world.folder / "hub.git")
    world.git(hub, "config", "receive.denyDeletes", "true")
    well, stays = look(world, hub)
    assert (well.severity, stays.severity) == ("ok", "warning")
    left = world.git(hub, "for-each-ref", "--format=%(refname)")
    assert left.startswith("refs/heads/waggle/probe-")
    assert left in stays.what
