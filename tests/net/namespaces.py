"""Network namespaces without names: they last as long as a process or an open file holds them.

Nothing is mounted and no interface has a name outside its namespace, so whatever kills the tests,
the kernel clears away, and networks of the same addresses exist side by side.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

PATIENCE_S = 20
"""How long anything may take that is sure to happen."""
NETMASK = "255.255.255.0"
QUEUE_PACKETS_MAX = 10_000
"""How many packets the kernel keeps of a host while the switch is not at it."""
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFTXQLEN = 0x8916, 0x891C, 0x8943


class RefusedError(Exception):
    """This machine does not let this user make networks; the text says what it refused."""


@contextmanager
def _attempt(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(f"{what}: {error.strerror}") from error


def unshare_network() -> None:
    """Move this process into a new network namespace that has only a loopback, still down.

    Who may not do that is first made the master of a new user namespace, as itself.
    Raises RefusedError.
    """
    with _attempt("no network namespace can be made"):
        try:
            _unshare(_CLONE_NEWNET)
        except PermissionError:
            user, group = os.geteuid(), os.getegid()
            _unshare(_CLONE_NEWUSER)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
            _unshare(_CLONE_NEWNET)


def _unshare(flags: int) -> None:
    """Call unshare(2): Python has it from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def hold() -> int:
    """Open the network namespace of this process: a file that keeps it."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def plug(address: str) -> int:
    """Make a TUN interface with an IPv4 address in this process's namespace, and its loopback up.

    Gives the file, not blocking, from which IP packets of this host are read and to which those
    for it are written. The interface goes with the file. Raises RefusedError.
    """
    with _attempt("/dev/net/tun cannot be opened"):
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    with _attempt("no TUN interface can be made"):
        # Without TUNSETOFFLOAD the kernel cuts packets to the MTU and fills in their checksums.
        fcntl.ioctl(handle, _TUNSETIFF, _request("net0", struct.pack("H", _IFF_TUN | _IFF_NO_PI)))
    _without_ipv6()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in (
            (_SIOCSIFADDR, _sockaddr(address)),
            (_SIOCSIFNETMASK, _sockaddr(NETMASK)),
        ):
            fcntl.ioctl(control, request, _request("net0", value))
        with suppress(PermissionError):  # in a user namespace the kernel's own limit, 500, stays
            length = struct.pack("i", QUEUE_PACKETS_MAX)
            fcntl.ioctl(control, _SIOCSIFTXQLEN, _request("net0", length))
        for name in ("lo", "net0"):
            before = fcntl.ioctl(control, _SIOCGIFFLAGS, _request(name, b""))
            (flags,) = struct.unpack_from("H", before, 16)
            fcntl.ioctl(control, _SIOCSIFFLAGS, _request(name, struct.pack("H", flags | _IFF_UP)))
    return handle


def _without_ipv6() -> None:
    """Give the interface no link-local address: the switch would not carry its packets.

    Where the kernel has no IPv6 or /proc/sys is read-only, the interface is as good as it is.
    """
    with suppress(OSError):
        _write("/proc/sys/net/ipv6/conf/net0/disable_ipv6", "1")


def _request(name: str, value: bytes) -> bytes:
    """Lay out a `struct ifreq`."""
    return struct.pack("16s24s", name.encode(), value)


def _sockaddr(address: str) -> bytes:
    return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(address))


def namespace_of(pid: int) -> int | None:
    """Give the number of a process's network namespace; None if that is not to be seen."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:  # it ended, or is another user's; then it is none of ours
        return None


def processes_within(namespaces: Collection[int]) -> list[int]:
    """Give the ids of all processes that live in some network namespaces, zombies left out."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if namespace_of(pid) in namespaces]


def kill_within(namespaces: Collection[int]) -> None:
    """SIGKILL all processes in some network namespaces, however they came there, until none is.

    Hold them: the kernel gives the number of one that is gone to the next. Raises TimeoutError.
    """
    end = time.monotonic() + PATIENCE_S
    while pids := processes_within(namespaces):
        for pid in pids:
            if time.monotonic() > end:
                raise TimeoutError(f"processes {pids} do not end")
            _kill(pid, namespaces)


def _kill(pid: int, namespaces: Collection[int]) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return  # it ended by itself
    try:
        # Only now: the number may have become another process's, the handle stays with this one.
        if namespace_of(pid) in namespaces:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], PATIENCE_S)
    except ProcessLookupError:
        pass  # it ended by itself
    finally:
        os.close(handle)
