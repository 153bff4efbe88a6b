"""One node on the live path, beside good peers, slow ones and hostile ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zenoh
from tests.live.nodes import PATIENCE_S, Nodes, eventually

from waggle.base.errors import WaggleError
from waggle.sync.live import peer as peers
from waggle.sync.live.keys import KINDS, Key, space_key
from waggle.sync.live.peer import Heard, Peer, on_loop
from waggle.sync.live.settings import Settings
from waggle.sync.live.wire import MESSAGE_BYTES_MAX

PROJECT = "ab" * 16
KEY = space_key(PROJECT, "main")
ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)


class Watched:
    """A peer in this process, and all that it took so far."""

    def __init__(self, replica: str, settings: Settings, project: str = PROJECT) -> None:
        self.news = threading.Event()
        self.heard: list[Heard] = []
        self.peer = Peer(settings, project, replica, self.news.set)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Take what comes until a condition holds."""
        while not holds():
            heard = [(one.what, one.data[:20]) for one in self.heard[-9:]]
            assert self.news.wait(PATIENCE_S), f"waited in vain: {what}; heard {heard}"
            self.news.clear()
            while taken := self.peer.take():
                self.heard += taken

    def hears(self, text: bytes, node: str | None = None) -> None:
        self.until(
            repr(text),
            lambda: any(one.data == text and node in (None, one.node) for one in self.heard),
        )

    def hears_again(self, speaker: Watched) -> None:
        """Let another speak until this one hears it: a link that was full drops at first."""

        def heard() -> bool:
            speaker.peer.publish("main", "hello", b"again")
            taken = self.peer.take(100_000)
            self.heard += taken
            return any(one.data == b"again" for one in taken)

        eventually("to be heard again", heard)

    def meets(self, *nodes: str, space: str = "main") -> None:
        self.until("meeting", lambda: self.peer.present(space) >= set(nodes))

    def texts(self) -> list[bytes]:
        return [one.data for one in self.heard if one.what == "said"]


@pytest.fixture
def watch(meeting: str) -> Iterator[Callable[..., Watched]]:
    """Open peers in this process that meet in one folder."""
    opened: list[Watched] = []

    def start(replica: str, *spaces: str, **more: Any) -> Watched:  # noqa: ANN401 (any setting)
        project = more.pop("project", PROJECT)
        watched = Watched(replica, Settings(**{"meeting": meeting} | more), project)
        opened.append(watched)
        watched.peer.open(spaces or ("main",))
        return watched

    yield start
    for watched in opened:
        assert watched.peer.close()


@pytest.fixture
def stranger(meeting: str) -> Iterator[Callable[[], zenoh.Session]]:
    """Open bare Zenoh sessions that can reach the peers and keep no rule."""
    sessions: list[zenoh.Session] = []

    def start() -> zenoh.Session:
        config = zenoh.Config()
        paths = [f"unixsock-stream/{path}" for path in Path(meeting).rglob("*.sock")]
        config.insert_json5("connect/endpoints", json.dumps(paths))
        config.insert_json5("scouting/multicast/enabled", "false")
        sessions.append(zenoh.open(config))
        return sessions[-1]

    yield start
    for session in sessions:
        session.close()  # type: ignore[no-untyped-call]


Watch = Callable[..., Watched]
Stranger = Callable[[], zenoh.Session]


# --- good peers --------------------------------------------------------------------------------


def test_what_one_says_the_others_hear_in_order_and_it_does_not_hear_itself(watch: Watch) -> None:
    one, two, three = watch(ONE), watch(TWO), watch(THREE)
    one.meets(TWO, THREE)
    texts = [b"%d" % number for number in range(100)]
    for text in texts:
        assert one.peer.publish("main", "said", text)
    for other in (two, three):
        other.hears(texts[-1])
        assert other.texts() == texts
        assert {one.node for one in other.heard if one.what == "said"} == {ONE}
    two.peer.publish("main", "frame", b"frame")
    one.hears(b"frame", TWO)
    assert one.texts() == []


def test_a_space_is_heard_by_those_who_joined_it(watch: Watch) -> None:
    one, two = watch(ONE, "a", "b"), watch(TWO, "b")
    two.meets(ONE, space="b")
    one.peer.publish("a", "said", b"in a")
    one.peer.publish("b", "said", b"in b")
    two.hears(b"in b")
    assert two.texts() == [b"in b"]
    two.peer.join("a")
    two.peer.join("a")
    one.meets(TWO, space="a")
    one.peer.publish("a", "said", b"again")
    one.peer.publish("b", "said", b"end")
    two.hears(b"end")
    assert two.texts() == [b"in b", b"again", b"end"]


