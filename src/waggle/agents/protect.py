"""Protected paths: a candidate may not write its own exam.

Before a check runs, whatever decides what is tested is put back as it is in the base. A false
"tests pass" is worse than a false "tests fail", so a path that may serve both the exam and the
work (a project file that configures its test runner) is protected; who needs it edited names
other globs for the task.

A glob is matched against a whole path as git prints it, relative to the root, with ``/``:

- ``*`` any characters but ``/``, ``?`` one, ``[abc]``, ``[a-z]``, ``[!abc]`` one of a class;
- ``**`` as a whole segment: any number of directories, none too; at the end: all that is inside;
- a ``/`` at the end means the directory's content, one at the start nothing;
- nothing is matched at any depth unless the glob starts with ``**/`` (git's ``:(glob)``).

Case: a glob without capitals matches in any case, since macOS and Windows load ``ConfTest.py``
as ``conftest.py``; a glob with capitals matches exactly, since ``*Test.java`` must not protect
``latest.java``. Both sides are compared in Unicode's composed form (NFC), as macOS does.

Names that a test runner imports indirectly cannot all be listed (any module at the root can
shadow one of the standard library under ``python -m pytest``): a check that must hold against a
hostile candidate runs in isolated mode besides.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DEFAULT_PROTECTED: tuple[str, ...] = (
    # The tests themselves, by the directories that most languages and frameworks share.
    "**/test/**",
    "**/tests/**",
    "**/spec/**",
    "**/specs/**",
    "**/__tests__/**",
    "**/e2e/**",
    # What tests are compared with: recorded results are answers.
    "**/__snapshots__/**",
    "**/testdata/**",
    "**/*.snap",
    # Tests beside the code, by the names under which runners collect them.
    "**/test_*.py",
    "**/*_test.py",
    "**/*_test.go",
    "**/*.test.[cm][jt]s",
    "**/*.test.[jt]s",
    "**/*.test.[jt]sx",
    "**/*.spec.[cm][jt]s",
    "**/*.spec.[jt]s",
    "**/*.spec.[jt]sx",
    "**/*_spec.rb",
    "**/*_test.rb",
    "**/*_test.exs",
    "**/*_test.dart",
    "**/*Test.java",
    "**/*Tests.java",
    "**/*IT.java",
    "**/*Test.kt",
    "**/*Tests.kt",
    "**/*Spec.scala",
    "**/*Test.php",
    "**/*Tests.cs",
    "**/*Test.cs",
    "**/*Tests.swift",
    # Python: what pytest, unittest, tox, nox and coverage read; one line in any of these can
    # deselect every test, and pytest runs conftest.py before the first.
    "**/conftest.py",
    "**/pytest.ini",
    "**/.pytest.ini",
    "**/pytest.toml",
    "**/.pytest.toml",
    "**/tox.ini",
    "**/tox.toml",
    "**/setup.cfg",
    "**/pyproject.toml",
    "**/noxfile.py",
    "**/.coveragerc",
    # Python: what runs before, or in place of, the test runner when it lies on its path.
    "**/sitecustomize.py",
    "**/usercustomize.py",
    "**/*.pth",
    "**/pytest.py",
    "**/pytest/**",
    "**/_pytest/**",
    "**/pluggy.py",
    "**/pluggy/**",
    "**/unittest.py",
    "**/unittest/**",
    # JavaScript: runners' configuration, the file whose scripts define ``npm test``, and installed
    # packages, among which the runner is found first.
    "**/package.json",
    "**/jest.config.*",
    "**/jest.setup.*",
    "**/vitest.config.*",
    "**/vitest.workspace.*",
    "**/vite.config.*",
    "**/playwright.config.*",
    "**/cypress.config.*",
    "**/karma.conf.*",
    "**/.mocharc.*",
    "**/.npmrc",
    "**/node_modules/**",
    # Other languages' runners.
    "**/phpunit.xml",
    "**/phpunit.xml.dist",
    "**/phpunit.dist.xml",
    "**/.rspec",
    "**/.config/nextest.toml",
    # What a check's command most often calls: it decides what "test" means.
    "**/makefile",
    "**/gnumakefile",
    "**/justfile",
    "**/.justfile",
    "**/taskfile.y*ml",
    # The exam that the host sets after a merge; it also runs with the repository's rights.
    ".github/workflows/**",
    ".github/actions/**",
    ".gitlab-ci.yml",
    ".circleci/**",
    "azure-pipelines.yml",
    "**/jenkinsfile",
    # How git writes the exam's files to disk, and what it shows of a change.
    "**/.gitattributes",
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``git diff --name-status``, the number after R and C left out.

    Raises ValueError on construction if old_path is missing for R or C, or given for another.
    """

    path: str
    """Where the file is now, or was if it is deleted."""
    status: Literal["A", "M", "D", "R", "C", "T"]
    """Added, modified, deleted, renamed, copied, type changed."""
    old_path: str | None = None

    def __post_init__(self) -> None:
        if (self.old_path is not None) != (self.status in {"R", "C"}):
            raise ValueError("A rename or a copy has an old path, and no other change has one.")


