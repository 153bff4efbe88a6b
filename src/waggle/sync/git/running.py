"""Running git: within a time limit, with bounded output, and with nothing left behind.

Each git leads a session of its own. So it has no terminal to ask at, Ctrl-C reaches waggle alone,
and one signal reaches git's children (ssh, git-remote-https), too. What git and the host say is
read by threads, which may outlive git: a connection that ssh keeps for later (ControlPersist)
holds git's standard error open, in OpenSSH before 8.5 (bugzilla.mindrot.org 1988).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Self

from msgspec import Struct

from waggle.base.errors import WaggleError

ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""The longest answer that is taken: about a million refs."""
SAID_BYTES_MAX = 64 * 1024
"""How much of standard error is kept, from its end."""
GRACE_S = 2.0
"""Between telling a git to end and ending it: it removes its lock files meanwhile."""
DRAIN_S = 5.0
"""How long what an ended git has printed may take to arrive."""
DRAIN_SAID_S = 0.2
"""The same for standard error, where somebody else may be holding it open."""


class Ended(Struct, frozen=True, kw_only=True):
    """How a git ended."""

    status: int | None
    """Its exit status (negative: by that signal); None where it was out of time."""
    out: bytes
    said: str


class Job:
    """Gits that run one after another, with one time limit for all of them.

        with Job(where, environ, 60.0) as job:
            ended = job.run(["git", "fetch"])

    `stop` may be called from any thread: what runs ends, and whatever is run later ends at once.
    """

    def __init__(self, cwd: str, environ: Mapping[str, str], timeout_s: float) -> None:
        self._cwd = cwd
        self._environ = environ
        self._timer = threading.Timer(timeout_s, self.stop)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._running: _Process | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def run(self, argv: Sequence[str]) -> Ended:
        """Run a git to its end; raise `environment` where it cannot be started."""
        with self._lock:
            if self._stopped.is_set():
                return Ended(status=None, out=b"", said="")
            process = self._running = _Process()
        try:
            process.start(argv, self._cwd, self._environ)
            if self._stopped.is_set():
                process.end()  # it was not there yet when it was stopped
            process.over.wait()
        except BaseException:  # Ctrl-C
            process.end()
            raise
        finally:
            with self._lock:
                self._running = None
        ended = process.ended()
        if ended.status and self._stopped.is_set():
            return Ended(status=None, out=b"", said=ended.said)
        return ended

    def stop(self) -> None:
        """End what runs, and let nothing run any more."""
        with self._lock:
            self._stopped.set()
            running = self._running
        if running is not None:
            running.end()


class _Process:
    """A git that runs, in a session of its own."""

    _popen: subprocess.Popen[bytes] | None = None
    _out: _Reader
    _said: _Reader
    status = 0

    def __init__(self) -> None:
        self.over = threading.Event()
        """Set when git itself has ended."""

    def start(self, argv: Sequence[str], cwd: str, environ: Mapping[str, str]) -> None:
        """Start it; raise `environment` where it cannot be. Ctrl-C may come at any step."""
        try:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environ,
                cwd=cwd,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise WaggleError(
                "environment",
                f"cannot run git here: {error}",
                "Install git 2.36 or newer and put it on PATH; check that the folder exists.",
            ) from error
        assert self._popen.stdout is not None  # noqa: S101 - it was asked for
        assert self._popen.stderr is not None  # noqa: S101 - the same
        self._out = _Reader(self._popen.stdout, ANSWER_BYTES_MAX, whole=True)
        self._said = _Reader(self._popen.stderr, SAID_BYTES_MAX, whole=False)
        threading.Thread(target=self._reap, args=(self._popen,), daemon=True).start()

    def _reap(self, popen: subprocess.Popen[bytes]) -> None:
        self.status = popen.wait()
        self.over.set()

    def end(self) -> None:
        """End it and its children: asked first, so that it takes its lock files away."""
        popen = self._popen
        if popen is None:
            return
        _signal(popen, at_once=False)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it is told again
            popen.wait(GRACE_S)
        _signal(popen, at_once=True)  # and children that outlived it
        popen.wait()

    def ended(self) -> Ended:
        """Give how it ended, once it is over; it failed where its answer is not whole."""
        self._out.join(DRAIN_S)
        self._said.join(DRAIN_SAID_S)
        status, said = self.status, bytes(self._said.data).decode(errors="replace")
        if self._out.full or self._out.is_alive():
            status = status or 1
            said += f"\nthe answer is longer than {self._out.limit} bytes, or does not end"
        return Ended(status=status, out=bytes(self._out.data), said=said)


def _signal(popen: subprocess.Popen[bytes], *, at_once: bool) -> None:
    # The group may be gone already: then there is nothing left to end.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            popen.kill()
        else:
            os.killpg(popen.pid, signal.SIGKILL if at_once else signal.SIGTERM)


class _Reader(threading.Thread):
    """Reads a stream to its end; keeps its last `limit` bytes, or closes it there if `whole`."""

    def __init__(self, stream: IO[bytes], limit: int, *, whole: bool) -> None:
        super().__init__(daemon=True)
        self.data = bytearray()
        self.full = False
        self._stream = stream
        self.limit = limit
        self._whole = whole
        self.start()

    def run(self) -> None:
        """Read until the stream ends or is full; who writes on ends by SIGPIPE."""
        with self._stream:
            while piece := self._stream.read(65536):
                self.data += piece
                if len(self.data) > self.limit and self._whole:
                    self.full = True
                    return
                del self.data[: -self.limit]