def test_two_projects_do_not_mix(watch: Watch, meeting: str) -> None:
    other = watch(ONE, project="cd" * 16)
    one, two = watch(TWO), watch(THREE)
    one.meets(THREE)
    assert (one.peer.links, other.peer.links) == (1, 0)
    other.peer.publish("main", "said", b"other project")
    two.peer.publish("main", "said", b"end")
    one.hears(b"end")
    assert one.texts() == [b"end"]
    assert len(os.listdir(meeting)) == 2


def test_a_question_is_answered_by_the_node_that_is_asked(watch: Watch) -> None:
    one, two, three = watch(ONE), watch(TWO), watch(THREE)
    one.meets(TWO, THREE)

    def answer(node: Watched, stop: threading.Event) -> None:
        while not stop.is_set():
            for asked in node.peer.take_asks():
                asked.question.answer([node.peer.replica.encode(), asked.question.data])
            node.news.wait(0.01)

    stop = threading.Event()
    threads = [threading.Thread(target=answer, args=(node, stop)) for node in (two, three)]
    for thread in threads:
        thread.start()
    try:
        ask = one.peer.ask
        assert ask("main", TWO, b"?", timeout_s=PATIENCE_S) == [TWO.encode(), b"?"]
        assert ask("main", THREE, b"?", timeout_s=PATIENCE_S) == [THREE.encode(), b"?"]
        assert ask("main", TWO, b"?", timeout_s=PATIENCE_S, bytes_max=2) == [b"?"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert one.peer.ask("main", "f" * 32, b"nobody", timeout_s=PATIENCE_S) == []


def test_a_node_that_is_asked_and_does_not_answer_holds_nobody_for_long(watch: Watch) -> None:
    one, two = watch(ONE), watch(TWO)
    one.meets(TWO)
    assert one.peer.ask("main", TWO, b"?", timeout_s=0.05) == []
    (asked,) = two.peer.take_asks()
    asked.question.answer([b"too late"])
    asked.question.drop()


def test_nodes_find_one_another_on_the_network_when_they_may(watch: Watch) -> None:
    require_multicast()
    one = watch(ONE, meeting=None, discover=True)
    two = watch(TWO, meeting=None, discover=True)
    one.meets(TWO)
    two.peer.publish("main", "said", b"over the network")
    one.hears(b"over the network")


def require_multicast() -> None:
    """Skip where this machine does not hear its own multicast."""
    group = ("224.0.0.224", 17446)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", group[1]))
            member = socket.inet_aton(group[0]) + bytes(4)  # on any interface
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            probe.settimeout(1)
            probe.sendto(b"?", group)
            probe.recv(1)
        except OSError as error:
            pytest.skip(f"there is no multicast here: {error}")


def test_the_loop_is_woken_and_a_closed_loop_is_left_alone(watch: Watch, meeting: str) -> None:
    one = watch(ONE)

    async def hear() -> tuple[Peer, list[Heard]]:
        arrived, heard = asyncio.Event(), list[Heard]()
        wake = on_loop(asyncio.get_running_loop(), arrived)
        peer = Peer(Settings(meeting=meeting), PROJECT, TWO, wake)
        peer.open(["main"])
        await asyncio.to_thread(one.meets, TWO)
        one.peer.publish("main", "said", b"wake")
        while not any(item.data == b"wake" for item in heard):
            await asyncio.wait_for(arrived.wait(), PATIENCE_S)
            arrived.clear()
            while taken := peer.take():
                heard += taken
        return peer, heard

    peer, heard = asyncio.run(hear())
    assert heard[-1] == Heard("main", ONE, "said", b"wake")
    one.peer.publish("main", "said", b"nobody is left to wake")
    one.peer.publish("main", "said", b"nor now")
    assert peer.close()


# --- slow peers --------------------------------------------------------------------------------


def test_a_stopped_reader_keeps_its_link_and_nobody_else_waits(nodes: Nodes, watch: Watch) -> None:
    """Whoever waits for it would close its link in the end, and it would be gone."""
    stopped, one, two = nodes.start(), watch(ONE), watch(TWO)
    one.meets(stopped.replica, TWO)
    stopped.wait("meeting", lambda events: ["heard", ONE, "here", ""] in events)
    stopped.stop()
    for _ in range(32):
        one.peer.publish("main", "frame", bytes(1024 * 1024))
        for _ in range(100):
            one.peer.publish("main", "said", b"x" * 600)
    two.hears_again(one)
    stopped.go_on()

    def heard() -> bool:
        one.peer.publish("main", "hello", b"again")
        return stopped.count(ONE, "hello", "again") > 0

    eventually("to be heard again", heard)
    one.heard += one.peer.take()
    assert not [item for item in one.heard if item.what == "gone"]


def test_a_node_that_does_not_take_loses_what_is_new_and_can_count_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HEARD_BYTES_MAX", 64 * 1024)
    slow = watch(ONE)
    monkeypatch.undo()
    quick, speaker = watch(TWO), watch(THREE)
    speaker.meets(ONE, TWO)
    for number in range(200):
        speaker.peer.publish("main", "said", b"%d" % number)
    quick.hears(b"199")
    eventually("the loss", lambda: slow.peer.dropped >= 100)
    slow.heard += slow.peer.take()
    numbers = [int(text) for text in slow.texts()]
    assert numbers[:40] == list(range(40))
    assert quick.peer.dropped == 0


# --- hostile peers -----------------------------------------------------------------------------


def test_what_is_not_of_our_form_is_counted_and_the_rest_goes_on(
    watch: Watch, stranger: Stranger
) -> None:
    one, hostile = watch(ONE), stranger()
    said = Key(KEY, TWO, "said").text()
    hostile.put(f"waggle/1/{KEY}/**", b"wild")
    hostile.put(f"waggle/1/{KEY}/{'x' * 32}/said", b"no replica")
    for size in (MESSAGE_BYTES_MAX + 1, 2 * MESSAGE_BYTES_MAX):
        hostile.put(said, bytes(size), congestion_control=zenoh.CongestionControl.BLOCK)
    hostile.delete(said)
    replies = hostile.get(f"waggle/1/{KEY}/*/ask", payload=b"who is there?")
    assert list(replies) == []
    hostile.put(said, b"end")
    one.hears(b"end")
    assert [item for item in one.heard if item.what != "said"] == []
    assert one.texts() == [b"end"]
    # The wild key meets a subscription for each kind; what is far too large is never put together.
    assert one.peer.strays == len(KINDS) + 1 + 1 + 1 + 1


def test_an_asker_that_blocks_holds_neither_publisher_nor_link(watch: Watch) -> None:
    """Its question is rewritten: with an answer that may block, its link would be closed."""
    victim, other = watch(ONE), watch(TWO)
    victim.meets(TWO)
    code = (
        "import json, os, signal, sys, zenoh\n"
        "config = zenoh.Config()\n"
        "config.insert_json5('connect/endpoints', sys.argv[1])\n"
        "config.insert_json5('scouting/multicast/enabled', 'false')\n"
        "session = zenoh.open(config)\n"
        "token = session.liveliness().declare_token(sys.argv[2])\n"
        "replies = session.get(sys.argv[3], payload=b'?', timeout=60,\n"
        "    congestion_control=zenoh.CongestionControl.BLOCK, priority=zenoh.Priority.DATA)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
        "session.put(sys.argv[4], b'still there')\n"
        "sys.stdin.readline()\n"
    )
    folder = Path(victim.peer.settings.meeting or "", PROJECT[:16])
    arguments = (
        json.dumps([f"unixsock-stream/{folder}/{ONE[:16]}-0.sock"]),
        Key(KEY, THREE, "here").text(),
        Key(KEY, ONE, "ask").text(),
        Key(KEY, THREE, "said").text(),
    )
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE) as asker:
        try:
            victim.meets(THREE)
            questions = list[peers.Asked]()

            def asked() -> bool:
                questions.extend(victim.peer.take_asks())
                return bool(questions)

            victim.until("the question", asked)
            assert asker.stdin
            asker.stdin.write(b"\n")
            asker.stdin.flush()
            os.waitid(os.P_PID, asker.pid, os.WSTOPPED | os.WNOWAIT)
            questions[0].question.answer([bytes(1024 * 1024)] * 20)
            victim.peer.publish("main", "said", b"end")
            other.hears(b"end")
            asker.send_signal(signal.SIGCONT)
            victim.hears(b"still there")
            assert not [item for item in victim.heard if item.what == "gone"]
        finally:
            asker.kill()


