"""A race works wherever git works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.race.field import BUG, EXAM, FIX, PYTHON, TEST, Field

ODD = ["two words", "ünïcödé ☃", "a'quote\"s", "-dash", "$HOME;x"]


def test_the_line_of_the_readme_works_where_waggle_was_never_seen(field: Field) -> None:
    """Two scripts that stand, uncommitted, in the user's folder; pytest; no `waggle init`."""
    field.commit({"tests/test_calc.py": "import calc\n\n\ndef test_add():\n"
                                        "    assert calc.add(1, 2) == 3\n",
                  "conftest.py": ""})  # fmt: skip
    field.write({"agent_a.py": f"open('calc.py', 'w').write({FIX!r})\n",
                 "agent_b.py": "open('calc.py', 'a').write('# tried\\n')\n"})  # fmt: skip
    python = sys.executable
    ran = field.waggle(
        "race", "make the tests pass", "--agent", f"{python} agent_a.py",
        "--agent", f"{python} agent_b.py", "--test", f"{python} -m pytest -q",
    )  # fmt: skip
    assert ran.status == 0, ran
    assert ran.err == ""
    chosen = field.json("choose")
    assert chosen["winner"]["author"] == "agent_a"
    assert chosen["winner"]["checks"]["passed"] == 1
    assert [one["author"] for one in chosen["rivals"]] == ["agent_b"]
    names = field.git("ls-tree", "-r", "--name-only", chosen["winner"]["commit"]).splitlines()
    assert "agent_a.py" not in names, "the user's untracked files are no part of a candidate"
    assert "waggle apply" in ran.out


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_folders(tmp_path: Path, name: str) -> None:
    field = Field(tmp_path / name, name)
    try:
        field.write({f"{name}.txt": "mine"})
        text = f"open('calc.py', 'w').write({FIX!r})\nopen({name!r} + '.py', 'w').write('x')\n"
        field.write({"own agent.py": text})
        ran = field.race("--agent", f"{PYTHON} 'own agent.py'", "--test", TEST)
        assert ran.result["winner"]["checks"]["passed"] == 1
        assert field.json("apply")["paths"] == sorted(["calc.py", f"{name}.py"])
        assert (field.top / "calc.py").read_text() == FIX
    finally:
        field.close()


def test_a_subfolder(field: Field) -> None:
    """Words that name files from where the user stands, committed or not, are found."""
    fix = f"open('calc.py', 'w').write({FIX!r})\n"
    field.commit({"tools/committed.py": fix, "tools/calc.py": "# another\n"})
    field.write({"tools/fresh.py": fix})
    ran = field.race("--agent", f"{PYTHON} committed.py", "--agent", f"{PYTHON} fresh.py",
                     "--agent", f"{PYTHON} ./committed.py",
                     "--agent", f"{PYTHON} ../tools/fresh.py",
                     "--test", TEST, cwd=field.top / "tools")  # fmt: skip
    assert [run["status"] for run in ran.result["runs"]] == ["done"] * 4
    commits = [one["commit"] for one in [ran.result["winner"], *ran.result["rivals"]]]
    for commit in commits:
        assert field.content(commit, "calc.py") == FIX.rstrip("\n")


def test_the_agent_runs_as_it_is_in_the_base(field: Field) -> None:
    """A committed script is the base's, so that a change to it is no part of the race."""
    old = field.commit({"agent.py": "open('calc.py', 'w').write('old agent')\n"})
    field.commit({"agent.py": "open('calc.py', 'w').write('new agent')\n"})
    ran = field.race("--agent", f"{PYTHON} agent.py", "--base", old)
    assert field.content(ran.result["winner"]["commit"], "calc.py") == "old agent"


