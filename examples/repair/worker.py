"""The fork server that runs tests: one warm pytest, one short-lived child for every candidate.

Starting Python and pytest costs a fifth of a second; a search that tries hundreds of mutants cannot
pay that each time.  So pytest is started once and stops just before it collects; there this process
forks for each request, as AFL's fork server does (Zalewski, "Fuzzing random programs without
execve()", 2014), and the child goes on to collect and run.  The program under repair is imported by
the children only, each time afresh.  Where a conftest imports it earlier, the fork happens before
pytest is started instead (``--cold``); where there is no ``fork``, ``--once`` serves one request.

A candidate reaches the child as an *overlay*, source text that the import system reads in place of
the file, so that trying a mutant never writes to the worktree.  Mutants loop and allocate without
end; a child therefore has a limit of processor time for each test (an interval timer, so that a
busy machine does not look like an endless loop), a limit of memory, and a deadline by the clock,
after which it is killed with its whole process group.

The first argument is the setting, each line of standard input a request, each line of standard
output its answer; all are JSON.  This file runs in the interpreter of the tests, and takes its own
folder off the module path: the program under repair may well have a module named like one of ours.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, TextIO

_OWN = str(Path(__file__).resolve().parent)
if sys.path and str(Path(sys.path[0]).resolve()) == _OWN:
    sys.path[0] = str(Path.cwd())  # as ``python -m pytest`` has it

import pytest  # noqa: E402 - after the module path was put right

MEMORY_BYTES_MAX = 1 << 30
FILE_BYTES_MAX = 16 << 20
ALWAYS = ["-p", "no:cacheprovider", "-p", "no:unraisableexception", "--assert=plain", "--tb=line"]


class TestTookTooLong(BaseException):
    """Raised inside a test whose processor time is used up; not for the program to catch."""

    __test__ = False


def _stop_test(_signal: int, _frame: object) -> None:
    raise TestTookTooLong


class Recorder:
    """A pytest plugin that writes each outcome as soon as it is known.

    What was written before a hanging child is killed is not lost.
    """

    def __init__(self, sources: list[str]) -> None:
        self.sources = sources
        self.out: TextIO = sys.stderr
        self.request: dict[str, Any] = {}
        self.hanging = 0
        self.watch: Any = None

    def start(self, request: dict[str, Any], out: TextIO) -> None:
        """Take the request that this process is to serve."""
        self.request, self.out = request, out
        _limit_resources()
        _lay_over(request["overlay"])
        if request["watch"]:
            sys.path.append(_OWN)
            import watch  # only where a run is watched

            sys.path.remove(_OWN)
            self.watch = watch.make(request["watch"], self.sources)

    def say(self, **fields: object) -> None:
        """Write one record."""
        self.out.write(json.dumps(fields) + "\n")
        self.out.flush()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be imported counts as one failing test."""
        if report.failed:
            self.say(test=report.nodeid, outcome="failed")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:  # noqa: ANN401 - as pytest has it
        """Arm the timer, and watch the run where that was asked for."""
        limit = self.request["limit"]
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGPROF, _stop_test)
            signal.setitimer(signal.ITIMER_PROF, limit, limit)
        try:
            if self.watch is None:
                return (yield)
            with self.watch.test():
                return (yield)
        except TestTookTooLong:
            self.hanging += 1
            if self.hanging > self.request["hanging_max"]:
                item.session.shouldstop = "tests hang"
            raise
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_PROF, 0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:  # noqa: ANN401
        """Record the outcome of the call, or of a setup or teardown that failed."""
        report = yield
        if report.when == "call" or report.failed:
            fields = self.watch.seen(item, call) if self.watch is not None else {}
            outcome = "failed" if report.failed else "passed"
            self.say(test=report.nodeid, outcome=outcome, seconds=call.duration, **fields)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave at once: what pytest and its plugins do at the end of a session is not wanted."""
        if self.request:
            self.out.flush()
            os._exit(0)


class Server(Recorder):
    """The same, serving from within pytest: it forks where the collection would begin."""

    served = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Serve until a child comes out, which collects; the parent comes out to end."""
        loaded = {getattr(module, "__file__", None) for module in sys.modules.values()}
        if loaded.isdisjoint(self.sources):
            self.served = True
            if serve(self):
                session.config.args[:] = self.request["tests"] or session.config.args
                return None
        return True


