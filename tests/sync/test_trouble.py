"""What git and hosts really say, told apart; and what of it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.sync.git.trouble import (
    ROW_CHARS_MAX,
    SAID_CHARS_MAX,
    TEXT_CHARS_MAX,
    WAIT_S_MAX,
    Kind,
    classify,
)


def _read_said() -> Iterator[tuple[Kind, str]]:
    """Read said.txt: what was said, by the kind of trouble that it is."""
    text = Path(__file__).with_name("said.txt").read_text(encoding="utf-8")
    for part in text.split("\n== ")[1:]:
        title, _, said = part.partition("\n")
        kind: Kind = msgspec.convert(title.partition(":")[0], Kind)
        yield kind, said


SAID = list(_read_said())
GIVE_UP = """fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@pytest.mark.parametrize(("kind", "said"), SAID)
def test_what_is_said_is_told_apart(kind: Kind, said: str) -> None:
    found = classify(said, 128)
    assert found.kind == kind
    assert found.text
    assert found.next_step


def test_what_says_nothing_and_what_ran_out_of_time_has_a_text_too() -> None:
    assert classify("", 128).text == "git ended with status 128"
    assert classify("fatal: whatever", None).kind == "slow"


def test_only_waiting_mends_what_is_tried_again() -> None:
    again = {found.kind for found in (classify(said, 1) for _, said in SAID) if found.again}
    assert again == {"limited", "slow", "busy", "offline"}


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        ("fatal: rate limited by 'https://x/', please try again in 30 seconds", 30),
        ("remote: Too many requests\nremote: Retry-After: 120", 120),
        ("remote: Too many requests. Try again in 999999 seconds", WAIT_S_MAX),
        ("remote: Too many requests", 0),
    ],
)
def test_how_long_a_host_wants_to_be_left_alone(said: str, wait_s: int) -> None:
    assert classify(said, 1).wait_s == wait_s


def test_the_last_lines_are_shown_without_what_git_says_every_time() -> None:
    found = classify(f"hint: use --force\nERROR: Repository not found.\n{GIVE_UP}", 128)
    rows = found.text.split(" / ")
    assert rows == [
        "ERROR: Repository not found.",
        "fatal: Could not read from remote repository.",
    ]


SECRET = "s3cr3t"  # noqa: S105 - it is one, and must not be shown
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(
    before=AROUND,
    after=AROUND,
    address=st.sampled_from(
        [
            f"https://user:{SECRET}@host/x",
            f"https://user:p@{SECRET}@host/x",
            f"https://user:p/{SECRET}@host/x",
            f"https://{SECRET}@host/x",
            f"ssh://user:{SECRET}@host:22/x",
            f"https://host/x?private_token={SECRET}&y",
            f"Authorization: {SECRET}",
        ]
    ),
)
def test_no_secret_is_shown_whatever_stands_around_it(
    before: str, after: str, address: str
) -> None:
    text = classify(f"{before} {address} {after}", 1).text
    assert SECRET not in text
    assert len(text) <= TEXT_CHARS_MAX
    assert text.isprintable()


@pytest.mark.parametrize("at", range(40))
def test_no_part_of_a_secret_is_shown_where_words_are_cut(at: int) -> None:
    address = "https://user:SECRETSECRET@host/x"
    for said in (
        f"{'x' * (ROW_CHARS_MAX - at)} {address}",
        f"{address} {'x' * (SAID_CHARS_MAX - at)}",
        f"{address}\n{'x' * (SAID_CHARS_MAX - at)}",
    ):
        text = classify(said, 1).text
        assert not [part for part in ("SEC", "ECR", "CRE", "RET") if part in text], text


def test_a_host_that_talks_without_end_is_read_quickly() -> None:
    said = "update ref " * 300_000 + "\n" + "://" * 300_000 + "\nfatal: early EOF"
    assert classify(said, 1).kind == "offline"
