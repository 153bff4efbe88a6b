"""The bell: an append in any process wakes the node of its store, and nobody polls the disk.

The node listens on a UDP socket on loopback and writes its port and a random token to a file in
the store. Whoever appends sends one datagram there, after the append is durable, and goes on: it
waits for nothing and cannot fail. A datagram says only "look"; what there is to see stands in the
journal.

No wake-up is lost as long as the node drains the bell first and looks then, and looks once after
it has made its bell. Only where processes share a store but no loopback (containers with networks
of their own) is nothing heard; so a node also looks now and then by itself.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from waggle.base.errors import WaggleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

BELL_FILE = "bell"
PID_FILE = "node.pid"
TOKEN_BYTES = 16
DRAIN_MAX = 1024
"""Datagrams that one `drain` takes; if more wait, the socket stays readable."""
CLAIM_MS = 500
"""How long a node waits for its claim: whoever only looks (`is_claimed`) holds it for a moment."""
_LOOPBACK = "127.0.0.1"
_FILE_BYTES_MAX = 64
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def ring(store_dir: str) -> None:
    """Wake the node of a store if there is one. Never waits, never raises."""
    try:
        handle = os.open(os.path.join(store_dir, BELL_FILE), _READ_ONLY)
    except OSError:
        return  # no node, or none that this process can reach: it looks by itself sooner or later
    try:
        try:
            says = os.read(handle, _FILE_BYTES_MAX)
        finally:
            os.close(handle)
        _send(says)
    except (OSError, ValueError, OverflowError):
        return  # what was appended is durable: a bell that stays silent is no trouble of that


def _send(says: bytes) -> None:
    # The `socket` module takes longer to import than everything else that a vote does.
    import _socket

    port, _, token = says.partition(b" ")
    sender = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        sender.settimeout(0)
        sender.sendto(token, (_LOOPBACK, int(port)))
    finally:
        sender.close()


class Bell:
    """The node's end. Make it once this process holds the claim, and close it before that ends."""

    def __init__(self, store_dir: str, entropy: Callable[[int], bytes]) -> None:
        """Listen, and say where; raise OSError where the port or the file cannot be had."""
        import socket

        self._path = os.path.join(store_dir, BELL_FILE)
        self._token = entropy(TOKEN_BYTES).hex().encode()
        self.socket: socket.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.settimeout(0)
            self.socket.bind((_LOOPBACK, 0))
            self._says = b"%d %s" % (self.socket.getsockname()[1], self._token)
            _write(self._path, self._says)
        except BaseException:
            self.socket.close()
            raise

    def fileno(self) -> int:
        """Give what selectors and event loops wait for: readable means that somebody rang."""
        return self.socket.fileno()

    def drain(self) -> bool:
        """Take what waits; tell whether somebody rang who can read the store. Never waits."""
        rang = False
        for _ in range(DRAIN_MAX):
            try:
                rang = self.socket.recv(_FILE_BYTES_MAX) == self._token or rang
            except BlockingIOError:
                break  # nothing waits any more
            except OSError:
                # Windows reports an oversized datagram so; it is a stranger's.
                continue
        return rang

    def close(self) -> None:
        """Stop listening, and take the file away unless it is another node's by now."""
        self.socket.close()
        try:
            if _read(self._path) == self._says:
                os.remove(self._path)
        except OSError:
            return  # a file that stays behind names a port on which nobody listens: harmless


@contextmanager
def claim(store_dir: str) -> Iterator[None]:
    """Be the one node of a store for as long as the context lasts; a dead process holds nothing.

    Raises `busy`, after CLAIM_MS, while another process is; `environment` where the store cannot be
    written.
    """
    from waggle.store.own.lock import locked

    path = os.path.join(store_dir, PID_FILE)
    with ExitStack() as held:
        try:
            held.enter_context(locked(store_dir, "node", CLAIM_MS))
        except WaggleError as error:
            if error.code != "busy":
                raise
            raise _taken(store_dir, path) from error
        try:
            _write(path, b"%d" % os.getpid())
        except OSError as error:
            raise WaggleError(
                "environment",
                f"cannot write {path}: {error.strerror}",
                "Free some disk space or make the folder writable, then repeat the command.",
            ) from error
        try:
            yield
        finally:
            _remove(path)


def _taken(store_dir: str, path: str) -> WaggleError:
    try:
        who = f"process {int(_read(path))}"
    except (OSError, ValueError):
        who = "another process"  # it has just begun and has not said yet who it is
    return WaggleError(
        "busy",
        f"{who} runs the node of {store_dir} already",
        "Use that one: every command works beside it. To run the node here, stop that one first.",
    )


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        return  # it says who the node was to those who cannot become it, and nobody else reads it


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_FILE_BYTES_MAX)


def _write(path: str, data: bytes) -> None:
    """Write a small file atomically, for this user's eyes. Nothing is lost if it is."""
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def is_claimed(store_dir: str) -> bool:
    """Tell whether a node of this store runs now."""
    from waggle.store.own.lock import locked

    try:
        with locked(store_dir, "node", wait_ms=0):
            return False
    except WaggleError as error:
        if error.code != "busy":
            raise
        return True