def test_a_linked_worktree(field: Field) -> None:
    linked = field.folder / "linked"
    field.git("worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "calc.py").write_text(BUG + "# side\n")
    field.git("commit", "-qam", "side", cwd=linked)
    side = field.git("rev-parse", "side")
    ran = field.race("--agent", field.fixer(), "--test", TEST, cwd=linked)
    assert ran.result["touched"] == []
    task = field.json("show", cwd=linked)
    assert task["base"] == side, "the commit that the user stands on, not the main worktree's"
    field.json("apply", cwd=linked)
    assert (linked / "calc.py").read_text() == FIX
    assert (field.top / "calc.py").read_text() == BUG
    # One store serves all worktrees, and HEAD is the worktree's own.
    assert field.json("tasks")["tasks"][0]["id"] == ran.result["task"]
    field.git("commit", "-qam", "applied", cwd=linked)
    published = field.json("publish", "--commit", "HEAD", cwd=linked, env={"WAGGLE_AGENT": "x"})
    assert published["candidate"]["commit"] == field.git("rev-parse", "side")


def test_a_bare_repository(field: Field) -> None:
    bare = field.folder / "bare.git"
    field.git("clone", "-q", "--bare", str(field.top), str(bare))
    ran = field.race("--agent", field.fixer(), "--test", TEST, cwd=bare)
    winner = ran.result["winner"]
    assert winner["checks"]["passed"] == 1
    assert "+    return a + b" in field.json("diff", winner["id"], cwd=bare)["diff"]
    status, error = field.refused("apply", cwd=bare)
    assert (status, error["code"]) == (7, "environment")
    assert "clone or worktree" in error["next"]


def test_a_repository_without_commits_says_what_to_do(field: Field) -> None:
    fresh = field.folder / "fresh"
    fresh.mkdir()
    field.git("init", "-q", cwd=fresh)
    status, error = field.refused("race", "go", "--agent", field.fixer(), cwd=fresh)
    assert (status, error["code"]) == (3, "not_found")
    assert "no commit yet" in error["message"]
    assert "first commit" in error["next"]


def test_a_submodule(field: Field) -> None:
    upper = field.folder / "upper"
    upper.mkdir()
    field.git("init", "-q", cwd=upper)
    field.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
              str(field.top), "part", cwd=upper)  # fmt: skip
    part = upper / "part"
    assert (part / ".git").is_file()
    field.git("commit", "-qm", "one", cwd=upper)
    ran = field.race("--agent", field.fixer(), "--test", TEST, cwd=part)
    assert ran.result["winner"]["checks"]["passed"] == 1
    assert ran.result["touched"] == []
    field.json("apply", cwd=part)
    assert (part / "calc.py").read_text() == FIX
    # The store lies with the submodule's own repository, not with the one around it.
    assert (upper / ".git/modules/part/waggle/journal.db").exists()
    assert not (upper / ".git" / "waggle").exists()


def test_a_project_with_a_submodule(field: Field) -> None:
    """A gitlink in the base stays one in a candidate."""
    inner = field.folder / "inner"
    inner.mkdir()
    field.git("init", "-q", cwd=inner)
    field.git("commit", "-q", "--allow-empty", "-m", "x", cwd=inner)
    field.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
              str(inner), "lib")  # fmt: skip
    field.git("commit", "-qm", "with a part")
    before = field.git("ls-tree", "HEAD", "lib")
    ran = field.race("--agent", field.fixer(), "--test", TEST)
    assert field.git("ls-tree", ran.result["winner"]["commit"], "lib") == before
    assert ran.result["touched"] == []


def test_the_users_settings_of_git_do_not_leak_in(field: Field) -> None:
    """Diff drivers, line endings, ignored whitespace: what is recorded is the content itself."""
    for name, value in {
        "core.autocrlf": "true", "diff.noprefix": "true", "diff.mnemonicPrefix": "true",
        "apply.whitespace": "error", "core.quotePath": "true", "status.showUntrackedFiles": "no",
        "color.ui": "always", "diff.external": "false", "commit.gpgSign": "true",
        "diff.renames": "copies",
    }.items():  # fmt: skip
        field.git("config", name, value)
    agent = field.agent(
        "careful", f"open('calc.py', 'w').write({FIX!r})\nopen('é.txt', 'w').write('x  \\n')\n"
    )
    ran = field.race("--agent", agent, "--test", TEST)
    assert ran.result["winner"]["checks"]["passed"] == 1
    shown = field.json("diff", ran.result["winner"]["id"])["diff"]
    assert "\x1b" not in shown
    assert field.json("apply")["paths"] == ["calc.py", "é.txt"]
    assert (field.top / "tests/test_calc.py").read_text() == EXAM


def test_outside_a_repository(field: Field) -> None:
    nowhere = field.folder / "nowhere"
    nowhere.mkdir()
    status, error = field.refused("race", "go", "--agent", "true", cwd=nowhere)
    assert (status, error["code"]) == (7, "no_repository")
