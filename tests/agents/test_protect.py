from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waggle.agents.protect import (
    DEFAULT_PROTECTED,
    Change,
    Restoration,
    protected,
    split_changes,
)

SEGMENTS = st.text(alphabet="ab*?", min_size=1, max_size=4) | st.just("**")
GLOBS = st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join)
PATHS = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=6).map(
    "/".join
)
CHANGES = st.builds(
    lambda status, path, old: Change(
        status=status, path=path, old_path=old if status in {"R", "C"} else None
    ),
    st.sampled_from(["A", "M", "D", "R", "C", "T"]),
    PATHS,
    PATHS,
)


def dumb(glob: list[str], path: list[str]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        if len(glob) == 1:
            return bool(path)
        return any(dumb(glob[1:], path[index:]) for index in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], glob[0]) and dumb(glob[1:], path[1:])


def change(
    status: Literal["A", "M", "D", "R", "C", "T"], path: str, old: str | None = None
) -> Change:
    return Change(status=status, path=path, old_path=old)


@given(glob=GLOBS, path=PATHS)
def test_matches_as_a_dumb_recursive_matcher_does(glob: str, path: str) -> None:
    assert protected([path], [glob]) == [path] * dumb(glob.split("/"), path.split("/"))


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("tests/**", "tests/a.py", True),
        ("tests/**", "tests/a/b.py", True),
        ("tests/**", "tests", False),
        ("tests/**", "src/tests/a.py", False),
        ("tests/", "tests/a.py", True),
        ("/tests/", "tests/a.py", True),
        ("**/tests/**", "tests/a.py", True),
        ("**/tests/**", "a/b/tests/c/d.py", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/b/c", False),
        ("**", "x", True),
        ("*", "x/y", False),
        ("a**b", "a/b", False),
        ("a**b", "axb", True),
        ("*.py", ".py", True),
        ("[ab].py", "a.py", True),
        ("[!ab].py", "a.py", False),
        ("[a", "[a", True),
        ("a.py", "axpy", False),
        ("**/conftest.py", "ConfTest.PY", True),
        ("**/*Test.java", "src/FooTest.java", True),
        ("**/*Test.java", "src/latest.java", False),
        ("caf\u00e9", "cafe\u0301", True),
        ("a\nb", "a\nb", True),
        ("a", "a\n", False),
    ],
)
def test_glob(glob: str, path: str, *, matches: bool) -> None:
    assert protected([path], [glob]) == ([path] if matches else [])


@pytest.mark.parametrize("glob", ["", "/"])
def test_an_empty_glob_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match="empty glob"):
        protected(["a"], [glob])


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("/".join(["**", "a"] * 200) + "/b", "/".join(["a"] * 5_000)),
        ("*a" * 200 + "b", "a" * 20_000),
        ("**/" * 500 + "b", "/".join("a" * 2_000)),
    ],
)
def test_hostile_globs_and_paths_take_no_exponential_time(glob: str, path: str) -> None:
    assert protected([path], [glob]) == []


@pytest.mark.parametrize(
    "path",
    [
        "tests/unit/test_x.py",
        "src/pkg/test_x.py",
        "src/pkg/x_test.py",
        "conftest.py",
        "pkg/deep/conftest.py",
        "pytest.ini",
        "pyproject.toml",
        "sitecustomize.py",
        "src/evil.pth",
        "pytest/__init__.py",
        "pkg/x_test.go",
        "web/x.test.ts",
        "web/x.spec.mjs",
        "web/x.spec.jsx",
        "vitest.config.mts",
        "package.json",
        "app/src/test/java/FooTest.java",
        "spec/models/user_spec.rb",
        "phpunit.xml",
        "Makefile",
        ".github/workflows/ci.yml",
        ".gitattributes",
        "node_modules/jest/index.js",
    ],
)
def test_the_defaults_protect(path: str) -> None:
    assert protected([path], DEFAULT_PROTECTED) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "src/waggle/__init__.py",
        "src/latest.py",
        "src/Latest.java",
        "src/contest.py",
        "src/testing.py",
        "lib/inspect.ts",
        "README.md",
        "docs/specification.md",
        "src/attestation/sign.go",
        ".github/CODEOWNERS",
        "src/app.css",
    ],
)
def test_the_defaults_leave_work_alone(path: str) -> None:
    assert protected([path], DEFAULT_PROTECTED) == []


def test_many_paths_are_matched() -> None:
    paths = [f"src/package{n % 50}/module{n}.py" for n in range(2_000)]
    assert protected(paths, DEFAULT_PROTECTED) == []


@pytest.mark.parametrize(
    ("changes", "restore", "remove"),
    [
        ([change("M", "tests/a.py"), change("M", "src/a.py")], ["tests/a.py"], []),
        ([change("D", "tests/a.py")], ["tests/a.py"], []),
        ([change("T", "tests/a.py")], ["tests/a.py"], []),
        ([change("A", "tests/a.py"), change("A", "src/a.py")], [], ["tests/a.py"]),
        ([change("R", "old.py", "tests/a.py")], ["tests/a.py"], []),
        ([change("R", "tests/b.py", "src/b.py")], [], ["tests/b.py"]),
        ([change("R", "tests/b.py", "tests/a.py")], ["tests/a.py"], ["tests/b.py"]),
        ([change("C", "tests/b.py", "tests/a.py")], [], ["tests/b.py"]),
        ([change("C", "src/b.py", "tests/a.py")], [], []),
        ([change("D", "tests/a.py"), change("A", "tests")], ["tests/a.py"], ["tests"]),
        ([change("D", "tests/x"), change("A", "tests/x/y")], ["tests/x"], ["tests/x/y"]),
        ([change("M", "tests/b"), change("M", "tests/a")], ["tests/a", "tests/b"], []),
    ],
)
def test_split_changes(changes: list[Change], restore: list[str], remove: list[str]) -> None:
    assert split_changes(changes, ["tests/**"]) == Restoration(
        restore=tuple(restore), remove=tuple(remove)
    )


@given(changes=st.lists(CHANGES, max_size=8), globs=st.lists(GLOBS, max_size=3))
def test_every_protected_change_is_undone_once(changes: list[Change], globs: list[str]) -> None:
    done = split_changes(changes, globs)
    touched = {c.path for c in changes} | {c.old_path for c in changes if c.status == "R"}
    assert set(protected(filter(None, touched), globs)) <= {*done.restore, *done.remove}
    assert not set(done.restore) & set(done.remove)
    assert list(done.restore) == sorted(set(done.restore))
    assert list(done.remove) == sorted(set(done.remove))
    assert set(done.restore) == set(protected(done.restore, globs))
    assert split_changes(reversed(changes), globs) == done


@pytest.mark.parametrize(("status", "old"), [("R", None), ("C", None), ("M", "b"), ("A", "b")])
def test_a_change_has_an_old_path_exactly_if_it_needs_one(
    status: Literal["A", "M", "R", "C"], old: str | None
) -> None:
    with pytest.raises(ValueError, match="old path"):
        change(status, "a", old)
