"""Every command, as a process: the shapes that others build on, and the same write once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.race.field import FIX, TEST, Field


def task(field: Field, *words: str, title: str = "fix add") -> str:
    field.json("init")
    return str(field.json("task", "add", title, *words)["task"]["id"])


def publish(field: Field, text: str, who: str, *words: str) -> str:
    shown = field.json("publish", "--text", text, "--as", who, *words)
    return str(shown["candidate"]["id"])


def is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


CANDIDATE = {
    "id", "author", "commit", "size", "confidence", "checks", "votes", "flags", "summary", "at",
}  # fmt: skip


def test_the_whole_way_by_hand(real: Field) -> None:
    """Each command's object has the fields that the issue fixes."""
    made = real.json("init")
    assert made["created"] is True
    assert real.json("init")["created"] is False
    added = real.json("task", "add", "fix add", "--test", TEST, "--as", "ann")
    assert is_id(added["task"]["id"])
    assert added["task"]["base"] == real.git("rev-parse", "HEAD")
    assert added["durable"] == {"journal": True, "frame": False}

    listed = real.json("tasks")
    assert [one["id"] for one in listed["tasks"]] == [added["task"]["id"]]
    assert set(listed["tasks"][0]) == {"id", "title", "by", "at", "base", "rule", "candidates"}

    real.write({"calc.py": FIX})
    published = real.json("publish", "--confidence", "80", "--summary", "the sign", "--as", "bo")
    assert set(published["candidate"]) == CANDIDATE
    candidate = published["candidate"]["id"]
    assert is_id(candidate)
    assert published["candidate"]["confidence"] == 80
    assert published["durable"] == {"journal": True, "frame": True}

    voted = real.json("vote", candidate, "--up", "--as", "cy", "--reason", "reads well")
    assert (voted["score"], voted["candidate"]) == (100, candidate)
    checked = real.json("check", candidate)
    assert [check["exit"] for check in checked["checks"]] == [0]

    chosen = real.json("choose")
    assert set(chosen) >= {"ok", "task", "status", "winner", "rivals", "why"}
    assert chosen["task"] == added["task"]["id"]
    assert chosen["winner"]["id"] == candidate
    assert chosen["rivals"] == []
    assert set(chosen["winner"]) == CANDIDATE

    assert "+    return a + b" in real.json("diff", candidate)["diff"]
    assert real.json("show")["candidates"][0]["id"] == candidate
    assert real.json("show", candidate)["task"] == added["task"]["id"]
    saved = real.json("checkpoint", "--note", "so far")
    assert (saved["n"], saved["size"]) == (1, published["candidate"]["size"])
    ruled = real.json("ruling", added["task"]["id"], candidate, "--reason", "right")
    assert ruled["durable"]["frame"] is True
    assert real.json("choose")["status"] == "decided"
    real.git("checkout", "-q", "calc.py")
    assert real.json("apply")["paths"] == ["calc.py"]

    kinds = [entry["kind"] for entry in real.json("log", "--limit", "0")["entries"]]
    assert kinds == ["ruling.make", "checkpoint.save", "check.record", "vote.cast",
                     "candidate.publish", "task.add"]  # fmt: skip
    assert real.json("seal")["entries"] == 0
    assert real.json("verify")["verified"] is True
    before = real.json("digest")
    rebuilt = real.json("rebuild")
    assert rebuilt["digest"] == before["digest"] == real.json("digest")["digest"]
    assert real.json("doctor")["healthy"] is True
    assert real.json("held")["held"] == []


def test_a_choice_among_nothing(field: Field) -> None:
    task(field)
    chosen = field.json("choose")
    assert chosen["winner"] is None
    assert (chosen["status"], chosen["rivals"], chosen["why"]) == ("open", [], [])


def test_ids_can_be_abbreviated_in_any_case(field: Field) -> None:
    whole = task(field)
    candidate = publish(field, "a", "ann")
    assert field.json("choose", whole[:4])["task"] == whole
    assert field.json("choose", whole[:9].upper())["task"] == whole
    assert field.json("vote", candidate[:4], "--up")["candidate"] == candidate


def test_the_newest_task_is_meant_where_none_is_named(field: Field) -> None:
    first, second = task(field, title="one"), task(field, title="two")
    assert field.json("choose")["task"] == second
    assert field.json("choose", env={"WAGGLE_TASK": first})["task"] == first
    assert field.json("choose", second, env={"WAGGLE_TASK": first})["task"] == second


def test_files_and_texts_are_candidates_too(field: Field) -> None:
    task(field)
    (field.top / "poem.txt").write_text("bees\n")
    shown = field.json("publish", "--file", "poem.txt", "--as", "ann")
    assert shown["candidate"]["size"] == 5
    assert shown["candidate"]["commit"] is None
    text = field.waggle("publish", "--text", "hum", "--as", "bob")
    assert text.status == 0
    assert len(field.json("show")["candidates"]) == 2


def test_spaces_are_apart(field: Field) -> None:
    field.json("init")
    one = field.json("task", "add", "x", "--space", "side")["task"]["id"]
    assert field.json("tasks")["tasks"] == []
    assert [t["id"] for t in field.json("tasks", env={"WAGGLE_SPACE": "side"})["tasks"]] == [one]


# --- the same write once ---------------------------------------------------------------------


def prepared(field: Field) -> dict[str, str]:
    whole = task(field)
    field.write({"calc.py": FIX})
    with_code = field.json("publish", "--as", "coder")["candidate"]["id"]
    field.git("checkout", "-q", "calc.py")
    return {"task": whole, "candidate": publish(field, "a", "ann"), "commit": with_code}


