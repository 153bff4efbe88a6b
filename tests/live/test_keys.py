from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.base.errors import WaggleError
from waggle.sync.live.keys import Key, everyone, parse, space_key

PROJECT = "ab" * 16
REPLICA = "cd" * 16


def test_a_key_comes_back() -> None:
    key = Key(space_key(PROJECT, "main"), REPLICA, "said")
    assert parse(key.text()) == key
    assert everyone(key.space, "said") == key.text().replace(REPLICA, "*")


def test_two_projects_do_not_share_a_space() -> None:
    keys = {space_key(project, space) for project in (PROJECT, "cd" * 16) for space in "ab"}
    assert len(keys) == 4


@pytest.mark.parametrize("project", ["", "ab", "AB" * 16, "x" * 32, "a" * 65])
def test_a_project_is_hex(project: str) -> None:
    with pytest.raises(WaggleError, match="no project id"):
        space_key(project, "main")


@pytest.mark.parametrize(
    "text",
    [
        "waggle/1/**", f"waggle/1/{'a' * 32}/*/said", f"waggle/1/{'a' * 32}/{REPLICA}/other",
        f"waggle/2/{'a' * 32}/{REPLICA}/said", f"x/waggle/1/{'a' * 32}/{REPLICA}/said",
        f"waggle/1/waggle/1/{'a' * 32}/{REPLICA}/said", f"waggle/1/{'a' * 32}/{REPLICA}/said/x",
        f"waggle/1/{'A' * 32}/{REPLICA}/said", f"waggle/1/{'a' * 32}/{REPLICA}\n/said",
    ],
)  # fmt: skip
def test_a_stranger_key_is_none_of_ours(text: str) -> None:
    assert parse(text) is None


@given(st.text())
def test_any_text_is_a_key_that_is_written_so_or_none(text: str) -> None:
    key = parse(text)
    assert key is None or key.text() == text