def test_too_many_questions_end_at_once(watch: Watch, stranger: Stranger) -> None:
    watch(ONE)
    hostile = stranger()
    ended = threading.Semaphore(0)

    def ignore(reply: zenoh.Reply) -> None:
        pass

    for _ in range(300):
        hostile.get(
            Key(KEY, ONE, "ask").text(),
            zenoh.handlers.Callback(ignore, drop=ended.release, indirect=False),
            payload=b"?", timeout=3600,
        )  # fmt: skip
    for _ in range(300 - 128):
        assert ended.acquire(timeout=PATIENCE_S)


def test_a_message_that_is_too_large_is_not_sent(watch: Watch) -> None:
    with pytest.raises(WaggleError, match="the limit is"):
        watch(ONE).peer.publish("main", "frame", bytes(MESSAGE_BYTES_MAX + 1))


# --- opening and closing -----------------------------------------------------------------------


def test_closing_again_or_what_was_never_open_does_nothing(meeting: str) -> None:
    peer = Peer(Settings(meeting=meeting), PROJECT, ONE, lambda: None)
    assert peer.close()
    again = Peer(Settings(meeting=meeting), PROJECT, ONE, lambda: None)
    again.open(["main"])
    assert again.close()
    assert again.close()
    assert not again.publish("main", "said", b"x")
    assert again.ask("main", TWO, b"?", timeout_s=1) == []
    assert again.links == 0