class Restoration(msgspec.Struct, frozen=True, kw_only=True):
    """What brings protected paths back to the base: remove first, then restore.

    Invariant: both are sorted, without duplicates and disjoint.
    """

    restore: tuple[str, ...]
    """To be written as they are in the base: modified, deleted or renamed away."""
    remove: tuple[str, ...]
    """To be removed: added, or an added file or directory in the place of a restored one."""


def protected(paths: Iterable[str], globs: Sequence[str]) -> list[str]:
    """The paths that at least one glob matches, in the order given.

    Paths are relative to the repository's root, with ``/``, as git prints them with ``-z``. Time
    is at most proportional to the product of paths, globs and their lengths. Raises ValueError for
    an empty glob.
    """
    matchers = [_matcher(glob) for glob in globs]
    return [path for path in paths if _any(matchers, path)]


def split_changes(changes: Iterable[Change], globs: Sequence[str]) -> Restoration:
    """What to restore and what to remove so that all protected paths are as in the base.

    A copy leaves its source alone, so only its new path counts. An added path that stands where a
    restored path or its directory has to be is removed though it is not protected (a file or a
    link ``tests`` in place of the directory). Raises ValueError for an empty glob.
    """
    matchers = [_matcher(glob) for glob in globs]
    gone: set[str] = set()
    new: set[str] = set()
    for change in changes:
        if change.status in {"M", "D", "T"}:
            gone.add(change.path)
        else:
            new.add(change.path)
        if change.status == "R" and change.old_path is not None:
            gone.add(change.old_path)
    restore = {path for path in gone if _any(matchers, path)}
    remove = {path for path in new if _any(matchers, path)} | _in_the_way(new, restore)
    return Restoration(restore=tuple(sorted(restore)), remove=tuple(sorted(remove - restore)))


def _in_the_way(new: set[str], restore: set[str]) -> set[str]:
    """Added paths that are a directory of a restored path, or lie inside one."""
    directories = {parent for path in restore for parent in _parents(path)}
    return {path for path in new if path in directories or not restore.isdisjoint(_parents(path))}


def _parents(path: str) -> list[str]:
    return [path[:index] for index, char in enumerate(path) if char == "/"]


def _any(matchers: Iterable[Callable[[str], bool]], path: str) -> bool:
    path = normalize("NFC", path)
    return any(matches(path) for matches in matchers)


_DIRECTORIES = None
"""A segment ``**``: any number of directories."""

_NOTHING = re.compile(r"(?!)")
"""Matches no name: what stands after the last segment."""

_Segment = re.Pattern[str] | None


@lru_cache(maxsize=1024)
def _matcher(glob: str) -> Callable[[str], bool]:
    pattern = normalize("NFC", glob).removeprefix("/")
    if not pattern:
        raise ValueError("An empty glob matches nothing: leave it out, or write ** for all.")
    if pattern.endswith("/"):
        pattern += "**"
    flags = re.IGNORECASE if pattern == pattern.lower() else re.NOFLAG
    names = pattern.split("/")
    if names[-1] == "**":
        names.append("*")
    # fnmatch translates a segment to a pattern with atomic groups, which never backtracks.
    segments = [
        _DIRECTORIES if name == "**" else re.compile(translate(name), flags) for name in names
    ]
    return lambda path: _match(segments, path.split("/"))


def _match(segments: Sequence[_Segment], names: Sequence[str]) -> bool:
    """Whether the segments match all names; backtracks to the last ``**`` only, which suffices.

    An earlier ``**`` need never be widened: the segments after it were matched as early as can be,
    so widening it leaves less for what follows. Time is at most their product.
    """
    last = segments[-1]
    if last is not _DIRECTORIES and not last.match(names[-1]):
        return False
    segment = name = 0
    back: tuple[int, int] | None = None
    while name < len(names):
        pattern = segments[segment] if segment < len(segments) else _NOTHING
        if pattern is _DIRECTORIES:
            back = (segment, name)
            segment += 1
        elif pattern.match(names[name]):
            segment, name = segment + 1, name + 1
        elif back:
            back = (back[0], back[1] + 1)
            segment, name = back[0] + 1, back[1]
        else:
            return False
    return all(pattern is _DIRECTORIES for pattern in segments[segment:])
