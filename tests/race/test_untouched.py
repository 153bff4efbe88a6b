"""waggle itself changes nothing of the user's; what an agent did to it is reported."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.race.field import TEST, Field

OURS = ("waggle", "objects", "refs/waggle", "logs/refs/waggle")
"""Where waggle writes within .git; objects only gain."""


def everything(top: Path) -> dict[str, tuple[int, bytes]]:
    """Give every file below a folder, with mode and bytes, but for what is waggle's own."""
    found = {}
    for root, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = Path(root) / name
            inside = path.relative_to(top).as_posix()
            if inside.removeprefix(".git/").startswith(OURS) and inside.startswith(".git/"):
                continue
            mode = path.lstat().st_mode
            found[inside] = (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


def objects(field: Field) -> set[str]:
    rows = field.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(rows.splitlines())


def busy_user(field: Field) -> None:
    """Let the user have something of everything: stash, branches, staged, changed, untracked."""
    field.write({"calc.py": "stashed\n"})
    field.git("stash")
    field.git("branch", "side")
    field.git("tag", "v1")
    field.write({"staged.txt": "staged\n", "dir/untracked.txt": "untracked\n", "x.tmp": "ignored"})
    field.git("add", "staged.txt")
    field.write({"staged.txt": "changed since\n", "calc.py": "def add(a, b): return 'mine'\n"})
    field.git("config", "user.name", "The User")


def test_a_race_leaves_the_users_repository_byte_for_byte(field: Field) -> None:
    busy_user(field)
    before, had = everything(field.top), objects(field)
    mtimes = {path: (field.top / path).stat().st_mtime_ns for path in ("calc.py", ".git/index")}
    ran = field.race("--agent", field.fixer(), "--agent", "false", "--test", TEST)
    assert ran.result["touched"] == []
    assert everything(field.top) == before
    for path, mtime in mtimes.items():
        assert (field.top / path).stat().st_mtime_ns == mtime
    assert had <= objects(field)
    # Looking at the user's files leaves no copy of them in the object store.
    blob = field.git("hash-object", "dir/untracked.txt")
    assert blob not in objects(field)
    # The rest of the commands that read or write the log leave it alone as well.
    for words in (("choose",), ("show",), ("tasks",), ("log",), ("seal",), ("verify",),
                  ("rebuild",), ("digest",), ("doctor",), ("held",),
                  ("vote", ran.result["winner"]["id"], "--up")):  # fmt: skip
        field.json(*words)
    assert everything(field.top) == before


def test_the_users_hooks_never_run(field: Field) -> None:
    hooks = field.top / ".git" / "hooks"
    names = ("post-checkout", "reference-transaction", "pre-commit", "post-commit", "commit-msg",
             "post-index-change", "pre-push", "post-rewrite", "fsmonitor-watchman")  # fmt: skip
    for name in names:
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\necho {name} >> '{field.marks / 'hooks'}'\n")
        hook.chmod(0o755)
    field.git("commit", "-q", "--allow-empty", "-m", "the control")
    assert field.marked("hooks") > 0
    (field.marks / "hooks").unlink()
    for isolate in ("worktree", "clone"):
        ran = field.race("--agent", field.fixer(), "--test", TEST, "--isolate", isolate)
        field.json("check", ran.result["winner"]["id"])
        assert not (field.marks / "hooks").exists(), (field.marks / "hooks").read_text()
    field.json("apply")
    field.json("publish")
    field.json("checkpoint")
    assert not (field.marks / "hooks").exists(), (field.marks / "hooks").read_text()


MISDEEDS = {
    "branch": ("git branch hijacked", "refs/heads/hijacked appeared, at"),
    "tag": ("git tag -f v1", "refs/tags/v1 moved from"),
    "deleted": ("git branch -D side", "refs/heads/side is gone, it was at"),
    "stash": ("git -C $TOP stash drop -q", "refs/stash is gone"),
    "config": ("git config alias.x y", "the repository's configuration changed"),
    "exclude": ("echo '*.log' >> $TOP/.git/info/exclude", "the repository's configuration changed"),
    "hooks": ("echo x > $TOP/.git/hooks/pre-push", "the repository's hooks changed"),
    "index": ("git -C $TOP add dir", "the index (what is staged) changed"),
    "tracked": ("echo y >> $TOP/calc.py", "1 files of the work tree changed: calc.py"),
    "untracked": (
        "echo y >> $TOP/dir/untracked.txt",
        "1 files of the work tree changed: dir/untracked.txt",
    ),
    "head": ("git -C $TOP symbolic-ref HEAD refs/heads/side", "HEAD was ref: refs/heads/main"),
}


@pytest.mark.parametrize("deed", MISDEEDS)
def test_what_an_agent_did_to_the_users_repository_is_reported(field: Field, deed: str) -> None:
    busy_user(field)
    command, report = MISDEEDS[deed]
    field.git("commit", "-q", "--allow-empty", "-m", "later")
    script = command.replace("$TOP", f'"{field.top}"')
    (field.agents / "rogue.sh").write_text(f"set -e\n{script}\necho x > calc.py\n")
    ran = field.race("--agent", f"sh {field.agents / 'rogue.sh'}")
    assert ran.run()["status"] == "done", ran
    assert any(row.startswith(report) for row in ran.result["touched"]), ran.result["touched"]
    assert len(ran.result["touched"]) == 1, ran.result["touched"]


def test_the_report_is_shown_to_people(field: Field) -> None:
    agent = f"sh -c 'git branch hijacked; echo x > calc.py; echo y > \"{field.top}/calc.py\"'"
    shown = field.waggle("race", "go", "--agent", agent).out
    assert "changed in your repository meanwhile: refs/heads/hijacked appeared" in shown
    assert "changed in your repository meanwhile: 1 files of the work tree changed" in shown