TWICE: dict[str, tuple[list[str], list[str]]] = {
    "task add": (["task", "add", "one"], ["task", "add", "another"]),
    "publish": (["publish", "{task}", "--text", "x"], ["publish", "{task}", "--text", "y"]),
    "vote": (["vote", "{candidate}", "--up"], ["vote", "{candidate}", "--down"]),
    "vote, ordinary path": (
        ["vote", "{candidate}", "--up", "--reason", "x"],
        ["vote", "{candidate}", "--score", "3", "--blind"],
    ),
    "ruling": (["ruling", "{task}", "{candidate}"], ["ruling", "{task}", "none"]),
    "checkpoint": (["checkpoint", "{task}"], ["checkpoint", "{task}", "--note", "later"]),
    "check": (["check", "{commit}", "--test", "true"], ["check", "{commit}", "--test", "false"]),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_write_with_a_key_that_was_seen_gives_the_first_result(field: Field, name: str) -> None:
    ids = prepared(field)
    first, second = ([word.format(**ids) for word in words] for words in TWICE[name])
    one = field.json(*first, "--key", "k 'é'")
    if name == "checkpoint":
        field.write({"calc.py": "changed since\n"})
    count = len(field.json("log", "--limit", "0")["entries"])
    two = field.json(*second, "--key", "k 'é'")
    assert two == one
    assert len(field.json("log", "--limit", "0")["entries"]) == count
    if name == "checkpoint":
        kept = field.refs("refs/waggle-checkpoint")
        assert list(kept.values()) == [one["commit"]], "the ref is what the entry tells of"
    # Without the key it is another write.
    field.json(*second)
    assert len(field.json("log", "--limit", "0")["entries"]) == count + 1


def test_a_key_belongs_to_one_kind_of_write(field: Field) -> None:
    ids = prepared(field)
    field.json("task", "add", "x", "--key", "k")
    for words in (["vote", ids["candidate"], "--up"], ["publish", ids["task"], "--text", "x"],
                  ["checkpoint"], ["ruling", ids["task"], ids["candidate"]]):  # fmt: skip
        status, error = field.refused(*words, "--key", "k")
        assert (status, error["code"]) == (2, "invalid"), words
        assert "used for another write" in error["message"]


def test_publishing_the_same_again_adds_nothing(field: Field) -> None:
    task(field)
    field.write({"calc.py": FIX})
    first = field.json("publish")["candidate"]["id"]
    assert field.json("publish")["candidate"]["id"] == first
    field.write({"calc.py": FIX + "# better\n"})
    second = field.json("publish")["candidate"]["id"]
    assert second != first
    chosen = field.json("choose")
    assert chosen["winner"]["id"] == second
    assert chosen["rivals"] == [], "one's own later candidate supersedes"


def test_processes_vote_at_once(field: Field) -> None:
    """Every acknowledged vote is in the log, in one line of entries without a gap."""
    task(field)
    candidate = publish(field, "a", "ann")
    voters = [f"voter {n}" for n in range(8)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "waggle", "vote", candidate, "--up", "--as", voter, "--json",
             *(("--reason", "x") if n % 2 else ())],
            cwd=field.top, env=field.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for n, voter in enumerate(voters)
    ]  # fmt: skip
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, (out, err)
    entries = field.json("log", "--limit", "0")["entries"]
    assert sorted(entry["seq"] for entry in entries) == list(range(1, 11))
    assert field.json("choose")["winner"]["votes"]["up"] == 8
    assert field.json("verify")["verified"] is True


# --- places -----------------------------------------------------------------------------------


def test_a_repository_without_commits(field: Field) -> None:
    fresh = field.folder / "fresh"
    fresh.mkdir()
    field.git("init", "-q", cwd=fresh)
    field.json("init", cwd=fresh)
    added = field.json("task", "add", "begin", cwd=fresh)
    assert added["task"]["base"] is None
    (fresh / "first.py").write_text("x = 1\n")
    candidate = field.json("publish", cwd=fresh)["candidate"]
    assert "+x = 1" in field.json("diff", candidate["id"], cwd=fresh)["diff"]
    field.json("checkpoint", cwd=fresh)
    field.json("vote", candidate["id"], "--up", "--as", "ann", cwd=fresh)
    assert field.json("choose", cwd=fresh)["winner"]["id"] == candidate["id"]
    assert field.json("verify", cwd=fresh)["verified"] is True


def test_a_bare_repository_and_a_subfolder_of_one(field: Field) -> None:
    bare = field.folder / "bare.git"
    field.git("clone", "-q", "--bare", str(field.top), str(bare))
    for place in (bare, bare / "objects"):
        field.json("init", cwd=place)
        field.json("task", "add", "x", cwd=place)
    assert field.refused("publish", cwd=bare)[1]["code"] == "invalid"
    shown = field.json("publish", "--text", "hm", cwd=bare)
    assert field.json("choose", cwd=bare)["winner"]["id"] == shown["candidate"]["id"]
    assert len(field.json("tasks", cwd=bare)["tasks"]) == 2


def test_all_worktrees_and_subfolders_share_one_store(field: Field) -> None:
    whole = task(field)
    linked = field.folder / "linked é"
    field.git("worktree", "add", "-q", "-b", "side", str(linked))
    for place in (linked, linked / "tests", field.top / "tests"):
        assert field.json("tasks", cwd=place)["tasks"][0]["id"] == whole
    assert field.json("digest", cwd=linked)["digest"] == field.json("digest")["digest"]
    # Nothing of it shows in a work tree.
    assert field.git("status", "--porcelain", cwd=linked) == ""
    assert not (Path(linked) / ".git").is_dir()
