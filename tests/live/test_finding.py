"""Nodes in processes of their own find one another, whoever is killed, stopped or late."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.live.nodes import Node, Nodes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops and kills by signals")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def talk(*nodes: Node, text: str) -> None:
    """Let every node say something that all others have to hear."""
    for node in nodes:
        node.do("said", text)
    for one in nodes:
        for other in nodes:
            if one is not other:
                one.hears(other, "said", text)


def test_three_nodes_meet_the_first_is_killed_and_a_fourth_joins(nodes: Nodes) -> None:
    first, second, third = (nodes.start() for _ in range(3))
    first.meets(second, third)
    second.meets(third)
    talk(first, second, third, text="all")
    first.kill()
    second.hears(first, "gone")
    third.hears(first, "gone")
    talk(second, third, text="two")
    fourth = nodes.start()
    fourth.meets(second, third)
    talk(second, third, fourth, text="four")
    assert fourth.count(first.replica, "here") == 0


def test_nodes_that_start_at_once_all_meet(nodes: Nodes) -> None:
    started = [nodes.begin() for _ in range(5)]
    for number, node in enumerate(started):
        node.meets(*started[:number])
    talk(*started, text="hello")


def test_a_killed_node_comes_back_under_its_name(nodes: Nodes) -> None:
    one, other = nodes.start(), nodes.start()
    one.meets(other)
    one.kill()
    other.hears(one, "gone")
    again = nodes.start(one.replica)
    again.hears(other, "here")
    other.hears(again, "here", times=2)
    talk(again, other, text="back")


def test_a_stopped_node_keeps_nobody_from_meeting_and_is_met_when_it_goes_on(nodes: Nodes) -> None:
    stopped, witness = nodes.start(), nodes.start()
    stopped.meets(witness)
    stopped.stop()
    late = nodes.start()
    late.meets(witness)
    talk(witness, late, text="without")
    stopped.go_on()
    stopped.meets(late)
    talk(stopped, witness, late, text="with")


def test_nodes_meet_by_ports_where_sockets_cannot_be(nodes: Nodes) -> None:
    nodes.meeting = os.path.join(nodes.meeting, "x" * 100)
    one, other = nodes.start(), nodes.start()
    one.meets(other)
    one.kill()
    other.hears(one, "gone")
    third = nodes.start()
    third.meets(other)
    talk(other, third, text="by port")


def test_what_a_node_leaves_behind_is_gone_when_it_closes(nodes: Nodes) -> None:
    node = nodes.start()
    node.do("close")
    node.wait("closed", lambda events: ["closed", True] in events)
    assert [path.name for path in Path(nodes.meeting).rglob("*.sock*")] == []


def test_clients_of_a_router_hear_one_another_and_find_it_again(nodes: Nodes) -> None:
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    clients = [
        nodes.start(meeting=None, mode="client", connect=(endpoint,)) for _ in range(2)
    ]  # before there is a router
    router = nodes.start(meeting=None, mode="router", listen=(endpoint,))
    clients[0].meets(clients[1], router)
    router.meets(clients[1])
    talk(*clients, router, text="through")
    router.kill()
    clients[0].hears(router, "gone")
    again = nodes.start(meeting=None, mode="router", listen=(endpoint,))
    again.meets(*clients)
    clients[0].hears(clients[1], "here", times=2)
    clients[1].hears(clients[0], "here", times=2)
    talk(*clients, again, text="again")


def test_peers_that_name_one_endpoint_all_hear_one_another(nodes: Nodes) -> None:
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    listen = ("tcp/127.0.0.1:0",)
    others = [nodes.start(meeting=None, listen=listen, connect=(endpoint,)) for _ in range(2)]
    known = nodes.start(meeting=None, listen=(endpoint,))
    known.meets(*others)
    others[0].meets(others[1])
    known.kill()
    others[0].hears(known, "gone")
    talk(*others, text="by gossip")
