"""Frames as commit messages: what is stated reads back, anything else is no frame."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base.limits import FRAME_BYTES_MAX, FRAME_ENTRIES_MAX
from waggle.log.chain import Refusal, follow, start
from waggle.log.frame import (
    Statement,
    check,
    commit_bytes,
    identity,
    message,
    parse_message,
    signed_bytes,
    split_lines,
)
from waggle.log.line import body, line

REPLICA = "ab" * 16
HEAD = start("main", REPLICA)
LINES = [line(at, body("x.y", {"name": "a"}, {})) for at in (1, 2, 3)]
GOOD = Statement(space="main", replica=REPLICA, first=1, last=3, hash=follow(HEAD, LINES)[0][-1].id)


@given(st.integers(1, 2**40), st.integers(0, 99), st.lists(st.sampled_from(["a.b", "c.d"])))
def test_a_statement_reads_back_from_its_message(first: int, more: int, kinds: list[str]) -> None:
    stated = msgspec.structs.replace(GOOD, first=first, last=first + more)
    assert parse_message(message(stated, kinds)) == stated


def test_the_first_line_tells_people_what_is_in_it() -> None:
    text = message(GOOD, ["vote.cast", "task.add", "vote.cast"])
    assert text.splitlines()[0] == "waggle 1-3: 1 task.add, 2 vote.cast"


@pytest.mark.parametrize(
    ("part", "by"),
    [
        ("space: main\n", ""),
        ("space: main\n", "space: main\nspace: other\n"),
        ("first: 1", "first: one"),
        ("first: 1", "first: -1"),
        ("first: 1", "first: ²"),
        ("last: 3", "last: 3000000000000000"),
        (f"replica: {REPLICA}", "replica: ab"),
        ("hash: ", "hash: g"),
        ("\n\n", "\n"),
    ],
)
def test_other_messages_are_no_frames(part: str, by: str) -> None:
    text = message(GOOD, ["x.y"])
    assert part in text
    with pytest.raises(ValueError, match="frame"):
        parse_message(text.replace(part, by))


def test_a_good_frame_gives_its_links() -> None:
    links = check(HEAD, GOOD, LINES)
    assert not isinstance(links, Refusal)
    assert [link.line for link in links] == LINES


@pytest.mark.parametrize(
    ("changes", "lines", "why"),
    [
        ({"first": 2, "last": 4}, LINES, "follows seq 0"),
        ({"last": 2}, LINES, "another number"),
        ({"last": 4}, LINES, "another number"),
        ({"last": 0}, [], "holds none"),
        ({"hash": "cc" * 32}, LINES, "running hash"),
        ({}, LINES[:2] + LINES[:1], "clock"),
        ({}, [LINES[0], LINES[2], LINES[1]], "clock"),
        (
            {"last": FRAME_ENTRIES_MAX + 1},
            LINES[:1] * (FRAME_ENTRIES_MAX + 1),
            "holds none or more",
        ),
    ],
)
def test_a_wrong_frame_is_refused(changes: dict[str, object], lines: list[bytes], why: str) -> None:
    refusal = check(HEAD, msgspec.structs.replace(GOOD, **changes), lines)
    assert isinstance(refusal, Refusal)
    assert why in refusal.reason


def test_entries_end_in_a_newline_and_are_not_too_many_bytes() -> None:
    assert split_lines(b"a\nb\n") == [b"a", b"b"]
    assert split_lines(b"\n") == [b""]
    for blob in (b"", b"a", b"a\nb", b"x" * FRAME_BYTES_MAX + b"\n"):
        with pytest.raises(ValueError, match="frame"):
            split_lines(blob)


def test_a_commit_is_put_together_as_git_reads_it() -> None:
    raw = commit_bytes(
        tree="11" * 20, parents=["22" * 20, "33" * 20], who=identity(REPLICA, 7), text="a\n\nb\n"
    )
    who = f"waggle {REPLICA[:12]} <{REPLICA}@waggle.invalid> 7 +0000"
    assert raw.decode() == (
        f"tree {'11' * 20}\nparent {'22' * 20}\nparent {'33' * 20}\n"
        f"author {who}\ncommitter {who}\n\na\n\nb\n"
    )
    signed = signed_bytes(raw, "BEGIN\nrow\nEND\n").decode()
    assert f"committer {who}\ngpgsig BEGIN\n row\n END\n\na\n\nb\n" in signed
