"""The `git` program: refs, worktrees, diffs. Always an argument list, never a shell.

Hooks of the user's never run for waggle's own commands, and what git writes for us is synced
(git >= 2.36 knows `core.fsync`; older ones ignore it). A ref that `git gc` has locked is tried
again for two seconds.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from waggle.base.errors import WaggleError
from waggle.store.repo.locate import find

_SETTINGS = (
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "core.fsync=all",
    "-c",
    "core.filesRefLockTimeout=2000",
    "-c",
    "core.packedRefsTimeout=2000",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "advice.detachedHead=false",
)
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ZERO = "0" * 40
FOLDER_BYTES_MAX = 1024 * 1024
"""A frame's commit, or the tree of one of its folders. A frame of the most entries, each with the
commit of a candidate, has 200 KiB."""


class MissingObjectError(Exception):
    """An object that a frame needs is not in the repository."""


class TooLargeError(ValueError):
    """An object has more bytes than it may have; it was not read."""

    def __init__(self, oid: str, size: int, limit: int) -> None:
        super().__init__(f"object {oid[:12]} has {size} bytes; the limit is {limit}")


class GitFailedError(WaggleError):
    """Git exited with an error; `stderr` is what it said."""

    def __init__(self, args: Sequence[str], status: int, stderr: str) -> None:
        words = " ".join(args[:3])
        tail = " / ".join(stderr.strip().splitlines()[-3:]) or f"exit status {status}"
        super().__init__(
            "environment",
            f"git {words}: {tail}",
            "Run `waggle doctor`; it names what is wrong and the safe next step.",
        )
        self.status = status
        self.stderr = stderr


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment without the variables that would point git elsewhere."""
    kept = {"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_TRACE", "GIT_EXEC_PATH"}
    clean = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name in kept or name.startswith("GIT_CONFIG")
    }
    return {**clean, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def running(common_dir: str, since: float) -> list[int]:
    """Give the ids of git processes at work in a repository since before `since` (epoch seconds).

    One whose folder this user may not see counts: better to wait than to break its lock.
    """
    import psutil

    found = []
    for process in psutil.process_iter(("name", "create_time", "cwd", "cmdline", "status")):
        info = process.info
        if not (info["name"] or "").startswith("git") or info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if info["create_time"] > since + 1:
            continue
        named = any(common_dir in word for word in info["cmdline"] or ())
        if named or _works_in(info["cwd"], common_dir):
            found.append(process.pid)
    return found


def _works_in(folder: str | None, common_dir: str) -> bool:
    if folder is None:
        return True
    try:
        return os.path.realpath(find(folder, {}).common_dir) == os.path.realpath(common_dir)
    except WaggleError:
        return False  # it works in no repository at all


class Git:
    """The git program at one repository (`git_dir`) and perhaps one work tree."""

    def __init__(
        self, git_dir: str, work_tree: str | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.git_dir = git_dir
        self.work_tree = work_tree
        self.environ = clean_environment(os.environ if environ is None else environ)

    def command(self, args: Sequence[str]) -> list[str]:
        """Give the whole argument list."""
        where = [f"--git-dir={self.git_dir}"]
        if self.work_tree is not None:
            where.append(f"--work-tree={self.work_tree}")
        return ["git", *_SETTINGS, *where, *args]

    def run(
        self,
        *args: str,
        data: bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """Run git and give what it printed; raise GitFailedError on another exit status."""
        return self.call(*args, data=data, env=env, ok=ok)[1]

    def call(
        self,
        *args: str,
        data: bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> tuple[int, bytes]:
        """Run git and give its exit status and what it printed."""
        try:
            done = subprocess.run(
                self.command(args),
                input=data if data is not None else b"",
                capture_output=True,
                env={**self.environ, **(env or {})},
                cwd=self.work_tree or self.git_dir,
                check=False,
            )
        except FileNotFoundError as error:
            raise WaggleError(
                "environment",
                f"cannot run git here: {error}",
                "Install git 2.36 or newer and put it on PATH; check that the folder exists.",
            ) from error
        if done.returncode not in ok:
            raise GitFailedError(args, done.returncode, done.stderr.decode(errors="replace"))
        return done.returncode, done.stdout

    def text(
        self, *args: str, env: Mapping[str, str] | None = None, ok: Sequence[int] = (0,)
    ) -> str:
        """Run git and give its output as text, without the last newline."""
        return self.run(*args, env=env, ok=ok).decode(errors="surrogateescape").rstrip("\n")

    def commit_id(self, revision: str) -> str:
        """Give the commit that a revision names; raise `not_found`."""
        status, out = self.call(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}",
            ok=(0, 1, 128),
        )  # fmt: skip
        if status:
            raise WaggleError(
                "not_found",
                f"git knows no commit {revision!r}",
                "Give a branch, tag or commit id that `git log` shows.",
            )
        return out.decode().strip()
