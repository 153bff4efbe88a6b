"""`waggle apply`: the winner where the user stands, or a clean refusal."""

from __future__ import annotations

from tests.race.field import FIX, Field
from tests.race.test_untouched import everything

WIDE = (
    "import os\n"
    f"open('calc.py', 'w').write({FIX!r})\n"
    "open('new file é.py', 'wb').write(bytes(range(256)))\n"
    "os.remove('old.txt')\n"
    "os.chmod('run.sh', 0o755)\n"
)


def raced(field: Field) -> str:
    field.commit({"old.txt": "old\n", "run.sh": "echo\n", "sub/deep.txt": "deep\n"})
    return str(field.race("--agent", field.agent("wide", WIDE)).result["task"])


def test_the_winner_is_put_into_the_work_tree_and_nothing_is_committed(field: Field) -> None:
    task = raced(field)
    head, index = field.git("rev-parse", "HEAD"), (field.top / ".git" / "index").read_bytes()
    applied = field.json("apply", task[:8])
    assert applied["paths"] == ["calc.py", "new file é.py", "old.txt", "run.sh"]
    assert (field.top / "calc.py").read_text() == FIX
    assert (field.top / "new file é.py").read_bytes() == bytes(range(256))
    assert not (field.top / "old.txt").exists()
    assert (field.top / "run.sh").stat().st_mode & 0o100
    assert field.git("rev-parse", "HEAD") == head
    assert (field.top / ".git" / "index").read_bytes() == index
    assert field.git("diff", "--cached", "--name-only") == ""


def test_it_works_from_a_subfolder(field: Field) -> None:
    raced(field)
    field.json("apply", cwd=field.top / "sub")
    assert (field.top / "calc.py").read_text() == FIX


def test_changes_of_the_users_elsewhere_are_no_hindrance(field: Field) -> None:
    raced(field)
    field.write({"sub/deep.txt": "mine\n", "untracked.txt": "mine\n"})
    field.json("apply")
    assert (field.top / "calc.py").read_text() == FIX
    assert (field.top / "sub/deep.txt").read_text() == "mine\n"


def refused(field: Field, path: str) -> None:
    before = everything(field.top)
    status, error = field.refused("apply")
    assert (status, error["code"], error["happened"]) == (6, "would_lose", "no")
    assert path in error["message"]
    assert "Nothing was changed" in error["next"]
    assert everything(field.top) == before
    text = field.waggle("apply")
    assert text.status == 6
    assert text.out == ""
    assert text.err.startswith("waggle: the change does not fit your work tree")


def test_it_refuses_to_lose_a_change(field: Field) -> None:
    raced(field)
    field.write({"calc.py": "def add(a, b):\n    return 'mine'\n"})
    refused(field, "calc.py")


def test_it_refuses_where_an_untracked_file_is_in_the_way(field: Field) -> None:
    raced(field)
    field.write({"new file é.py": "mine\n"})
    refused(field, "new file")


def test_it_refuses_where_the_file_it_deletes_was_changed(field: Field) -> None:
    raced(field)
    field.write({"old.txt": "mine\n"})
    refused(field, "old.txt")


def test_applying_twice_says_so(field: Field) -> None:
    raced(field)
    field.json("apply")
    refused(field, "calc.py")


def test_a_rival_can_be_applied_instead(field: Field) -> None:
    other = field.agent("other", "open('calc.py', 'w').write('other\\n')\n")
    ran = field.race("--agent", field.fixer(), "--agent", other, "--test", "grep -q + calc.py")
    (rival,) = ran.result["rivals"]
    assert field.json("apply", "--candidate", rival["id"])["candidate"] == rival["id"]
    assert (field.top / "calc.py").read_text() == "other\n"


def test_there_must_be_a_winner_and_it_must_be_a_commit(field: Field) -> None:
    field.json("init")
    field.json("task", "add", "name the bees")
    assert field.refused("apply")[1]["code"] == "not_found"
    field.json("publish", "--text", "Maja")
    assert field.refused("apply")[1]["code"] == "invalid"