@pytest.mark.parametrize("trouble", ["port", "folder", "space"])
def test_what_fails_to_open_is_closed_and_says_why(meeting: str, trouble: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp/127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(meeting=meeting, listen=(endpoint,) if trouble == "port" else ())
        if trouble == "folder":
            os.mkdir(os.path.join(meeting, PROJECT[:16]), 0o755)
        peer = Peer(settings, PROJECT, ONE, lambda: None)
        with pytest.raises(WaggleError) as caught:
            peer.open(["no/space" if trouble == "space" else "main"])
    assert caught.value.next_step
    assert peer.close()
    assert not list(Path(meeting).rglob("*.sock*"))


def test_a_client_without_its_router_opens_and_closes(meeting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"tcp/127.0.0.1:{silent.getsockname()[1]}"
        settings = Settings(meeting=meeting, mode="client", connect=(endpoint,))
        peer = Peer(settings, PROJECT, ONE, lambda: None)
        peer.open(["main"])
        assert not peer.present("main")
        assert peer.close()


def test_peers_that_are_gone_or_stopped_do_not_keep_it_from_closing(
    nodes: Nodes, watch: Watch
) -> None:
    killed, stopped, one = nodes.start(), nodes.start(), watch(ONE)
    one.meets(killed.replica, stopped.replica)
    killed.kill()
    stopped.stop()
    assert one.peer.close()


LEAVE = (
    "import sys, threading\n"
    "from waggle.sync.live.peer import Peer\n"
    "from waggle.sync.live.settings import Settings\n"
    "news = threading.Event()\n"
    "peer = Peer(Settings(meeting=sys.argv[1]), 'ab' * 16, '1' * 32, news.set)\n"
    "peer.open(['main'])\n"
    "if sys.argv[2] == 'hear and leave': news.wait()\n"
    "if sys.argv[2] == 'close': peer.close(wait_s=0)\n"
)


def leave(meeting: str, how: str) -> None:
    """Run a program that opens a peer and ends; it must end in time and in silence."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LEAVE, meeting, how],
        capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_program_ends_in_silence_while_others_speak_to_it(watch: Watch, meeting: str) -> None:
    speaker, ended = watch(TWO), threading.Event()

    def speak() -> None:
        while not ended.wait(0.0002):
            speaker.peer.publish("main", "said", b"x")

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        for _ in range(5):
            leave(meeting, "hear and leave")
    finally:
        ended.set()
        thread.join()


def test_a_program_ends_although_it_never_closed_and_a_peer_never_answered(meeting: str) -> None:
    folder = os.path.join(meeting, PROJECT[:16])
    os.mkdir(folder, 0o700)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.path.join(folder, "silent-0.sock"))
        silent.listen()
        leave(meeting, "close")
        leave(meeting, "leave")
