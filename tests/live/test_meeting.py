"""The folder where nodes meet: who is listed, whose folder it is, what is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from waggle.base.errors import WaggleError
from waggle.sync.live.meeting import PATH_BYTES_MAX, joining

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sockets in folders are POSIX")


def listen(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen()
    return server


def test_the_first_finds_nobody_and_the_second_finds_the_first(meeting: str) -> None:
    with joining(meeting, "one") as first:
        path = first.endpoint.removeprefix("unixsock-stream/")
        server = listen(path)
    with server, joining(meeting, "one") as second:
        assert first.others == ()
        assert second.others == (first.endpoint,)
        assert second.endpoint != first.endpoint


@pytest.mark.parametrize("how", ["killed", "refused"])
def test_a_name_that_answers_no_more_is_removed(meeting: str, how: str) -> None:
    path = os.path.join(meeting, "gone-0.sock")
    if how == "killed":
        code = f"import socket, signal, os; s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); os.kill(os.getpid(), {int(signal.SIGKILL)})"  # noqa: E501
        subprocess.run([sys.executable, "-c", code], check=False)
    else:
        listen(path).close()
    Path(f"{path}.lock").touch()
    with joining(meeting, "one") as seat:
        assert seat.others == ()
    assert not [name for name in os.listdir(meeting) if name.startswith("gone")]


def test_one_that_is_too_busy_to_answer_is_somebody(meeting: str) -> None:
    path = os.path.join(meeting, "busy-0.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        waiting = []
        for _ in range(3):  # more than the queue of connections holds
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(0)
            waiting.append(client)
            client.connect_ex(path)
        with joining(meeting, "one") as seat:
            assert seat.others == (f"unixsock-stream/{path}",)
        for client in waiting:
            client.close()


def test_a_path_too_long_for_a_socket_becomes_a_port_on_loopback(meeting: str) -> None:
    folder = os.path.join(meeting, "x" * PATH_BYTES_MAX)
    with joining(folder, "one") as seat:
        port = int(seat.endpoint.removeprefix("tcp/127.0.0.1:"))
        server = socket.create_server(("127.0.0.1", port))
        seat.taken()
    with server, joining(folder, "two") as second:
        assert second.others == (seat.endpoint,)
    with joining(folder, "three") as third:
        assert third.others == ()
    assert os.listdir(folder) == ["meeting.lock"]
    seat.leave()  # it is gone already


@pytest.mark.parametrize("sign", ["?", "#", ";", "="])
def test_a_path_that_would_mean_something_else_to_zenoh_is_no_socket(
    meeting: str, sign: str
) -> None:
    with joining(os.path.join(meeting, f"a{sign}b"), "one") as seat:
        assert seat.endpoint.startswith("tcp/127.0.0.1:")


@pytest.mark.parametrize("content", [b"", b"70000", b"0", b"-1", b"x", b"\xff", b"1 and more"])
def test_a_file_that_names_no_port_is_nobody(meeting: str, content: bytes) -> None:
    path = Path(meeting, "odd-0.port")
    path.write_bytes(content)
    with joining(meeting, "one") as seat:
        assert seat.others == ()
    assert not path.exists()


def test_a_folder_that_others_can_enter_is_refused(meeting: str) -> None:
    os.chmod(meeting, 0o711)  # noqa: S103 - what is refused
    with pytest.raises(WaggleError, match="others than you"), joining(meeting, "one"):
        pass


def test_a_link_to_a_folder_is_refused(meeting: str) -> None:
    link = os.path.join(meeting, "link")
    os.mkdir(os.path.join(meeting, "real"), 0o700)
    os.symlink("real", link)
    with pytest.raises(WaggleError, match="no folder"), joining(link, "one"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(meeting: str) -> None:
    Path(meeting, "file").touch()
    with (
        pytest.raises(WaggleError, match="cannot meet"),
        joining(os.path.join(meeting, "file", "x"), "one"),
    ):
        pass


def test_names_that_are_no_nodes_are_left_alone(meeting: str) -> None:
    Path(meeting, "notes.txt").touch()
    with joining(meeting, "one") as seat:
        assert seat.others == ()
    assert Path(meeting, "notes.txt").exists()
