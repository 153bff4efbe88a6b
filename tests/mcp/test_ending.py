"""The server ends when its client leaves or a signal comes, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from tests.mcp.wire import Wire
from tests.race.field import FIX, PATIENCE_S, PYTHON, Field, alive, until

from waggle.agents.events import Event
from waggle.faces.mcp import server

STAYS = "import time\ntime.sleep(3600)\n"
"""A test that ends by no will of its own."""


@pytest.fixture
def candidate(field: Field) -> str:
    """Give a candidate that can be checked."""
    field.json("task", "add", "make the test pass")
    field.write({"calc.py": FIX})
    found: str = field.json("publish")["candidate"]["id"]
    return found


def begin_check(field: Field, wire: Wire, candidate: str, test: str) -> int:
    """Begin a check whose test stays until it is ended, and give the test's process id."""
    command = field.agent("slow", field.pid("test") + test)
    wire.begin(
        "tools/call", {"name": "check", "arguments": {"candidate": candidate, "tests": [command]}}
    )
    until((field.marks / "test").exists, "the test runs")
    return int((field.marks / "test").read_text())


def test_a_client_that_leaves_ends_the_server(wire: Wire) -> None:
    wire.call("task_add", title="x")
    assert wire.leave() == (0, "", "")


def test_a_signal_ends_the_server(wire: Wire) -> None:
    wire.call("task_add", title="x")
    wire.process.send_signal(signal.SIGTERM)
    assert wire.ended() == (0, "", "")


def test_a_client_that_reads_no_more_is_no_trouble(wire: Wire) -> None:
    assert wire.process.stdout is not None
    wire.process.stdout.close()
    for _ in range(3):
        wire.begin("tools/list", {})
    assert wire.process.stdin is not None
    wire.process.stdin.close()
    assert wire.process.wait(PATIENCE_S) == 0
    assert wire.complaints() == ""


@pytest.mark.parametrize("how", ["leaves", "SIGTERM", "SIGINT", "SIGHUP"])
def test_a_test_under_way_ends_with_the_server(
    field: Field, candidate: str, wire: Wire, how: str
) -> None:
    pid = begin_check(field, wire, candidate, STAYS)
    if how == "leaves":
        assert wire.process.stdin is not None
        wire.process.stdin.close()
    else:
        wire.process.send_signal(signal.Signals[how])
    status, _, said = wire.ended()
    assert (status, said) == (0, "")
    until(lambda: not alive(pid), "the test has ended, too")
    assert field.entries("check.record") == []


def test_a_stubborn_test_ends_too_though_clients_press(
    field: Field, candidate: str, wire: Wire
) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + field.wait(
        "never"
    )
    pid = begin_check(field, wire, candidate, stubborn)
    wire.process.send_signal(signal.SIGTERM)
    wire.process.send_signal(signal.SIGTERM)
    wire.process.send_signal(signal.SIGINT)
    assert wire.ended()[0] == 0
    until(lambda: not alive(pid), "the test has ended, too")


def test_what_a_test_prints_stays_off_the_wire_and_it_cannot_read_it(
    candidate: str, wire: Wire
) -> None:
    test = f"{PYTHON} -c \"import sys; print('noise'); sys.exit(len(sys.stdin.read()))\""
    (check,) = wire.call("check", candidate=candidate, tests=[test])["checks"]
    assert check["exit"] == 0
    assert wire.leave() == (0, "", "")


def test_a_call_that_was_called_off_before_it_began_is_not_done(
    field: Field, candidate: str, wire: Wire
) -> None:
    begin_check(field, wire, candidate, field.wait("go"))
    asked = wire.begin("tools/call", {"name": "task_add", "arguments": {"title": "called off"}})
    wire.tell("cancelled", {"requestId": asked})
    assert wire.ask("ping", {})["result"] == {}
    field.go("go")
    titles = {one["title"] for one in wire.call("tasks")["tasks"]}
    assert titles == {"make the test pass"}


class _Left:
    """The session of a client that is gone."""

    async def report_progress(self, progress: float, message: str | None) -> None:
        raise AssertionError((progress, message))


def test_what_a_call_tells_a_client_that_left_does_not_end_the_call() -> None:
    async def begin() -> Callable[[Event], None]:
        return server.reporter(SimpleNamespace(session=_Left()))  # type: ignore[arg-type]

    listen = asyncio.run(begin())
    listen(Event(event="checking", task="", message="running make test"))
