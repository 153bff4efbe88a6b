"""How often hosts are asked: laws of pacing, over many devices and refusals at random."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.sync.git.manners import (
    AWAY_S_MAX,
    HOSTED_S,
    JITTER,
    LOCAL_S,
    OWN_S,
    PAUSE_S_MAX,
    Pace,
    pause_s,
)
from waggle.sync.git.trouble import Kind, Trouble, trouble

PUSHES_A_MINUTE_MAX = 6
"""What GitHub recommends for one repository (docs.github.com, "Repository limits")."""
KINDS: tuple[Kind, ...] = ("limited", "slow", "offline", "denied", "busy", "broken")
events = st.lists(
    st.none() | st.builds(trouble, st.sampled_from(KINDS), st.just("x"), st.integers(0, 4000)),
    max_size=40,
)
pauses = st.floats(LOCAL_S, 5000)


def after(pace: Pace, happened: list[Trouble | None]) -> Pace:
    for one in happened:
        pace = pace.after(one)
    return pace


@pytest.mark.parametrize(
    ("address", "pause"),
    [
        ("/srv/git/x.git", LOCAL_S),
        ("file:///srv/git/x.git", LOCAL_S),
        ("http://localhost:8080/x", LOCAL_S),
        ("http://127.0.0.1:8080/x", LOCAL_S),
        ("http://[::1]:8080/x", LOCAL_S),
        ("ssh://git@[::1]/x", LOCAL_S),
        ("http://127.0.0.1.example.org/x", OWN_S),
        ("git@git.example.org:team/x.git", OWN_S),
        ("https://github.com.example.org/x", OWN_S),
        ("https://notgithub.com/x", OWN_S),
        ("https://github.com/team/x.git", 3 * HOSTED_S),
        ("HTTPS://GitHub.com/team/x.git", 3 * HOSTED_S),
        ("https://user:p@ss@github.com/team/x.git", 3 * HOSTED_S),
        ("git@github.com:team/x.git", 3 * HOSTED_S),
        ("ssh://git@ssh.github.com:443/team/x.git", 3 * HOSTED_S),
        ("git@ssh.dev.azure.com:v3/team/project/x", 3 * HOSTED_S),
        ("https://team.visualstudio.com/project/_git/x", 3 * HOSTED_S),
        ("", OWN_S),
    ],
)
def test_the_pause_suits_the_host(address: str, pause: float) -> None:
    assert pause_s(address, 3) == pause


@given(pause=pauses, happened=events, chance=st.floats(0, 1, exclude_max=True))
def test_never_faster_than_the_pause_nor_slower_than_the_longest(
    pause: float, happened: list[Trouble | None], chance: float
) -> None:
    wait = after(Pace(pause=pause), happened).next_s(chance)
    assert pause <= wait <= max(pause, PAUSE_S_MAX) * (1 + JITTER)


@given(happened=st.lists(st.sampled_from(["offline", "slow"]), min_size=20))
def test_a_remote_that_was_away_is_asked_again_soon(happened: list[Kind]) -> None:
    pace = after(Pace(pause=LOCAL_S), [trouble(kind, "away") for kind in happened])
    assert AWAY_S_MAX <= pace.wait < 2 * AWAY_S_MAX


@given(pause=pauses, happened=events, refused=events.filter(any))
def test_a_refusal_never_makes_it_faster_and_successes_bring_it_back(
    pause: float, happened: list[Trouble | None], refused: list[Trouble | None]
) -> None:
    pace = after(Pace(pause=pause), happened)
    slower = after(pace, [one for one in refused if one is not None])
    assert slower.wait >= pace.wait
    assert after(slower, [None] * 20) == Pace(pause=pause)


@given(pause=pauses, happened=events, wait_s=st.integers(1, 4000))
def test_a_host_is_left_alone_for_as_long_as_it_asks(
    pause: float, happened: list[Trouble | None], wait_s: int
) -> None:
    pace = after(Pace(pause=pause), [*happened, trouble("limited", "x", wait_s)])
    assert pace.wait >= min(wait_s, PAUSE_S_MAX)


@given(devices=st.integers(1, 60), seed=st.integers(0, 2**32), minutes=st.integers(1, 60))
def test_all_devices_together_push_no_more_than_a_host_recommends(
    devices: int, seed: int, minutes: int
) -> None:
    chance = random.Random(seed)
    pace = Pace(pause=pause_s("https://github.com/team/x.git", devices))
    pushes = 0
    for _ in range(devices):
        at = chance.random() * pace.pause
        while at < 60 * minutes:
            pushes += 1
            at += pace.next_s(chance.random())
    assert pushes <= PUSHES_A_MINUTE_MAX * minutes + devices