def _lay_over(overlay: dict[str, str]) -> None:
    """Let imports read the candidate's text in place of the files."""
    read = SourceFileLoader.get_data

    def get_data(self: SourceFileLoader, path: str) -> bytes:
        text = overlay.get(os.path.realpath(path))
        return read(self, path) if text is None else text.encode()

    SourceFileLoader.get_data = get_data  # type: ignore[method-assign, assignment]


def _limit_resources() -> None:
    try:
        import resource  # POSIX only
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


def serve(recorder: Recorder) -> bool:
    """Fork for each request: true in a child that is to run it, false once requests end."""
    gc.collect()
    gc.freeze()  # so that a collection in a child does not copy every page of its parent
    while line := _read_line():
        request = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            _end_at_last(request["wall"])
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2, reader, REQUESTS, ANSWERS):
                os.dup2(null, stream)
            recorder.start(request, os.fdopen(writer, "w"))
            return True
        os.close(writer)
        records = _listen(reader, time.monotonic() + request["wall"])
        _kill_group(child)
        os.waitpid(child, 0)
        os.close(reader)
        os.write(ANSWERS, b"[" + b",".join(records) + b"]\n")
    return False


def _end_at_last(wall: float) -> None:
    """Let a child end by itself a little after its deadline, should this process be killed."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall + 1)


def _listen(reader: int, deadline: float) -> list[bytes]:
    """The records that a child writes before it ends, or before the deadline."""
    chunks = []
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reader, REQUESTS], [], [], left)
        if reader not in ready and ready:
            break  # no request comes before the answer: whoever asked is gone
        chunk = os.read(reader, 1 << 16) if ready else b""
        if not chunk:
            break
        chunks.append(chunk)
    return [line for line in b"".join(chunks).splitlines() if line.endswith(b"}")]


def _kill_group(child: int) -> None:
    for kill in (os.killpg, os.kill):  # the group exists only after the child called setsid
        try:
            kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _read_line() -> bytes:
    """One line, unbuffered: what ``select`` sees must be what was not yet read."""
    parts = []
    while chunk := os.read(REQUESTS, 1 << 16):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            break
    return b"".join(parts)


class WarmUp:
    """A plugin that collects nothing: pytest and its plugins load, the program does not."""

    def pytest_collection(self) -> bool:
        """Stand in for the collection."""
        return True


def main(setting: dict[str, Any], mode: str = "") -> None:
    """Answer requests until standard input ends."""
    arguments = [*setting["arguments"], *ALWAYS]
    if not mode:
        server = Server(setting["sources"])
        pytest.main(arguments, plugins=[server])
        if not server.served:
            os.dup2(REQUESTS, 0)
            os.dup2(ANSWERS, 1)
            again = [sys.executable, __file__, sys.argv[1], "--cold"]
            os.execv(sys.executable, again)  # noqa: S606 - this very program
        return
    recorder = Recorder(setting["sources"])
    if mode == "--cold":
        pytest.main(["--noconftest", *arguments], plugins=[WarmUp()])
        if not serve(recorder):
            return
    else:
        recorder.start(json.loads(_read_line()), os.fdopen(ANSWERS, "w"))
    pytest.main([*arguments, *recorder.request["tests"]], plugins=[recorder])


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.pycache_prefix = os.devnull  # and never read stale bytecode of an earlier candidate
    REQUESTS, ANSWERS = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    main(json.loads(sys.argv[1]), *sys.argv[2:])
    os._exit(0)
