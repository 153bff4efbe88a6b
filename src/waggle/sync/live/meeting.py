"""How the nodes of one user on one machine find one another: sockets in a folder.

Each node listens on a socket of its own in a folder that its user alone can enter, and connects to
every socket that it finds there; Zenoh tries again for as long as the node runs. Of any two nodes
the later one found the earlier one, so all are connected, and nobody is needed for others to meet:
whichever is killed or stopped, the rest goes on, and the next one finds who is left. Looking and
opening are one step under a lock, or two that start at once would miss one another.

A name that is left behind by a killed node answers no more, and the next one removes it. Where
there are no Unix sockets (Windows), or the path is too long for one, the file holds the number of
a port on the loopback address instead; any user of the machine can connect to that.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from waggle.base.errors import WaggleError
from waggle.store.own.lock import locked

OTHERS_MAX = 256
"""Nodes that one connects to by itself; the ones that come later connect to it."""
PATH_BYTES_MAX = 100
"""Of a Unix socket, to be safe on every system: macOS takes 103, Linux 107."""
LOCK_MS = 5000
SAME_NAME_MAX = 8
PROBE_S = 0.5
"""How long a connection on this machine may take; a stopped node's socket answers at once too."""
_UNIX, _PORT = ".sock", ".port"
_LOOPBACK = "127.0.0.1"


class Seat(Struct, frozen=True, kw_only=True):
    """Where a node is to listen, and whom it is to connect to. Endpoints as Zenoh writes them."""

    endpoint: str
    others: tuple[str, ...]
    marker: str | None
    """The file that has to say where it listens, once it does; a socket's name says so itself."""

    def taken(self) -> None:
        """Let others find this seat; it must be listened on already."""
        if self.marker is not None:
            with open(self.marker, "w", encoding="ascii") as file:
                file.write(self.endpoint.rpartition(":")[2])

    def leave(self) -> None:
        """Take the seat off the list, where Zenoh does not do so itself."""
        if self.marker is not None:
            _remove(self.marker)


@contextmanager
def joining(folder: str, name: str, *, unix: bool = os.name == "posix") -> Iterator[Seat]:
    """Give a seat among the nodes that meet in `folder`, which is made where it is missing.

    The caller listens on it before it leaves the context, which is when others may look again.
    `name` is short and tells nodes apart. Raises `environment` where the folder is not this
    user's own or cannot be used, `busy` where another process holds its lock for LOCK_MS.
    """
    folder = os.path.abspath(folder)
    _own(folder)
    with locked(folder, "meeting", LOCK_MS):
        others = _living(folder)
        path = _free(folder, name)
        if unix and _fits(path + _UNIX):
            seat = Seat(endpoint=_unix(path + _UNIX), others=others, marker=None)
        else:
            endpoint = f"tcp/{_LOOPBACK}:{_free_port()}"
            seat = Seat(endpoint=endpoint, others=others, marker=path + _PORT)
        yield seat


def _own(folder: str) -> None:
    """Make the folder; raise `environment` where others than its user could enter it."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise _unusable(folder, "it is no folder")
    if os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o077):
        raise _unusable(folder, "others than you can enter it")


def _unusable(folder: str, why: str) -> WaggleError:
    return WaggleError(
        "environment",
        f"nodes cannot meet in {folder}: {why}",
        "Set another folder, one that you alone can enter (mode 700).",
    )


def _living(folder: str) -> tuple[str, ...]:
    """Give the endpoints of the nodes that answer, and remove the names of those that do not."""
    found: list[str] = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        endpoint = _endpoint(path)
        if endpoint is not None:
            found.append(endpoint)
        elif name.endswith((_UNIX, _PORT)):
            _remove(path)
    return tuple(found[:OTHERS_MAX])


def _endpoint(path: str) -> str | None:
    """Give the endpoint that a file stands for, None where nobody listens on it."""
    if path.endswith(_UNIX):
        return _unix(path) if _fits(path) and _answers(socket.AF_UNIX, path) else None
    if path.endswith(_PORT):
        try:
            with open(path, encoding="ascii") as file:
                port = int(file.read(16))
        except (OSError, ValueError):
            return None  # cut short by a crash: as good as nobody
        if 0 < port < 65536 and _answers(socket.AF_INET, (_LOOPBACK, port)):
            return f"tcp/{_LOOPBACK}:{port}"
    return None


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False  # nobody listens there any more
        except OSError:
            return True  # too busy to answer: that is somebody
    return True


def _free(folder: str, name: str) -> str:
    """Give a path, without its ending, that no living node uses."""
    for number in range(SAME_NAME_MAX):
        path = os.path.join(folder, f"{name}-{number}")
        if not (os.path.lexists(path + _UNIX) or os.path.lexists(path + _PORT)):
            return path
    raise _unusable(folder, f"{SAME_NAME_MAX} nodes of the name {name} are there")


def _fits(path: str) -> bool:
    """Tell whether a path can name a socket, and mean nothing else in Zenoh's endpoints."""
    return len(os.fsencode(path)) <= PATH_BYTES_MAX and not set("?#;=") & set(path)


def _unix(path: str) -> str:
    return f"unixsock-stream/{path}"


def _free_port() -> int:
    """Give a port that was free a moment ago; opening fails where somebody took it since."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _remove(path: str) -> None:
    for name in (path, f"{path}.lock"):  # Zenoh's own lock beside its socket
        try:
            os.unlink(name)
        except FileNotFoundError:
            continue  # it is gone, which is what is wanted
